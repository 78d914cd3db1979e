package itest;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdService;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFabric;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.PhysicalMemory;
import iommufd.api.memory.StageTwoTable;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import javax.inject.Inject;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.ops4j.pax.exam.junit.PaxExam;
import org.ops4j.pax.exam.spi.reactors.ExamReactorStrategy;
import org.ops4j.pax.exam.spi.reactors.PerClass;
import org.osgi.framework.BundleContext;
import org.osgi.service.cm.ConfigurationAdmin;

/** Deployed: a configuration makes a guest's memory, its page table is a service, devices go through it, and it may go at any time. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class GuestMemoryServiceIT {
    private static final long PAGE = 4096;

    @Inject
    private BundleContext context;

    @Configuration
    public static Option[] configuration() {
        return new Option[] {Deployment.complete()};
    }

    @Test(timeout = 60_000)
    public void vtdGoesThroughAGuestsEpt() throws Exception {
        devicesGoThrough("EPT", "vtd");
    }

    @Test(timeout = 60_000)
    public void smmuGoesThroughAGuestsStage2() throws Exception {
        devicesGoThrough("ARM_STAGE_2", "smmuv3");
    }

    private void devicesGoThrough(String format, String vendor) throws Exception {
        EngineConfiguration engine = new EngineConfiguration(context);
        Bundles.service(context, IommuHardware.class, "(%s=%s)".formatted(IommuHardware.VENDOR, vendor));
        engine.setAndRestart(EngineConfiguration.HARDWARE_TARGET, "(%s=%s)".formatted(IommuHardware.VENDOR, vendor));
        var guest = Bundles.service(context, ConfigurationAdmin.class).createFactoryConfiguration("vmm.guest.memory", "?");
        guest.update(Bundles.properties(Map.of("format", format, "bytes", 64 * PAGE, "resident.bytes", 16 * PAGE)));
        boolean deleted = false;
        StageTwoTable table = Bundles.service(context, StageTwoTable.class);
        assertEquals(format, table.format().name());
        RequesterId id = RequesterId.of(0, 0x40, 1, 0);
        try (DmaEndpoint endpoint = Bundles.service(context, DmaFabric.class).plug(EndpointDescription.of(id));
                IommufdContext iommufd = Bundles.service(context, IommufdService.class).open()) {
            BoundDevice device = iommufd.bind(endpoint);
            Ioas ioas = iommufd.allocateIoas(table);
            device.attach(ioas);
            DmaPort port = endpoint.openPort();
            byte[] bytes = {1, 2, 3, 4, 5, 6, 7, 8};
            assertEquals("absent, and the device cannot ask", DmaStatus.FAULTED, port.write(3 * PAGE, MemorySegment.ofArray(bytes), 0, 8));
            assertTrue(table.populate(3 * PAGE, DmaAccess.READ_WRITE));
            assertEquals(DmaStatus.DONE, port.write(3 * PAGE, MemorySegment.ofArray(bytes), 0, 8));
            byte[] back = new byte[8];
            assertEquals(DmaStatus.DONE, port.read(3 * PAGE, MemorySegment.ofArray(back), 0, 8));
            assertArrayEquals(bytes, back);
            assertEquals(0, ioas.mappedBytes());
            guest.delete();
            deleted = true;
            Await.until("the end of the guest", () -> Bundles.references(context, StageTwoTable.class, null).isEmpty());
            // The service goes before the component has ended.
            Await.until("the end of its memory", () -> port.read(3 * PAGE, MemorySegment.ofArray(back), 0, 8) == DmaStatus.FAULTED);
            Ioas other = iommufd.allocateIoas();
            try (GuestRam ram = Bundles.service(context, PhysicalMemory.class).allocateGuestRam(PAGE, false)) {
                other.mapAt(0x10000, ram, 0, PAGE, DmaAccess.READ_WRITE);
                device.replace(other);
                assertEquals("the runtime lives", DmaStatus.DONE, port.write(0x10000, MemorySegment.ofArray(bytes), 0, 8));
            }
        } finally {
            if (!deleted) {
                guest.delete();
            }
            engine.resetAndRestart();
        }
    }
}
