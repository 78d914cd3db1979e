package vmm.runtime;

import iommufd.api.IommufdException;
import iommufd.api.node.ClientLauncher;
import java.io.PrintStream;
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
    static final String USAGE = "Usage: ./vmm exec [--with BUNDLE]... -- COMMAND [ARGUMENT...]";

    private static final Logger LOG = LoggerFactory.getLogger(Exec.class);
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final String END_OF_OPTIONS = "--";
    /** Followed by the file of one more bundle to deploy. */
    private static final String WITH = "--with";
    /** By convention of programs that run programs: it is us who failed. */
    private static final int NOT_STARTED = 125;

    private Exec() {}

    /** @return the program's exit code, or {@link #NOT_STARTED} with a message that names what is missing */
    static int run(BundleContext bundles, PrintStream err, List<String> arguments) throws InterruptedException {
        int bundleOptions = 0;
        while (arguments.size() >= bundleOptions + 2 && arguments.get(bundleOptions).equals(WITH)) {
            bundleOptions += 2;
        }
        List<String> afterBundles = arguments.subList(bundleOptions, arguments.size());
        boolean dashes = !afterBundles.isEmpty() && afterBundles.getFirst().equals(END_OF_OPTIONS);
        List<String> command = dashes ? afterBundles.subList(1, afterBundles.size()) : afterBundles;
        if (command.isEmpty() || !dashes && command.getFirst().startsWith("-")) {
            err.println(USAGE);
            return NOT_STARTED;
        }
        try {
            for (int i = 1; i < bundleOptions; i += 2) {
                bundles.installBundle(Path.of(arguments.get(i)).toUri().toString()).start(Bundle.START_TRANSIENT);
            }
        } catch (BundleException refused) {
            LOG.debug("deploying {}", arguments.subList(0, bundleOptions), refused);
            err.println("vmm exec: " + refused.getMessage());
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
