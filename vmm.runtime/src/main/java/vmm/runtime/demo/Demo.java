package vmm.runtime.demo;

import iommufd.api.IommufdException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.List;
import org.osgi.framework.BundleContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import vmm.runtime.text.Quantity;

/** The demonstration: all steps, one after the other, and the verdict; or every {@link Promise} in short. */
public final class Demo {
    private static final Logger LOG = LoggerFactory.getLogger(Demo.class);
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final int HELD = 0;
    private static final int FAILED = 1;
    private static final int WRONG_USAGE = 2;

    private static final List<Step> STEPS =
            List.of(new DmaArrives(), new DirtyPages(), new SwapUnderLoad(), new FaultRecords(), new UnmapUnderLoad());

    private Demo() {}

    /** @return the exit code: 0 if everything held, 1 if not, 2 if the arguments make no sense */
    public static int run(BundleContext bundles, PrintStream out, List<String> arguments) throws InterruptedException {
        if (arguments.contains("--help")) {
            out.print(DemoOptions.USAGE);
            return HELD;
        }
        DemoOptions options;
        try {
            options = DemoOptions.parse(arguments);
        } catch (IllegalArgumentException wrong) {
            out.printf("vmm demo: %s%n%n%s", wrong.getMessage(), DemoOptions.USAGE);
            return WRONG_USAGE;
        }
        Screen screen = new Screen(out);
        long began = System.nanoTime();
        try {
            Services services = Services.await(bundles, PATIENCE);
            if (options.all()) {
                return Promises.show(services, screen, PATIENCE) ? HELD : FAILED;
            }
            try (Testbed bed = Testbed.build(services, options)) {
                introduce(bed, screen);
                runSteps(bed, screen);
            }
        } catch (Services.Missing missing) {
            screen.line("The demonstration cannot start: " + missing.getMessage());
            return FAILED;
        } catch (IommufdException | Step.StepFailed refused) {
            LOG.debug("outside the steps", refused);
            screen.check("The demonstration is set up and taken down", false, refused.getMessage());
        }
        screen.summary(Quantity.time(System.nanoTime() - began));
        return screen.checks().stream().allMatch(Check::held) ? HELD : FAILED;
    }

    private static void introduce(Testbed bed, Screen screen) {
        screen.line("iommufd demonstration\n\n   %d emulated devices do DMA into %s of guest memory, mapped at IOVA 0x%x.\n   Serving now: %s (%s). Standing by: %s (%s)."
                .formatted(Testbed.DEVICES, Quantity.bytes(bed.ram().lengthBytes()), Testbed.RAM_IOVA,
                        bed.serving().name(), bed.serving().vendor(), bed.standby().name(), bed.standby().vendor()));
    }

    private static void runSteps(Testbed bed, Screen screen) throws InterruptedException {
        for (Step step : STEPS) {
            screen.step(step.title());
            try {
                step.run(bed, screen);
            } catch (IommufdException | Step.StepFailed stopped) {
                LOG.debug("step '{}' stopped", step.title(), stopped);
                screen.check("The step runs to its end", false, stopped.getMessage());
                stopQuietly(bed);
            }
        }
    }

    /** The failure is on the screen already; a device that broke of it adds nothing. */
    private static void stopQuietly(Testbed bed) throws InterruptedException {
        for (EmulatedDevice device : bed.devices()) {
            try {
                device.stop();
            } catch (Step.StepFailed broken) {
                LOG.debug("device {}", device.requesterId(), broken);
            }
        }
    }
}
