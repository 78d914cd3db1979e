package itest;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import iommufd.api.HardwareSwap;
import iommufd.api.IommufdService;
import iommufd.api.dma.DmaFabric;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.memory.PhysicalMemory;
import java.lang.reflect.InvocationTargetException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import javax.inject.Inject;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.ops4j.pax.exam.junit.PaxExam;
import org.ops4j.pax.exam.spi.reactors.ExamReactorStrategy;
import org.ops4j.pax.exam.spi.reactors.PerClass;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceReference;
import org.osgi.framework.ServiceRegistration;
import org.osgi.service.component.runtime.ServiceComponentRuntime;

/** All bundles deployed together in Felix: every one starts, every component gets what it needs, and DMA arrives. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class RuntimeDeploysIT {
    private static final int ENOUGH_BYTES = 4 << 20;

    @Inject
    private BundleContext context;

    @Inject
    private ServiceComponentRuntime components;

    /** Stands for the launcher of the executable jar, which vmm.runtime asks for its arguments. */
    private ServiceRegistration<Object> launcher;

    @Configuration
    public static Option[] configuration() {
        return new Option[] {Deployment.complete()};
    }

    @Before
    public void launch() {
        launcher = context.registerService(Object.class, "launcher", Bundles.properties(Map.of("launcher.arguments", new String[0])));
    }

    @After
    public void leave() {
        launcher.unregister();
    }

    @Test
    public void everyBundleIsActive() {
        for (String name : Deployment.RUNTIME) {
            assertEquals(name, Bundle.ACTIVE, Bundles.named(context, name).getState());
        }
        for (String name : Deployment.OURS) {
            assertEquals(name, Bundle.ACTIVE, Bundles.named(context, name).getState());
        }
    }

    @Test
    public void noComponentWaitsForAReference() {
        for (String name : Deployment.OURS) {
            for (var component : components.getComponentDescriptionDTOs(Bundles.named(context, name))) {
                for (var instance : components.getComponentConfigurationDTOs(component)) {
                    assertEquals(component.name, List.of(), Arrays.stream(instance.unsatisfiedReferences).map(r -> r.name).toList());
                    assertTrue(component.name + ": " + instance.failure, instance.failure == null);
                }
            }
        }
    }

    @Test
    public void everyServiceIsThere() {
        for (Class<?> type : List.of(IommufdService.class, DmaFabric.class, HardwareSwap.class, PhysicalMemory.class)) {
            Bundles.service(context, type);
            assertEquals("services " + type.getName(), 1, Bundles.references(context, type, null).size());
        }
        Set<Object> vendors = new HashSet<>();
        Set<Object> names = new HashSet<>();
        for (var hardware : Bundles.references(context, IommuHardware.class, null)) {
            vendors.add(hardware.getProperty(IommuHardware.VENDOR));
            names.add(hardware.getProperty(IommuHardware.NAME));
            assertEquals(hardware.getProperty(IommuHardware.NAME), context.getService(hardware).name());
            assertEquals(hardware.getProperty(IommuHardware.VENDOR), context.getService(hardware).vendor());
        }
        assertEquals(Set.of("vtd", "smmuv3"), vendors);
        assertEquals("names tell them apart", 2, names.size());
    }

    @Test(timeout = 30_000)
    public void dmaArrives() {
        try (DmaTraffic traffic = DmaTraffic.start(context)) {
            traffic.awaitBytes(ENOUGH_BYTES);
            traffic.assertNothingLost();
        }
    }

    @Test
    public void theShellTellsAndRefusesInSentences() throws Exception {
        Iommus iommus = new Iommus(context);
        iommus.awaitWorking(2);
        String hardware = shell("hardware");
        for (var state : iommus.working()) {
            assertTrue(hardware, hardware.contains(state.name()));
        }
        String swapped = shell("swap", iommus.ofVendor("vtd"), iommus.ofVendor("smmuv3"));
        assertTrue(swapped, swapped.contains("DMA WAITED"));
        String back = shell("swap", iommus.ofVendor("vtd"));
        assertTrue(back, back.contains("DMA WAITED"));
        assertEquals("vtd", iommus.servingVendor());
        assertTrue(shell("swap"), shell("swap").startsWith("Usage: iommu:swap [FROM] TO"));
        String refused = shell("swap", "nobody", iommus.ofVendor("vtd"));
        assertTrue(refused, refused.startsWith("Nothing was swapped. ENODEV: "));
        assertTrue(shell("faults"), shell("faults").startsWith("No DMA request has failed."));
    }

    /** Calls a command as Gogo does: by name, on the service that announces it. */
    private String shell(String command, String... arguments) throws Exception {
        ServiceReference<?> announced = context.getAllServiceReferences(null, "(&(osgi.command.scope=iommu)(osgi.command.function=" + command + "))")[0];
        Object commands = context.getService(announced);
        Class<?>[] types = new Class<?>[arguments.length];
        Arrays.fill(types, String.class);
        try {
            return (String) commands.getClass().getMethod(command, types).invoke(commands, (Object[]) arguments);
        } catch (InvocationTargetException thrown) {
            throw new AssertionError("the command " + command + " threw", thrown.getCause());
        }
    }
}
