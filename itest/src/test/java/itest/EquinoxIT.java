package itest;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleException;
import org.osgi.framework.Constants;
import org.osgi.framework.launch.Framework;
import org.osgi.framework.launch.FrameworkFactory;

/** The same bundles in Equinox: nothing here may depend on Felix as the framework. */
class EquinoxIT {
    private Framework framework;

    @BeforeEach
    void startEquinox(@TempDir Path storage) throws BundleException {
        framework = ServiceLoader.load(FrameworkFactory.class).findFirst().orElseThrow().newFramework(Map.of(
                Constants.FRAMEWORK_STORAGE, storage.toString(),
                Constants.FRAMEWORK_SYSTEMPACKAGES_EXTRA, String.join(",", Deployment.SYSTEM_PACKAGES)));
        framework.start();
        assertThat(framework.getClass().getName()).startsWith("org.eclipse.osgi.");
    }

    @AfterEach
    void stopEquinox() throws Exception {
        framework.stop();
        framework.waitForStop(10_000);
    }

    @Test
    void everyBundleResolvesAndStarts() throws BundleException {
        List<Bundle> bundles = new ArrayList<>();
        for (String name : Stream.concat(Deployment.RUNTIME.stream(), Deployment.OURS.stream()).toList()) {
            bundles.add(framework.getBundleContext().installBundle(Deployment.jar(name).toURI().toString()));
        }
        for (Bundle bundle : bundles) {
            bundle.start(); // names what is missing when it does not resolve
        }
        assertThat(bundles).allSatisfy(bundle -> assertThat(bundle.getState()).as(bundle.getSymbolicName()).isEqualTo(Bundle.ACTIVE));
    }
}
