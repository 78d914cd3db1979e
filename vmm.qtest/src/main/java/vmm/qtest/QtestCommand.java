package vmm.qtest;

import iommufd.api.hardware.IommuModel;
import iommufd.api.memory.PhysicalMemory;
import java.io.IOException;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.ToIntFunction;
import org.osgi.framework.BundleContext;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.InvalidSyntaxException;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.util.tracker.ServiceTracker;
import vmm.qtest.board.Board;
import vmm.qtest.command.Architecture;
import vmm.qtest.command.QemuArguments;
import vmm.qtest.command.QemuArgumentsParser;
import vmm.qtest.command.UsageException;

/**
 * What stands where a QEMU binary is expected. A launcher calls the service with the command line; the answer is the exit code. It ends
 * well when its client goes, and when the component is deactivated.
 */
@Component(service = ToIntFunction.class, property = QtestCommand.COMMAND + "=qtest")
public final class QtestCommand implements ToIntFunction<List<String>> {
    /** Service property: the command's name. */
    public static final String COMMAND = "vmm.command";
    /** In front of QEMU's arguments: which processor's boards. */
    static final String ARCHITECTURE = "--arch";
    private static final Set<String> HELP = Set.of("-h", "-help", "--help", "-version", "--version");
    private static final int WELL = 0;
    private static final int FAILED = 1;
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final String USAGE = """
            Usage: vmm qtest [--arch x86_64|aarch64] -- QEMU-OPTION...
              -machine q35 | virt | none   -m SIZE   -device DEVICE[,PROPERTY=VALUE...]   -global DEVICE.PROPERTY=VALUE
              -qtest unix:PATH[,server=on] | stdio   -qmp unix:PATH[,server=on] | stdio   -qtest-log FILE
            docs/qtest.md says what they mean here.
            """;

    private final BundleContext bundles;
    private final PhysicalMemory memory;
    private final PrintStream err;
    private final AtomicReference<Server> server = new AtomicReference<>();
    private volatile boolean stopped;

    /** @param memory where RAM comes from */
    @Activate
    public QtestCommand(BundleContext bundles, @Reference PhysicalMemory memory) {
        this.bundles = bundles;
        this.memory = memory;
        this.err = System.err;
    }

    @Deactivate
    void deactivate() {
        stopped = true;
        Server running = server.get();
        if (running != null) {
            running.close();
        }
    }

    @Override
    public int applyAsInt(List<String> words) {
        if (words.stream().anyMatch(HELP::contains)) {
            System.out.print(USAGE);
            return WELL;
        }
        String name = "vmm qtest";
        try {
            boolean told = words.size() >= 2 && words.getFirst().equals(ARCHITECTURE);
            Architecture architecture = told ? architecture(words.get(1)) : guess(words);
            name = "vmm-system-" + architecture.qemuName();
            serve(QemuArgumentsParser.parse(architecture, told ? words.subList(2, words.size()) : words));
            return WELL;
        } catch (UsageException | IOException wrong) {
            err.println(name + ": " + wrong.getMessage());
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
        }
        return FAILED;
    }

    private static Architecture architecture(String name) throws UsageException {
        return Arrays.stream(Architecture.values()).filter(architecture -> architecture.qemuName().equals(name)).findFirst()
                .orElseThrow(() -> new UsageException("%s %s: there are x86_64 and aarch64".formatted(ARCHITECTURE, name)));
    }

    /** By the machine that is asked for. */
    private static Architecture guess(List<String> words) {
        for (int i = 0; i + 1 < words.size(); i++) {
            String machine = words.get(i + 1).split(",", 2)[0];
            boolean said = List.of("-M", "-machine", "--machine").contains(words.get(i));
            if (said && machine.equals(Architecture.AARCH64.machine())) {
                return Architecture.AARCH64;
            }
        }
        return Architecture.X86_64;
    }

    private void serve(QemuArguments arguments) throws UsageException, IOException, InterruptedException {
        if (arguments.exitWithParent()) {
            ProcessHandle.current().parent().ifPresent(parent -> parent.onExit().thenRun(this::deactivate));
        }
        try (ProtocolLog log = ProtocolLog.open(arguments.log())) {
            Optional<Board> board = BoardBuilder.build(arguments, memory, this::model);
            try {
                Server running = new Server(arguments, board, log);
                server.set(running);
                if (stopped) {
                    running.close();
                }
                running.run();
            } finally {
                board.ifPresent(Board::close);
            }
        }
    }

    private IommuModel model(String vendor) throws UsageException {
        try {
            ServiceTracker<IommuModel, IommuModel> tracker = new ServiceTracker<>(bundles,
                    FrameworkUtil.createFilter("(&(objectClass=%s)(%s=%s))".formatted(IommuModel.class.getName(), IommuModel.VENDOR, vendor)), null);
            tracker.open();
            IommuModel model = tracker.waitForService(PATIENCE.toMillis());
            if (model != null) {
                return model;   // used until the end, whatever the tracker would say
            }
            tracker.close();
        } catch (InvalidSyntaxException impossible) {
            throw new IllegalStateException(impossible);
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
        }
        throw new UsageException("nobody makes IOMMUs of the kind %s here; is the bundle iommu.%s deployed and active?".formatted(vendor, vendor));
    }
}
