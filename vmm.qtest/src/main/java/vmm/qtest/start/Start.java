package vmm.qtest.start;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.ToIntFunction;
import java.util.stream.Stream;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.BundleException;
import org.osgi.framework.Constants;
import org.osgi.framework.InvalidSyntaxException;
import org.osgi.framework.ServiceReference;
import org.osgi.framework.launch.Framework;
import org.osgi.framework.launch.FrameworkFactory;

/**
 * Starts a framework quickly, runs one command in it and exits with the command's code; with 0 if a signal ends it, as QEMU does. A test
 * program starts many of these, so bundles are used where they lie, and nothing but them is started.
 *
 * <p>Arguments: bundle jars, then {@code --}, then the command's.
 */
public final class Start {
    private static final String COMMAND_FILTER = "(vmm.command=qtest)";
    private static final String LOGGING = String.join(",", "org.slf4j;version=2.0.19", "org.slf4j.event;version=2.0.19",
            "org.slf4j.helpers;version=2.0.19", "org.slf4j.spi;version=2.0.19");
    private static final int FAILED = 1;
    private static final long STOP_MILLIS = 5000;

    private Start() {}

    /** Does not return. */
    public static void main(String[] words) {
        List<String> all = List.of(words);
        int separator = all.indexOf("--");
        if (separator < 0) {
            throw new IllegalArgumentException("Start BUNDLE... -- ARGUMENT...");
        }
        Runtime.getRuntime().halt(run(all.subList(0, separator), all.subList(separator + 1, all.size())));
    }

    private static int run(List<String> bundles, List<String> arguments) {
        CountDownLatch over = new CountDownLatch(1);
        Path storage = createStorage();
        try {
            Framework framework = framework(storage);
            Runtime.getRuntime().addShutdownHook(new Thread(() -> end(framework, over), "end"));
            try {
                return command(framework, bundles).applyAsInt(arguments);
            } finally {
                framework.stop();
                framework.waitForStop(STOP_MILLIS);
            }
        } catch (BundleException | InvalidSyntaxException | InterruptedException broken) {
            System.err.println("vmm qtest: the runtime does not start: " + broken);
            return FAILED;
        } finally {
            delete(storage);
            over.countDown();
        }
    }

    private static Framework framework(Path storage) throws BundleException {
        Map<String, String> configuration = new HashMap<>();
        configuration.put(Constants.FRAMEWORK_STORAGE, storage.toString());
        configuration.put(Constants.FRAMEWORK_SYSTEMPACKAGES_EXTRA, LOGGING);
        configuration.put(Constants.FRAMEWORK_BOOTDELEGATION, "jdk.jfr.internal.event");
        Framework framework = ServiceLoader.load(FrameworkFactory.class).findFirst().orElseThrow().newFramework(configuration);
        framework.start();
        return framework;
    }

    @SuppressWarnings("unchecked")   // what a command with this property takes
    private static ToIntFunction<List<String>> command(Framework framework, List<String> jars) throws BundleException, InvalidSyntaxException {
        BundleContext context = framework.getBundleContext();
        List<Bundle> bundles = new ArrayList<>();
        for (String jar : jars) {
            bundles.add(context.installBundle("reference:" + Path.of(jar).toUri()));
        }
        for (Bundle bundle : bundles) {
            bundle.start();
        }
        for (ServiceReference<?> reference : context.getServiceReferences(ToIntFunction.class, COMMAND_FILTER)) {
            return (ToIntFunction<List<String>>) context.getService(reference);
        }
        throw new BundleException("no bundle has the command; started were " + bundles);
    }

    /** A signal: the command is told by its bundle's end, the main thread cleans up, and this is no failure. */
    private static void end(Framework framework, CountDownLatch over) {
        try {
            framework.stop();
            over.await(STOP_MILLIS, TimeUnit.MILLISECONDS);
        } catch (BundleException | InterruptedException broken) {
            System.err.println("vmm qtest: the runtime does not stop: " + broken);
        }
        Runtime.getRuntime().halt(0);
    }

    private static Path createStorage() {
        try {
            return Files.createTempDirectory("vmm-qtest");
        } catch (IOException refused) {
            throw new UncheckedIOException(refused);
        }
    }

    private static void delete(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
        } catch (IOException gone) {
            System.err.println("vmm qtest: %s is left behind: %s".formatted(folder, gone.getMessage()));
        }
    }
}
