package itest;

import static org.junit.Assert.assertEquals;
import static org.junit.Assume.assumeTrue;

import iommufd.api.HardwareSwap;
import iommufd.api.HardwareSwap.HardwareState;
import iommufd.api.node.ClientLauncher;
import iommufd.api.node.DeviceNode;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.inject.Inject;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.ops4j.pax.exam.Option;
import org.ops4j.pax.exam.junit.PaxExam;
import org.ops4j.pax.exam.spi.reactors.ExamReactorStrategy;
import org.ops4j.pax.exam.spi.reactors.PerClass;
import org.osgi.framework.BundleContext;
import org.osgi.service.cm.Configuration;
import org.osgi.service.cm.ConfigurationAdmin;

/**
 * Programs in C drive the network and block devices through their nodes, with every kind of queue and both vendors' IOMMUs; misuse them,
 * are killed; and move their queues to another process.
 */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class VirtioDevicesIT {
    private static final List<String> VENDORS = List.of("vtd", "smmuv3");
    private static final List<String> KINDS = List.of("-r", "p", "ie", "pie", "o", "po", "dr", "pied");
    /** Types of IOMMU_GET_HW_INFO. */
    private static final String VTD = "1";
    private static final String SMMUV3 = "2";
    private static final long DISK_BYTES = 8 << 20;
    /** Threads that answer requests come and go, with a few files each; drivers that are killed would leave hundreds. */
    private static final int MANY_FILES = 40;
    /** The longest run of anything here takes a fraction of that. */
    private static final String SECONDS_AT_MOST = "60";

    @Inject
    private BundleContext context;
    private final List<Configuration> configurations = new ArrayList<>();
    private Path directory;

    @org.ops4j.pax.exam.Configuration
    public static Option[] deployed() {
        return new Option[] {Deployment.with("iommufd.api", "iommufd.core", "iommu.vtd", "iommu.smmuv3", "devnode.fuse", "vfio.adapter",
                "vdpa.adapter", "vmm.devices")};
    }

    @Before
    public void compile() throws Exception {
        boolean possible = Files.isWritable(Path.of("/dev/fuse")) && Files.isWritable(Path.of("/proc/sys/kernel/hostname")) && Files.isExecutable(Path.of("/usr/bin/cc"));
        if (!possible) {
            System.err.println("SKIPPED: VirtioDevicesIT needs root, /dev/fuse and a C compiler (cc)");
        }
        assumeTrue("needs root, /dev/fuse and a C compiler (cc)", possible);
        directory = Files.createTempDirectory("vmm-virtio");
        for (String source : List.of("virtio-driver.h", "virtio-devices.c", "virtio-hostile.c", "virtio-migrate.c")) {
            try (var text = VirtioDevicesIT.class.getResourceAsStream("/itest/" + source)) {
                Files.copy(text, directory.resolve(source));
            }
        }
    }

    @After
    public void unplug() throws Exception {
        for (Configuration configuration : configurations) {
            configuration.delete();
        }
        Await.until("no node is left", () -> nodes() == 0);
    }

    private int nodes() {
        return Bundles.references(context, DeviceNode.class, "(" + DeviceNode.PATH + "=/dev/vhost-vdpa-*)").size();
    }

    private String program(String name) throws IOException, InterruptedException {
        Path program = directory.resolve(name);
        if (!Files.exists(program)) {
            List<String> compiler = List.of("cc", "-std=gnu17", "-O1", "-w", "-pthread", "-o", program.toString(), program + ".c");
            assertEquals(0, new ProcessBuilder(compiler).inheritIO().start().waitFor());
        }
        return program.toString();
    }

    private int run(String... command) throws InterruptedException {
        List<String> all = new ArrayList<>(List.of("timeout", "-s", "KILL", SECONDS_AT_MOST));
        all.addAll(List.of(command));
        return Bundles.service(context, ClientLauncher.class).run(all);
    }

    /** Plugs a device in. @return its node */
    private String plug(String model, Map<String, Object> settings) throws Exception {
        int before = nodes();
        Map<String, Object> properties = new LinkedHashMap<>(settings);
        properties.put("address", "0000:02:%02x.0".formatted(before));
        Configuration configuration = Bundles.service(context, ConfigurationAdmin.class).createFactoryConfiguration("vmm.devices." + model, "?");
        configuration.update(Bundles.properties(properties));
        configurations.add(configuration);
        Await.until("its node", () -> nodes() == before + 1);
        return "/dev/vhost-vdpa-" + before;
    }

    private Path disk() throws IOException {
        Path disk = Files.createTempFile(directory, "blk", ".disk");
        try (var file = new RandomAccessFile(disk.toFile(), "rw")) {
            file.setLength(DISK_BYTES);
        }
        return disk;
    }

    /** Has all endpoints served by that vendor's hardware. */
    private void serveBy(String vendor) {
        Iommus iommus = new Iommus(context);
        iommus.awaitWorking(2);
        if (!iommus.servingVendor().equals(vendor)) {
            Bundles.service(context, HardwareSwap.class).swap(iommus.serving(), iommus.ofVendor(vendor));
        }
        iommus.awaitServedBy(vendor);
    }

    private long pageTables() {
        return Bundles.service(context, HardwareSwap.class).hardware().stream().mapToLong(HardwareState::domains).sum();
    }

    private static long openFiles() {
        return new java.io.File("/proc/self/fd").list().length;
    }

    @Test(timeout = 120_000)
    public void everyKindOfQueueOfABlockDevice() throws Exception {
        Path disk = disk();
        String node = plug("virtio.blk", Map.of("file", disk.toString(), "queues", 2, "serial", "VDPA-IT", "notification.pages", true));
        for (String vendor : VENDORS) {
            serveBy(vendor);
            for (String kind : KINDS) {
                assertEquals(vendor + " " + kind, 0, run(program("virtio-devices"), "blk", node, disk.toString(), kind));
            }
        }
    }

    @Test(timeout = 120_000)
    public void everyKindOfQueueOfNetworkDevices() throws Exception {
        String one = plug("virtio.net", Map.of("cable", "loopback=it", "queue.pairs", 2, "notification.pages", true, "mac", "52:54:00:00:00:01"));
        String other = plug("virtio.net", Map.of("cable", "loopback=it", "queue.pairs", 2, "notification.pages", true, "mac", "52:54:00:00:00:02"));
        for (String vendor : VENDORS) {
            serveBy(vendor);
            for (String kind : KINDS) {
                assertEquals(vendor + " " + kind, 0, run(program("virtio-devices"), "net", one, other, kind));
            }
        }
    }

    @Test(timeout = 60_000)
    public void otherCables() throws Exception {
        String generator = plug("virtio.net", Map.of("cable", "null,generate=200", "queue.pairs", 2));
        assertEquals(0, run(program("virtio-devices"), "generate", generator));
        assumeTrue("needs /dev/net/tun", Files.isWritable(Path.of("/dev/net/tun")));
        String tap = plug("virtio.net", Map.of("cable", "tap=vmmit0", "queue.pairs", 2));
        assertEquals(0, run(program("virtio-devices"), "tap", tap, "vmmit0"));
    }

    /** Nothing of a driver that does everything wrong stays: no page table, no file of this process. */
    @Test(timeout = 120_000)
    public void badDriversHarmNobodyElse() throws Exception {
        String node = plug("virtio.blk", Map.of("file", disk().toString()));
        String other = plug("virtio.blk", Map.of("file", disk().toString()));
        for (String vendor : VENDORS) {
            serveBy(vendor);
            assertEquals("once, so that what is made once is there", 0, run(program("virtio-hostile"), node, other, "1", "2"));
            Await.until("no page table is left", () -> pageTables() == 0);
            long files = openFiles();
            assertEquals(0, run(program("virtio-hostile"), node, other, "7", "40"));
            Await.until(() -> pageTables() + " page tables are left", () -> pageTables() == 0);
            Await.until(() -> "%d files, there were %d".formatted(openFiles(), files), () -> openFiles() < files + MANY_FILES);
        }
    }

    /** One end is this process, with VT-d; the other one a runtime of its own, with SMMUv3. */
    @Test(timeout = 180_000)
    public void queuesMoveToAnotherProcessAndVendor() throws Exception {
        Path disk = Files.createFile(directory.resolve("moved.disk"));
        try (var file = new RandomAccessFile(disk.toFile(), "rw")) {
            file.setLength(2 * DISK_BYTES);
        }
        String[] here = {plug("virtio.net", Map.of("cable", "loopback=it")),
                plug("virtio.net", Map.of("cable", "loopback=it", "mac", "52:54:00:00:00:02")),
                plug("virtio.blk", Map.of("file", disk.toString(), "queues", 2))};
        serveBy("vtd");
        for (String kind : List.of("-", "pi")) {
            move(disk, kind, here, "source", "target");
        }
        for (String kind : List.of("i", "p")) {
            move(disk, kind, here, "target", "source");
        }
    }

    private void move(Path disk, String kind, String[] here, String role, String otherRole) throws Exception {
        String socket = directory.resolve("socket" + kind).toString();
        Process other = elsewhere(disk, program("virtio-migrate"), otherRole, socket, kind, SMMUV3, here[0], here[1], here[2]);
        assertEquals(kind, 0, run(program("virtio-migrate"), role, socket, kind, VTD, here[0], here[1], here[2]));
        assertEquals(kind + ", the other end", 0, other.waitFor());
    }

    /** Starts a program that finds the same kinds of devices, and the same disk, in another runtime. */
    private Process elsewhere(Path disk, String... program) throws IOException {
        Path root = Path.of("").toAbsolutePath().getParent();
        Path runtime = root.resolve("cnf/app/target/vmm.jar");
        if (Files.exists(runtime)) {
            Files.setLastModifiedTime(runtime, FileTime.from(Instant.now()));   // the reactor packages it before it comes here
        }
        List<String> command = new ArrayList<>(List.of("timeout", "-k", "5", SECONDS_AT_MOST));
        command.addAll(List.of(root.resolve("vmm").toString(), "exec", "--hardware", "smmuv3"));
        List<List<String>> devices = List.of(List.of("virtio.net", "cable=loopback=there"), List.of("virtio.net", "cable=loopback=there"),
                List.of("virtio.blk", "file=" + disk, "queues=2"));
        for (int i = 0; i < devices.size(); i++) {
            command.addAll(List.of("--device", devices.get(i).getFirst(), "--set", "address=0000:02:%02x.0".formatted(i)));
            devices.get(i).stream().skip(1).forEach(setting -> command.addAll(List.of("--set", setting)));
        }
        command.add("--");
        command.addAll(List.of(program));
        return new ProcessBuilder(command).inheritIO().start();
    }
}
