package vmm.qtest.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Command lines as QEMU's test programs and people write them. */
class QemuArgumentsTest {
    private static QemuArguments parse(Architecture architecture, String line) throws UsageException {
        return QemuArgumentsParser.parse(architecture, line.isEmpty() ? List.of() : Arrays.asList(line.split(" ")));
    }

    @Test
    void whatLibqtestWrites() throws Exception {
        QemuArguments arguments = parse(Architecture.AARCH64, "-qtest unix:/tmp/q.sock -qtest-log /dev/fd/2 -chardev socket,path=/tmp/q.qmp,id=char0 "
                + "-mon chardev=char0,mode=control -display none -audio none -run-with exit-with-parent=on "
                + "-machine virt,acpi=off,gic-version=3,iommu=smmuv3 -smp 1 -m 512 -cpu max -net none -device iommu-testdev -accel qtest");
        assertThat(arguments.machine()).isEqualTo("virt");
        assertThat(arguments.machineIommu()).isTrue();
        assertThat(arguments.ramBytes()).isEqualTo(512L << 20);
        assertThat(arguments.text()).contains(new Endpoint.Connect(Path.of("/tmp/q.sock")));
        assertThat(arguments.monitors()).containsExactly(new Endpoint.Connect(Path.of("/tmp/q.qmp")));
        assertThat(arguments.log()).contains(Path.of("/dev/fd/2"));
        assertThat(arguments.exitWithParent()).isTrue();
        assertThat(arguments.devices()).containsExactly(new DeviceOption("iommu-testdev", Map.of(), ""));
    }

    @Test
    void whatPeopleWrite() throws Exception {
        QemuArguments arguments = parse(Architecture.X86_64, "--machine type=q35 -m size=2G -qmp unix:/a,,b,server=on,wait=off -qtest stdio -nodefaults -S "
                + "-device driver=edu,id=e,bus=pcie.0,addr=0x4,dma_mask=0xff -global edu.x=1 -global driver=edu,property=y,value=2");
        assertThat(arguments.ramBytes()).isEqualTo(2L << 30);
        assertThat(arguments.monitors()).containsExactly(new Endpoint.Listen(Path.of("/a,b")));
        assertThat(arguments.text()).contains(new Endpoint.Standard());
        assertThat(arguments.devices()).containsExactly(new DeviceOption("edu", Map.of("dma_mask", "0xff"), "0x4"));
        assertThat(arguments.globals()).isEqualTo(Map.of("edu", Map.of("x", "1", "y", "2")));
        assertThat(parse(Architecture.X86_64, "-M none -qmp stdio").text()).isEqualTo(Optional.empty());
        assertThat(parse(Architecture.X86_64, "-M q35 -qtest stdio").ramBytes()).isEqualTo(128L << 20);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', value = {
            "-qtest stdio | which machine? -machine q35, or none",
            "-M q35 | nobody can drive the board: -qtest or -qmp says who does",
            "-M pc -qtest stdio | -machine pc: there is no such machine; x86_64 has q35 and none",
            "-M virt -qtest stdio | -machine virt: there is no such machine; x86_64 has q35 and none",
            "-M q35,iommu=smmuv3 -qtest stdio | -machine: iommu=smmuv3 is not supported",
            "-M q35,color=red -qtest stdio | -machine: there is no 'color'",
            "-M q35 -qtest stdio -device nvme | -device nvme: there is no such device; there are [edu, iommu-testdev, intel-iommu]",
            "-M q35 -qtest stdio -device arm-smmuv3 | -device arm-smmuv3: there is no such device; there are [edu, iommu-testdev, intel-iommu]",
            "-M q35 -qtest stdio -device edu,bus=pci.1 | -device edu: there is no bus 'pci.1', only pcie.0",
            "-M none -qtest stdio -device edu | -device edu: the machine 'none' has no bus for it",
            "-M q35 -qtest stdio -m 0 | -m 0: RAM has 1 MiB to 64 GiB, in pages of 4 KiB",
            "-M q35 -qtest stdio -m 1000000000G | -m 1000000000G: RAM has 1 MiB to 64 GiB, in pages of 4 KiB",
            "-M q35 -qtest stdio -m much | -m much: RAM has 1 MiB to 64 GiB, in pages of 4 KiB",
            "-M q35 -qtest stdio -m 1048577b | -m 1048577b: RAM has 1 MiB to 64 GiB, in pages of 4 KiB",
            "-M q35 -qtest tcp:0:1 | -qtest tcp:0:1: only unix:PATH and stdio are known",
            "-M q35 -qtest unix:/a,color=red | -qtest: there is no 'color'",
            "-M q35 -qtest unix:/a,server=maybe | -qtest: 'server' is on or off, not 'maybe'",
            "-M q35 -qtest stdio -qmp stdio | stdio is for one only",
            "-M q35 -qtest stdio -mon chardev=x,mode=control | -mon: there is no chardev 'x'",
            "-M q35 -qtest stdio -mon chardev=x | -mon: only mode=control is known",
            "-M q35 -qtest stdio -chardev pty,id=x | -chardev: only socket,path=PATH,id=ID and stdio,id=ID are known",
            "-M q35 -qtest stdio -net user | -net user: not supported",
            "-M q35 -qtest stdio -kernel vmlinuz | -kernel vmlinuz: not supported",
            "-M q35 -qtest stdio disk.img | 'disk.img' is no option, and no disk can be had here",
            "-M q35 -qtest stdio -global x=1 | -global x: not DRIVER.PROPERTY=VALUE",
            "-M q35 -qtest | -qtest: requires an argument",
            "-M q35 - | '-' is no option, and no disk can be had here"})
    void whatCannotBeIsSaid(String line, String message) {
        assertThatThrownBy(() -> parse(Architecture.X86_64, line)).isInstanceOf(UsageException.class).hasMessage(message);
    }

    @Test
    void everyPrefixOfALineIsRefusedOrTaken() {
        List<String> words = Arrays.asList(("-qtest unix:/q,server=on -chardev socket,path=/m,id=c -mon chardev=c,mode=control -machine q35 -m 8 "
                + "-device intel-iommu,aw-bits=48 -device edu,addr=2 -run-with exit-with-parent=on").split(" "));
        List<Integer> taken = new ArrayList<>();
        for (int length = 0; length <= words.size(); length++) {
            try {
                QemuArgumentsParser.parse(Architecture.X86_64, words.subList(0, length));
                taken.add(length);
            } catch (UsageException refused) {
                assertThat(refused.getMessage()).isNotBlank();
            }
        }
        assertThat(taken).containsExactly(8, 10, 12, 14, 16);
    }
}
