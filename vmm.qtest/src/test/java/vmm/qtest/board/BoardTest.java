package vmm.qtest.board;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.IommuUnit;
import iommufd.api.hardware.UnitBoard;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.PhysicalMemory;
import iommufd.api.memory.TableMemory;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import vmm.qtest.TextClient;
import vmm.qtest.command.UsageException;

/** Memory maps: what is where, what is nowhere, and what the IOMMU is wired to. */
class BoardTest {
    @Test
    void ramOfAPcEndsWhereItWasToldTo() throws Exception {
        try (TextClient client = TextClient.q35("-m 1M")) {
            client.tell("writeq 0xffff8 1");
            assertThat(client.number("readq 0xffff8")).isEqualTo(1);
            client.tell("write 0xffffc 8 0x1111111122222222");
            assertThat(client.ask("read 0xffff8 16")).isEqualTo("OK 0x0100000011111111ffffffffffffffff");
            assertThat(client.number("readq 0xfffffffffffffff8")).as("the last word of all").isEqualTo(-1);
        }
    }

    @Test
    void muchRamOfAPcGoesOnAbove4GiB() throws Exception {
        try (TextClient client = TextClient.q35("-m 3G")) {
            client.tell("writeb 0x7fffffff 1");
            client.tell("writeb 0x80000000 2");
            client.tell("writeb 0x100000000 3");
            client.tell("writeb 0x13fffffff 4");
            assertThat(client.ask("read 0x7ffffffe 3")).isEqualTo("OK 0x0001ff");
            assertThat(client.ask("read 0xffffffff 2")).isEqualTo("OK 0xff03");
            assertThat(client.ask("read 0x13fffffff 2")).isEqualTo("OK 0x04ff");
        }
    }

    @Test
    void ramOfAnArmMachine() throws Exception {
        try (TextClient client = TextClient.virt("", "-m 512")) {
            client.tell("writel 0x40000000 7");
            assertThat(client.number("readl 0x40000000")).isEqualTo(7);
            assertThat(client.number("readl 0x3ffffffc")).isEqualTo(0xffff_ffffL);
            client.tell("writel 0x5ffffffc 8");
            assertThat(client.number("readq 0x5ffffffc")).isEqualTo(0xffff_ffff_0000_0008L);
        }
    }

    @Test
    void theIommusRegistersAreThereInAlignedPieces() throws Exception {
        try (TextClient client = TextClient.q35("-device intel-iommu,aw-bits=48,pt=on -global intel-iommu.caching-mode=on -global intel-iommu.pt=off")) {
            assertThat(client.iommu.properties).isEqualTo(Map.of("aw-bits", "48", "pt", "on", "caching-mode", "on"));
            assertThat(client.number("readq 0xfed90000")).isEqualTo(FakeIommu.IDENTITY);
            assertThat(client.ask("read 0xfed90003 10")).isEqualTo("OK 0x89674523010000000000");
            assertThat(client.iommu.accesses).containsExactly("r8 0", "r1 3", "r4 4", "r4 8", "r1 c");
            client.tell("write 0xfed90010 8 0x0102030405060708");
            assertThat(client.number("readq 0xfed90010")).isEqualTo(0x0807_0605_0403_0201L);
            assertThat(client.number("readl 0xfed91000")).as("behind them").isEqualTo(0xffff_ffffL);
            client.board.reset();
            assertThat(client.number("readq 0xfed90010")).isZero();
        }
    }

    @Test
    void theIommuIsBuiltWithTheNamesItKnows() throws Exception {
        try (TextClient client = TextClient.q35("-device intel-iommu,scalable-mode=on,flts=on")) {
            assertThat(client.iommu.properties).isEqualTo(Map.of("x-scalable-mode", "on", "x-flts", "on", "aw-bits", "48"));
        }
        try (TextClient client = TextClient.virt(",iommu=smmuv3", "-global arm-smmuv3.ats=on")) {
            assertThat(client.iommu.properties).isEqualTo(Map.of("stage", "nested", "ats", "on"));
        }
        try (TextClient client = TextClient.virt("", "-device arm-smmuv3,primary-bus=pcie.0,stage=2 -device edu")) {
            assertThat(client.iommu.properties).isEqualTo(Map.of("stage", "2"));
            assertThat(client.number("readq 0xc000000")).isEqualTo(FakeIommu.IDENTITY);
            assertThat(client.iommu.requesters).containsExactly(RequesterId.of(0, 0, 1, 0));
        }
    }

    @Test
    void theIommusWiresAndMessagesArrive() throws Exception {
        try (TextClient client = TextClient.virt(",iommu=smmuv3", "")) {
            client.tell("irq_intercept_in gic");
            client.tell("writel 0x%x 9", Virt.MACHINE_IOMMU + FakeIommu.PULSE);
            assertThat(client.unasked).containsExactly("IRQ raise 75", "IRQ lower 75");
            assertThat(client.ask("messages")).isEqualTo("OK 1 0 0xfee00000 0x9");
        }
    }

    @Test
    void aRefusedIommuLeavesNoRamBehind() {
        List<GuestRam> allocated = new ArrayList<>();
        PhysicalMemory memory = new PhysicalMemory() {
            @Override
            public GuestRam allocateGuestRam(long lengthBytes, boolean hugePages) {
                allocated.add(TextClient.MEMORY.allocateGuestRam(lengthBytes, hugePages));
                return allocated.getLast();
            }

            @Override
            public TableMemory tables() {
                return TextClient.MEMORY.tables();
            }
        };
        IommuOrder refused = new IommuOrder("vtd", new FakeIommu() {
            @Override
            public IommuUnit create(String name, Map<String, String> given, UnitBoard wired) {
                throw new IommufdException(Errno.EINVAL, "aw-bits is 39 or 48");
            }
        }, Map.of());
        assertThatThrownBy(() -> Q35.build(memory, 1 << 20, Optional.of(refused))).isInstanceOf(IommufdException.class).hasMessage("EINVAL: aw-bits is 39 or 48");
        assertThat(allocated).hasSize(1);
        assertThatThrownBy(() -> allocated.getFirst().segment().get(ValueLayout.JAVA_BYTE, 0)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void closingClosesTheIommu() throws Exception {
        TextClient client = TextClient.q35("-device intel-iommu");
        client.close();
        assertThat(client.iommu.closed).isTrue();
    }

    @Test
    void oneIommuAtMost() {
        assertThatThrownBy(() -> TextClient.q35("-device intel-iommu -device intel-iommu")).isInstanceOf(UsageException.class).hasMessage("a board has one IOMMU at most");
        assertThatThrownBy(() -> TextClient.virt(",iommu=smmuv3", "-device arm-smmuv3")).isInstanceOf(UsageException.class).hasMessage("a board has one IOMMU at most");
    }
}
