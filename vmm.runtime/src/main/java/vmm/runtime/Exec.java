package vmm.runtime;

import iommufd.api.IommufdException;
import iommufd.api.node.ClientLauncher;
import java.io.PrintStream;
import java.time.Duration;
import java.util.List;
import org.osgi.framework.BundleContext;
import org.osgi.util.tracker.ServiceTracker;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** {@code ./vmm exec -- COMMAND…}: runs a program that finds the device nodes of this runtime. */
final class Exec {
    static final String USAGE = "Usage: ./vmm exec -- COMMAND [ARGUMENT...]";

    private static final Logger LOG = LoggerFactory.getLogger(Exec.class);
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final String END_OF_OPTIONS = "--";
    /** By convention of programs that run programs: it is us who failed. */
    private static final int NOT_STARTED = 125;

    private Exec() {}

    /** @return the program's exit code, or {@link #NOT_STARTED} with a message that names what is missing */
    static int run(BundleContext bundles, PrintStream err, List<String> arguments) throws InterruptedException {
        boolean dashes = !arguments.isEmpty() && arguments.getFirst().equals(END_OF_OPTIONS);
        List<String> command = dashes ? arguments.subList(1, arguments.size()) : arguments;
        if (command.isEmpty() || !dashes && command.getFirst().startsWith("-")) {
            err.println(USAGE);
            return NOT_STARTED;
        }
        ServiceTracker<ClientLauncher, ClientLauncher> tracker = new ServiceTracker<>(bundles, ClientLauncher.class, null);
        tracker.open();
        try {
            ClientLauncher launcher = tracker.waitForService(PATIENCE.toMillis());
            if (launcher == null) {
                err.println("vmm exec: nothing here launches programs; is the bundle devnode.fuse deployed and active?");
                return NOT_STARTED;
            }
            return launcher.run(command);
        } catch (IommufdException refused) {
            LOG.debug("launching {}", command, refused);
            err.println("vmm exec: " + refused.getMessage());
            return NOT_STARTED;
        } finally {
            tracker.close();
        }
    }
}
