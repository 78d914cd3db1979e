package itest;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import java.util.Arrays;
import java.util.List;
import javax.inject.Inject;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.ops4j.pax.exam.junit.PaxExam;
import org.ops4j.pax.exam.spi.reactors.ExamReactorStrategy;
import org.ops4j.pax.exam.spi.reactors.PerClass;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.service.component.runtime.ServiceComponentRuntime;

/** All bundles deployed together in Felix: every one starts, every component gets what it needs. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class RuntimeDeploysIT {
    @Inject
    private BundleContext context;

    @Inject
    private ServiceComponentRuntime components;

    @Configuration
    public static Option[] configuration() {
        return new Option[] {Deployment.complete()};
    }

    @Test
    public void everyBundleIsActive() {
        for (String name : Deployment.RUNTIME) {
            assertEquals(name, Bundle.ACTIVE, bundle(name).getState());
        }
        for (String name : Deployment.OURS) {
            assertEquals(name, Bundle.ACTIVE, bundle(name).getState());
        }
    }

    @Test
    public void noComponentWaitsForAReference() {
        for (String name : Deployment.OURS) {
            for (var component : components.getComponentDescriptionDTOs(bundle(name))) {
                for (var instance : components.getComponentConfigurationDTOs(component)) {
                    assertEquals(component.name, List.of(), Arrays.stream(instance.unsatisfiedReferences).map(r -> r.name).toList());
                    assertTrue(component.name + ": " + instance.failure, instance.failure == null);
                }
            }
        }
    }

    private Bundle bundle(String name) {
        return Arrays.stream(context.getBundles())
                .filter(bundle -> name.equals(bundle.getSymbolicName()))
                .findFirst()
                .orElseThrow(() -> new AssertionError(name + " is not installed"));
    }
}
