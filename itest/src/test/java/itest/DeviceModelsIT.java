package itest;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertTrue;

import iommufd.api.Access;
import iommufd.api.DmaAccess;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdService;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFabric;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.PhysicalMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import javax.inject.Inject;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.ops4j.pax.exam.junit.PaxExam;
import org.osgi.framework.BundleContext;
import org.osgi.service.cm.ConfigurationAdmin;
import vfio.device.DeviceHost;
import vfio.device.Interrupts;
import vfio.device.RunningDevice;
import vfio.device.VfioDevice;

/** Device models come and go with their configurations, and work through the deployed engine and hardware. */
@RunWith(PaxExam.class)
public class DeviceModelsIT {
    private static final long IOVA = 1L << 32;
    private static final int RAM_BYTES = 1 << 20;
    private static final int ADMIN_SUBMISSIONS = 0;
    private static final int ADMIN_COMPLETIONS = 0x1000;
    private static final int SUBMISSIONS = 0x2000;
    private static final int COMPLETIONS = 0x3000;
    private static final int BUFFER = 0x4000;

    @Inject
    private BundleContext bundles;
    private Path disk;
    private byte[] content;

    @Configuration
    public Option[] deployed() {
        return new Option[] {Deployment.complete()};
    }

    @Before
    public void makeDisk() throws Exception {
        disk = Files.createTempFile("nvme", ".disk");
        content = new byte[1 << 20];
        new Random(1).nextBytes(content);
        Files.write(disk, content);
    }

    @After
    public void deleteDisk() throws Exception {
        Files.delete(disk);
    }

    private org.osgi.service.cm.Configuration configure(String pid, Map<String, Object> properties) throws Exception {
        var configuration = Bundles.service(bundles, ConfigurationAdmin.class).createFactoryConfiguration(pid, "?");
        configuration.update(Bundles.properties(properties));
        return configuration;
    }

    private VfioDevice device(org.osgi.service.cm.Configuration configuration) {
        return Bundles.service(bundles, VfioDevice.class, "(service.pid=" + configuration.getPid() + ")");
    }

    /** Whether nobody can have the device of this configuration. */
    private boolean absent(String pid) {
        return Bundles.references(bundles, VfioDevice.class, "(service.pid=" + pid + ")").stream()
                .allMatch(reference -> bundles.getService(reference) == null);
    }

    @Test(timeout = 60_000)
    public void aConfigurationIsADevice() throws Exception {
        var nvme = configure("vmm.devices.nvme", Map.of("namespaces", disk.toString(), "address", "0000:00:1a.0", "serial", "IT1"));
        var edu = configure("vmm.devices.edu", Map.of("address", "0000:00:1c.0"));
        assertEquals("0000:00:1a.0", device(nvme).function().address().toString());
        assertTrue(device(nvme).toString(), device(nvme).toString().contains("IT1: 1 namespaces [1: " + disk));
        assertEquals(0x11e8, device(edu).function().ids().device());
        String nvmePid = nvme.getPid();
        String eduPid = edu.getPid();
        nvme.delete();
        edu.delete();
        Await.until("both devices are gone", () -> absent(nvmePid) && absent(eduPid));
    }

    @Test(timeout = 60_000)
    public void aConfigurationThatMakesNoSenseIsNoDevice() throws Exception {
        var missing = configure("vmm.devices.nvme", Map.of("namespaces", "/nowhere/at/all"));
        var good = configure("vmm.devices.nvme", Map.of("namespaces", new String[] {disk.toString()}, "address", "0000:00:1a.0"));
        device(good);
        assertTrue(absent(missing.getPid()));
        missing.update(Bundles.properties(Map.of("namespaces", disk.toString(), "address", "0000:00:1b.0")));
        device(missing);
        good.delete();
        missing.delete();
    }

    @Test(timeout = 60_000)
    public void aBlockIsReadThroughTheEngineByAThreadOfTheDevice() throws Exception {
        var configuration = configure("vmm.devices.nvme", Map.of("namespaces", disk.toString(), "address", "0000:00:1a.0", "doorbells", "poll"));
        VfioDevice nvme = device(configuration);
        DmaEndpoint endpoint = Bundles.service(bundles, DmaFabric.class).plug(new EndpointDescription(
                RequesterId.of(0, 7, 0, 0), 777, 0, false));
        GuestRam ram = Bundles.service(bundles, PhysicalMemory.class).allocateGuestRam(RAM_BYTES, false);
        try (IommufdContext context = Bundles.service(bundles, IommufdService.class).open()) {
            Ioas ioas = context.allocateIoas();
            context.bind(endpoint).attach(ioas);
            ioas.mapAt(IOVA, ram, 0, RAM_BYTES, DmaAccess.READ_WRITE);
            var host = new Host(endpoint);
            RunningDevice running = nvme.start(host);
            readBlock(running, host, ram.segment());
            assertNotEquals("interrupts", 0, host.messages.get());
            byte[] read = ram.segment().asSlice(BUFFER, 4096).toArray(JAVA_BYTE);
            assertEquals(-1, MemorySegment.ofArray(read).mismatch(MemorySegment.ofArray(content).asSlice(8 * 512, 4096)));
            running.close();
        } finally {
            endpoint.close();
            ram.close();
            configuration.delete();
        }
    }

    /** Enables the controller, creates a pair of queues and reads eight blocks from the eighth on. */
    private static void readBlock(RunningDevice nvme, Host host, MemorySegment ram) {
        nvme.write(0, 0x24, 4, 7 | 7 << 16);
        nvme.write(0, 0x28, 8, IOVA + ADMIN_SUBMISSIONS);
        nvme.write(0, 0x30, 8, IOVA + ADMIN_COMPLETIONS);
        nvme.write(0, 0x14, 4, 1 | 6 << 16 | 4 << 20);
        Await.until("the controller is ready", () -> nvme.read(0, 0x1c, 4) == 1);
        command(host, ram, ADMIN_SUBMISSIONS, 0, 5, 0, IOVA + COMPLETIONS, 1 | 7 << 16, 3 | 1 << 16);
        command(host, ram, ADMIN_SUBMISSIONS, 1, 1, 0, IOVA + SUBMISSIONS, 1 | 7 << 16, 1 | 1 << 16);
        ram.set(JAVA_INT, SUBMISSIONS + 48, 7);
        command(host, ram, SUBMISSIONS, 0, 2, 1, IOVA + BUFFER, 8, 0);
    }

    private static void command(Host host, MemorySegment ram, int queue, int slot, int opcode, int namespace, long prp, int word10, int word11) {
        int at = queue + slot * 64;
        ram.set(JAVA_INT, at, opcode);
        ram.set(JAVA_INT, at + 4, namespace);
        ram.set(JAVA_LONG, at + 24, prp);
        ram.set(JAVA_INT, at + 40, word10);
        ram.set(JAVA_INT, at + 44, word11);
        JAVA_INT.varHandle().setRelease(host.sharedMemory(0), 0x1000L + (queue == ADMIN_SUBMISSIONS ? 0 : 8), slot + 1);
        int completion = queue + 0x1000 + slot * 16 + 12;
        Await.until("command " + opcode + " ends", () -> ((int) JAVA_INT.varHandle().getAcquire(ram, (long) completion) & 1 << 16) != 0);
        assertEquals("status of command " + opcode, 0, ram.get(JAVA_INT, completion) >>> 17);
    }

    /** What the adapter gives a device. */
    private static final class Host implements DeviceHost, Interrupts {
        private final DmaEndpoint endpoint;
        private final MemorySegment shared = Arena.ofAuto().allocate(0x4000, 4096);
        private final AtomicInteger messages = new AtomicInteger();

        Host(DmaEndpoint endpoint) {
            this.endpoint = endpoint;
        }

        @Override
        public DmaPort openPort() {
            return endpoint.openPort();
        }

        @Override
        public DmaPort openPort(Pasid pasid) {
            return endpoint.openPort(pasid);
        }

        @Override
        public Interrupts interrupts() {
            return this;
        }

        @Override
        public MemorySegment sharedMemory(int bar) {
            return shared;
        }

        @Override
        public Optional<Access> access() {
            return Optional.empty();
        }

        @Override
        public boolean busMaster() {
            return true;
        }

        @Override
        public Mode mode() {
            return Mode.MSIX;
        }

        @Override
        public void message(int vector) {
            messages.incrementAndGet();
        }

        @Override
        public void line(boolean asserted) {}

        @Override
        public void error() {}
    }
}
