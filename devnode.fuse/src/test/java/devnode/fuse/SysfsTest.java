package devnode.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import devnode.fuse.launch.Launch;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.SysfsDirectory;
import iommufd.api.node.SysfsEntry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.FutureTask;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Programs that are launched find what services show in sysfs. */
@Timeout(60)
class SysfsTest {
    private static final String DEVICE = "0000:00:0a.0";
    private static final String DEVICES = "/sys/bus/pci/devices";
    private static final String NODE = "/dev/vmmtest/node";

    @TempDir
    Path directory;

    private NodePublisher publisher;
    private final Map<String, SysfsEntry> devices = new ConcurrentHashMap<>();
    private volatile String override = "(null)";

    @BeforeEach
    void publish() throws IOException, InterruptedException {
        Native.program();
        publisher = new NodePublisher(Optional.empty(), new PermissionRules(), NodeTest.SPIN_NANOS);
        publisher.add(NODE, new TestNode(), List.of(), "vmmtest-driver");
        publisher.add(DEVICES, () -> devices);
        publisher.add("/sys/bus/pci/drivers/vmmtest-pci", () -> Map.of("unbind", SysfsEntry.command(this::unbind)));
        publisher.add("/sys/class/vmmtest-dev", () -> Map.of("vfio0/dev", new SysfsEntry.DeviceNumber(NODE),
                "vfio1/dev", new SysfsEntry.DeviceNumber("/dev/vmmtest/none")));
        devices.put(DEVICE + "/vendor", SysfsEntry.text("0x8086"));
        devices.put(DEVICE + "/driver", new SysfsEntry.Link("../../drivers/vmmtest-pci"));
        devices.put(DEVICE + "/config", SysfsEntry.bytes(() -> new byte[] {1, 2, 3, 4, 5, 6, 7, 8}));
        devices.put(DEVICE + "/driver_override", SysfsEntry.text(() -> override, this::override));
        devices.put(DEVICE + "/broken", SysfsEntry.text(() -> {
            throw new IllegalStateException("a bug in a service, on purpose");
        }));
        devices.put(DEVICE + "/empty", new SysfsEntry.Directory());
    }

    private void override(String driver) {
        if (driver.length() > 16) {
            throw new IommufdException(Errno.EINVAL, "no such driver");
        }
        override = driver;
    }

    private void unbind(String device) {
        if (devices.keySet().stream().noneMatch(name -> name.startsWith(device + "/"))) {
            throw new IommufdException(Errno.ENODEV, "no such device");
        }
        devices.remove(device + "/driver");
    }

    @AfterEach
    void stop() {
        if (publisher != null) {
            publisher.close();
        }
    }

    private List<String> shell(String line) throws IOException, InterruptedException {
        Path output = directory.resolve("output");
        Launch launch = new Launch(publisher.server(), new TreeSet<>(), false);
        launch.run(List.of("sh", "-c", "{ " + line + "; } > " + output + " 2>&1"));
        return Files.readAllLines(output);
    }

    @Test
    void deviceDirectoriesStandAtTheirPathsInsteadOfTheMachines() throws Exception {
        assertThat(shell("ls " + DEVICES)).containsExactly(DEVICE);
        assertThat(shell("cd " + DEVICES + "/" + DEVICE + " && ls && cat vendor && ls -d empty/ && readlink driver && ls driver/"))
                .containsExactly("broken", "config", "driver", "driver_override", "empty", "vendor", "0x8086", "empty/", "../../drivers/vmmtest-pci", "unbind");
        assertThat(Path.of(DEVICES, DEVICE)).as("outside").doesNotExist();
    }

    @Test
    void whatTheMachineHasElsewhereIsStillThere() throws Exception {
        List<String> before = machine("/sys/class");
        before.add("vmmtest-dev");
        assertThat(shell("ls /sys/class")).containsExactlyInAnyOrderElementsOf(before);
        List<String> drivers = machine("/sys/bus/pci/drivers");
        drivers.add("vmmtest-pci");
        assertThat(shell("ls /sys/bus/pci/drivers")).containsExactlyInAnyOrderElementsOf(drivers);
        assertThat(shell("ls /sys/class/mem/null/ | grep dev")).contains("dev");
        assertThat(shell("ls /sys/kernel | head -1; ls /proc/self/fd/0")).hasSize(2);
    }

    private static List<String> machine(String path) throws IOException {
        try (var names = Files.list(Path.of(path))) {
            return new ArrayList<>(names.map(Path::getFileName).map(Path::toString).toList());
        }
    }

    @Test
    void filesAreReadInPartsAndWritten() throws Exception {
        String at = DEVICES + "/" + DEVICE;
        assertThat(shell("dd if=" + at + "/config bs=3 skip=1 count=1 2>/dev/null | od -An -tu1; dd if=" + at + "/config bs=3 2>/dev/null | od -An -tu1"))
                .containsExactly("   4   5   6", "   1   2   3   4   5   6   7   8");
        assertThat(shell("cat " + at + "/driver_override; echo vfio-pci > " + at + "/driver_override && cat " + at + "/driver_override"))
                .containsExactly("(null)", "vfio-pci");
        assertThat(override).isEqualTo("vfio-pci");
        assertThat(shell("/bin/echo a-driver-with-a-long-name > " + at + "/driver_override").getLast()).endsWith("Invalid argument");
        assertThat(shell("cat " + at + "/broken").getLast()).endsWith("Input/output error");
        assertThat(shell("/bin/echo 1 > " + at + "/vendor").getLast()).endsWith("Input/output error");
        assertThat(shell("cat /sys/bus/pci/drivers/vmmtest-pci/unbind").getLast()).endsWith("Permission denied");
        assertThat(shell("cat " + at + "/none; touch " + at + "/new")).allMatch(line -> line.endsWith("No such file or directory") || line.endsWith("Function not implemented"));
    }

    @Test
    void aWriteChangesWhatIsThere() throws Exception {
        assertThat(shell("cd " + DEVICES + "/" + DEVICE + "; readlink driver; echo " + DEVICE + " > driver/unbind; readlink driver || echo unbound"))
                .containsExactly("../../drivers/vmmtest-pci", "unbound");
        assertThat(shell("/bin/echo 0000:01:00.0 > /sys/bus/pci/drivers/vmmtest-pci/unbind").getLast()).endsWith("No such device");
    }

    @Test
    void numbersOfNodesAreThoseOfStat() throws Exception {
        List<String> lines = shell("cat /sys/class/vmmtest-dev/vfio0/dev; grep vmmtest-driver /proc/devices; cat /sys/class/vmmtest-dev/vfio1/dev");
        assertThat(lines.getFirst()).isEqualTo(lines.get(1).strip().split(" ")[0] + ":0");
        assertThat(lines.get(2)).endsWith("No such device");
        assertThat(shell("diff /proc/devices /proc/1/root/proc/devices > /dev/null || cat /proc/devices").stream().filter(line -> line.contains("vmmtest"))).hasSize(1);
    }

    @Test
    void devicesAndServicesComeAndGoUnderAProgram() throws Exception {
        Path step = directory.resolve("step");
        FutureTask<List<String>> program = new FutureTask<>(() -> shell("touch " + step + "1; ls " + DEVICES + "; while ! test -e " + step + "2; do sleep 0.02; done; "
                + "ls " + DEVICES + "; cat " + DEVICES + "/0000:00:0b.0/class; touch " + step + "3; while ! test -e " + step + "4; do sleep 0.02; done; "
                + "ls " + DEVICES + "; cat " + DEVICES + "/0000:00:0b.0/class"));
        Thread.ofPlatform().start(program);
        await().until(() -> Files.exists(Path.of(step + "1")));
        Thread.sleep(100);
        SysfsDirectory more = () -> Map.of("0000:00:0b.0/class", SysfsEntry.text("0x010802"));
        publisher.add(DEVICES, more);
        Files.createFile(Path.of(step + "2"));
        await().until(() -> Files.exists(Path.of(step + "3")));
        publisher.remove(more);
        devices.clear();
        Files.createFile(Path.of(step + "4"));
        List<String> lines = program.get();
        assertThat(lines.subList(0, 4)).containsExactly(DEVICE, DEVICE, "0000:00:0b.0", "0x010802");
        assertThat(lines).hasSize(5).last().asString().endsWith("No such file or directory");
    }

    @Test
    void onlyPathsOfSysfsAreTaken() {
        for (String path : List.of("/dev/x", "/sys", "/sys/../etc", "sys/x")) {
            Assertions.assertThatThrownBy(() -> publisher.add(path, () -> Map.of())).isInstanceOf(IllegalArgumentException.class);
        }
    }
}
