package itest;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import org.osgi.framework.Constants;
import org.osgi.framework.FrameworkEvent;
import org.osgi.framework.ServiceReference;
import org.osgi.framework.launch.Framework;
import org.osgi.framework.launch.FrameworkFactory;

/** What our bundles do in any OSGi framework, here in the one on the class path, launched without Pax Exam. */
abstract class FrameworkContract {
    private static final long STOP_MILLIS = 10_000;

    private final String implementation;
    private Framework framework;

    /** @param implementation package of the framework that should be on the class path */
    FrameworkContract(String implementation) {
        this.implementation = implementation;
    }

    @BeforeEach
    void startFramework(@TempDir Path storage) throws BundleException {
        framework = ServiceLoader.load(FrameworkFactory.class).findFirst().orElseThrow().newFramework(Map.of(
                Constants.FRAMEWORK_STORAGE, storage.toString(),
                Constants.FRAMEWORK_SYSTEMPACKAGES_EXTRA, String.join(",", Deployment.SYSTEM_PACKAGES)));
        framework.start();
        assertThat(framework.getClass().getName()).startsWith(implementation);
    }

    @AfterEach
    void frameworkStops() throws Exception {
        framework.stop();
        assertThat(framework.waitForStop(STOP_MILLIS).getType()).as("event of the framework's stop").isEqualTo(FrameworkEvent.STOPPED);
    }

    @Test
    void everyBundleResolvesAndStarts() throws BundleException {
        assertThat(deploy()).allSatisfy(bundle -> assertThat(bundle.getState()).as(bundle.getSymbolicName()).isEqualTo(Bundle.ACTIVE));
    }

    /** DMA end to end, verified by the demonstration: what the launcher does, only smaller. */
    @Test
    @Timeout(60)
    void theDemonstrationHolds() throws Exception {
        deploy();
        framework.getBundleContext().registerService(Object.class, "launcher",
                Bundles.properties(Map.of("launcher.arguments", new String[] {"demo", "--memory", "32", "--swaps", "2"})));
        Callable<?> mainThread = mainThread();
        assertThat(mainThread.call()).as("exit code; the table above says what failed").isEqualTo(0);
    }

    /** The same for the short form of every promise. */
    @Test
    @Timeout(60)
    void whatIsShownOfThePromisesHolds() throws Exception {
        deploy();
        framework.getBundleContext().registerService(Object.class, "launcher",
                Bundles.properties(Map.of("launcher.arguments", new String[] {"demo", "--all"})));
        assertThat(mainThread().call()).as("exit code; the table above says what does not hold").isEqualTo(0);
    }

    private Callable<?> mainThread() throws Exception {
        Await.until("the main-thread component of vmm.runtime", () -> !mainThreads().isEmpty());
        return framework.getBundleContext().getService(mainThreads().iterator().next());
    }

    @SuppressWarnings("rawtypes")
    private Collection<ServiceReference<Callable>> mainThreads() {
        return Bundles.references(framework.getBundleContext(), Callable.class, "(main.thread=true)");
    }

    private List<Bundle> deploy() throws BundleException {
        List<Bundle> bundles = new ArrayList<>();
        for (String name : Stream.concat(Deployment.RUNTIME.stream(), Deployment.OURS.stream()).toList()) {
            bundles.add(framework.getBundleContext().installBundle(Deployment.jar(name).toURI().toString()));
        }
        for (Bundle bundle : bundles) {
            bundle.start(); // names what is missing when it does not resolve
        }
        return bundles;
    }
}
