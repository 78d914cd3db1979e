package vmm.runtime;

import iommufd.api.IommufdException;
import iommufd.api.node.ClientLauncher;
import iommufd.api.node.NodeActivity;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleException;
import org.osgi.util.tracker.ServiceTracker;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** {@code ./vmm exec -- COMMAND…}: runs a program that finds the device nodes of this runtime. */
final class Exec {
    private static final Logger LOG = LoggerFactory.getLogger(Exec.class);
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    /** By convention of programs that run programs: it is us who failed. */
    private static final int NOT_STARTED = 125;

    private Exec() {}

    /** @return the program's exit code, or {@link #NOT_STARTED} with a message that names what is missing */
    static int run(BundleContext bundles, PrintStream err, List<String> arguments) throws InterruptedException {
        ExecOptions options;
        try {
            options = ExecOptions.parse(arguments);
        } catch (IllegalArgumentException wrong) {
            err.println(wrong.getMessage());
            return NOT_STARTED;
        }
        try {
            for (Path bundle : options.bundles()) {
                bundles.installBundle(bundle.toUri().toString()).start(Bundle.START_TRANSIENT);
            }
            if (options.hardware().isPresent()) {
                ChosenHardware.use(bundles, options.hardware().get(), PATIENCE);
            }
            try (PluggedDevices _ = PluggedDevices.plug(bundles, options.devices(), PATIENCE)) {
                return options.trace() ? traced(bundles, err, options) : launch(bundles, err, options);
            }
        } catch (BundleException | IOException | IommufdException refused) {
            LOG.debug("launching {}", options, refused);
            err.println("vmm exec: " + (refused instanceof IOException ? "the trace cannot be written: " : "") + refused.getMessage());
            return NOT_STARTED;
        }
    }

    private static int traced(BundleContext bundles, PrintStream err, ExecOptions options) throws IOException, InterruptedException {
        if (options.traceFile().isEmpty()) {
            return traced(bundles, err, err, options);
        }
        try (PrintStream file = new PrintStream(new BufferedOutputStream(Files.newOutputStream(options.traceFile().get())))) {
            return traced(bundles, err, file, options);
        }
    }

    private static int traced(BundleContext bundles, PrintStream err, PrintStream lines, ExecOptions options) throws InterruptedException {
        ServiceTracker<NodeActivity, NodeActivity> tracker = new ServiceTracker<>(bundles, NodeActivity.class, null);
        tracker.open();
        try {
            NodeActivity activity = tracker.waitForService(PATIENCE.toMillis());
            if (activity == null) {
                err.println("vmm exec: nothing here tells what programs do; is the bundle devnode.fuse deployed and active?");
                return NOT_STARTED;
            }
            try (NodeActivity.Tracing _ = activity.trace(lines::println)) {
                return launch(bundles, err, options);
            }
        } finally {
            tracker.close();
        }
    }

    private static int launch(BundleContext bundles, PrintStream err, ExecOptions options) throws InterruptedException {
        ServiceTracker<ClientLauncher, ClientLauncher> tracker = new ServiceTracker<>(bundles, ClientLauncher.class, null);
        tracker.open();
        try {
            ClientLauncher launcher = tracker.waitForService(PATIENCE.toMillis());
            if (launcher == null) {
                err.println("vmm exec: nothing here launches programs; is the bundle devnode.fuse deployed and active?");
                return NOT_STARTED;
            }
            return launcher.run(options.command(), options.characterDevices());
        } finally {
            tracker.close();
        }
    }
}
