package vmm.qtest.board;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import vmm.qtest.TextClient;
import vmm.qtest.command.UsageException;

/** Enumeration as software does it: by ports on the PC, by the enhanced window on both boards. */
class PciTest {
    private static final long ECAM = Virt.CONFIG;

    private static long config(TextClient client, int deviceFunction, int offset, char width) {
        client.tell("outl 0xcf8 0x%x", 0x8000_0000L | deviceFunction << 8 | offset & 0xfc);
        return client.number("in%c 0x%x", width, 0xcfc + (offset & 3));
    }

    private static void configure(TextClient client, int deviceFunction, int offset, char width, long value) {
        client.tell("outl 0xcf8 0x%x", 0x8000_0000L | deviceFunction << 8 | offset & 0xfc);
        client.tell("out%c 0x%x 0x%x", width, 0xcfc + (offset & 3), value);
    }

    @Test
    void portsFindWhatIsThere() throws Exception {
        try (TextClient client = TextClient.q35("-device edu -device iommu-testdev,addr=5.2 -device iommu-testdev")) {
            List<String> found = new ArrayList<>();
            for (int deviceFunction = 0; deviceFunction < 256; deviceFunction++) {
                long ids = config(client, deviceFunction, 0, 'l');
                if (ids != 0xffff_ffffL) {
                    found.add("%02x.%d %08x".formatted(deviceFunction >> 3, deviceFunction & 7, ids));
                }
            }
            assertThat(found).containsExactly("00.0 29c08086", "01.0 11e81234", "02.0 00051b36", "05.2 00051b36", "1f.0 29188086");
            assertThat(config(client, 8, 0x0a, 'w')).as("class").isEqualTo(0x00ff);
            assertThat(config(client, 8, 2, 'w')).isEqualTo(0x11e8);
            assertThat(config(client, 8, 3, 'b')).isEqualTo(0x11);
            client.tell("outl 0xcf8 0x80000802");
            assertThat(client.number("inw 0xcfc")).as("as libqos does it").isEqualTo(0x11e8);
            client.tell("outl 0xcf8 0x80010800");
            assertThat(client.number("inl 0xcfc")).as("bus 1").isEqualTo(0xffff_ffffL);
            client.tell("outl 0xcf8 0x00000800");
            assertThat(client.number("inl 0xcfc")).as("not enabled").isEqualTo(0xffff_ffffL);
            assertThat(client.number("inl 0xcf8")).isEqualTo(0x800);
            assertThat(client.number("inb 0xcf8")).as("only whole").isEqualTo(0xff);
            assertThat(client.number("inw 0x1f0")).isEqualTo(0xffff);
        }
    }

    @Test
    void barsAreSizedPlacedAndSwitched() throws Exception {
        try (TextClient client = TextClient.q35("-device edu")) {
            configure(client, 8, 0x10, 'l', 0xffff_ffffL);
            assertThat(config(client, 8, 0x10, 'l')).isEqualTo(0xfff0_0000L);
            configure(client, 8, 0x14, 'l', 0xffff_ffffL);
            assertThat(config(client, 8, 0x14, 'l')).as("no BAR 1").isZero();
            configure(client, 8, 0x10, 'l', 0xe010_0000L);
            assertThat(client.number("readl 0xe0100000")).as("memory decoding is off").isEqualTo(0xffff_ffffL);
            configure(client, 8, 4, 'w', 0xffff);
            assertThat(config(client, 8, 4, 'w')).isEqualTo(0x0547);
            assertThat(client.number("readl 0xe0100000")).isEqualTo(0x0100_00edL);
            configure(client, 8, 0x10, 'l', 0xd000_0000L);
            assertThat(client.number("readl 0xe0100000")).isEqualTo(0xffff_ffffL);
            assertThat(client.number("readl 0xd0000000")).isEqualTo(0x0100_00edL);
            client.board.reset();
            assertThat(config(client, 8, 4, 'w')).isZero();
            assertThat(config(client, 8, 0x10, 'l')).isZero();
        }
    }

    @Test
    void readOnlyRegistersStay() throws Exception {
        try (TextClient client = TextClient.q35("-device edu")) {
            for (int offset = 0; offset < 256; offset += 4) {
                configure(client, 8, offset, 'l', 0);
                configure(client, 8, offset, 'l', 0xffff_ffffL);
            }
            assertThat(config(client, 8, 0, 'l')).isEqualTo(0x11e8_1234L);
            assertThat(config(client, 8, 8, 'l')).isEqualTo(0x00ff_0010L);
            assertThat(config(client, 8, 0x2c, 'l')).isEqualTo(0x1100_1af4L);
            assertThat(config(client, 8, 0x34, 'l')).as("capabilities").isEqualTo(0x40);
            assertThat(config(client, 8, 0x3d, 'b')).as("INTA#").isEqualTo(1);
            assertThat(config(client, 8, 0x40, 'l')).as("MSI, 64 bits, enabled").isEqualTo(0x0081_0005L);
            assertThat(config(client, 8, 0xfc, 'l')).isZero();
        }
    }

    @Test
    void theEnhancedWindowOfVirt() throws Exception {
        try (TextClient client = TextClient.virt("", "-device edu")) {
            assertThat(client.number("readl 0x%x", ECAM)).isEqualTo(0x0008_1b36L);
            assertThat(client.ask("read 0x%x 16", ECAM + (8 << 12))).isEqualTo("OK 0x3412e811000010001000ff0000000000");
            assertThat(client.number("readl 0x%x", ECAM + (9 << 12))).isEqualTo(0xffff_ffffL);
            assertThat(client.number("readl 0x%x", ECAM + (1 << 20))).as("bus 1").isEqualTo(0xffff_ffffL);
            assertThat(client.number("readl 0x%x", ECAM + (8 << 12) + 0x100)).as("a conventional function").isEqualTo(0xffff_ffffL);
            assertThat(client.number("readl 0x%x", ECAM + (255L << 20) + 0xff_ffc)).as("its end").isEqualTo(0xffff_ffffL);
            client.tell("write 0x%x 2 0x0600", ECAM + (8 << 12) + 4);
            client.tell("writel 0x%x 0x10000000", ECAM + (8 << 12) + 0x10);
            assertThat(client.number("readl 0x10000000")).isEqualTo(0x0100_00edL);
        }
    }

    @Test
    void theEnhancedWindowOfQ35IsWherePciexbarSays() throws Exception {
        try (TextClient client = TextClient.q35("-device edu")) {
            assertThat(config(client, 0, 0x60, 'l')).isEqualTo(0xe000_0000L);
            assertThat(client.number("readl 0xe0008000")).isEqualTo(0xffff_ffffL);
            configure(client, 0, 0x60, 'l', 0xb000_0001L);
            assertThat(client.number("readl 0xb0008000")).isEqualTo(0x11e8_1234L);
            configure(client, 0, 0x60, 'l', 0xbc00_0005L);
            assertThat(client.number("readl 0xb0008000")).isEqualTo(0xffff_ffffL);
            assertThat(client.number("readl 0xbc008000")).as("64 MiB of it").isEqualTo(0x11e8_1234L);
            configure(client, 0, 0x60, 'l', 0xb000_0007L);
            assertThat(client.number("readl 0xb0008000")).as("a reserved length").isEqualTo(0xffff_ffffL);
            configure(client, 0, 0x64, 'l', 0x4);
            configure(client, 0, 0x60, 'l', 0xb000_0001L);
            assertThat(client.number("readl 0x4b0008000")).isEqualTo(0x11e8_1234L);
            client.board.reset();
            assertThat(client.number("readl 0x4b0008000")).isEqualTo(0xffff_ffffL);
        }
    }

    @Test
    void slotsAreTakenOnce() throws Exception {
        assertThatThrownBy(() -> TextClient.q35("-device edu,addr=2 -device iommu-testdev,addr=0x2")).isInstanceOf(UsageException.class)
                .hasMessage("PCI: slot 2 function 0 not available, in use by 1234:11e8");
        assertThatThrownBy(() -> TextClient.q35("-device edu,addr=1f")).isInstanceOf(UsageException.class).hasMessageContaining("slot 31");
        assertThatThrownBy(() -> TextClient.virt("", " -device edu".repeat(32).strip())).isInstanceOf(UsageException.class).hasMessage("PCI: no slot is free");
        TextClient.virt("", " -device edu".repeat(31).strip()).close();
    }
}
