package vmm.qtest.device;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import vmm.qtest.TextClient;
import vmm.qtest.board.FakeIommu;

/** edu as its document describes it, on a PC. */
class EduDeviceTest {
    private static final long BAR = 0xe000_0000L;
    private static final int SLOT = 1;

    private static void configure(TextClient client, int offset, char width, long value) {
        client.tell("outl 0xcf8 0x%x", 0x8000_0000L | SLOT << 11 | offset);
        client.tell("out%c 0xcfc 0x%x", width, value);
    }

    private static TextClient enabled(String options) throws Exception {
        TextClient client = TextClient.q35("-m 4 " + options);
        configure(client, 0x10, 'l', BAR);
        configure(client, 4, 'w', 6);
        client.tell("irq_intercept_in ioapic");
        return client;
    }

    private static void transfer(TextClient client, long source, long destination, long count, int command) {
        client.tell("writeq 0x%x 0x%x", BAR + 0x80, source);
        client.tell("writeq 0x%x 0x%x", BAR + 0x88, destination);
        client.tell("writeq 0x%x 0x%x", BAR + 0x90, count);
        client.tell("writel 0x%x 0x%x", BAR + 0x98, command);
    }

    @Test
    void registers() throws Exception {
        try (TextClient client = enabled("-device edu")) {
            assertThat(client.number("readl 0x%x", BAR)).isEqualTo(0x0100_00edL);
            client.tell("writel 0x%x 0x12345678", BAR + 4);
            assertThat(client.number("readl 0x%x", BAR + 4)).isEqualTo(0xedcb_a987L);
            client.tell("writel 0x%x 10", BAR + 8);
            assertThat(client.number("readl 0x%x", BAR + 8)).isEqualTo(3_628_800);
            client.tell("writel 0x%x 0xffffffff", BAR + 8);
            assertThat(client.number("readl 0x%x", BAR + 8)).isZero();
            assertThat(client.number("readq 0x%x", BAR)).as("below 0x80 only 4 bytes").isEqualTo(-1);
            assertThat(client.number("readb 0x%x", BAR)).isEqualTo(0xff);
        }
    }

    @Test
    void transfersEndAfterAHundredMilliseconds() throws Exception {
        try (TextClient client = enabled("-device edu")) {
            client.tell("write 0x1000 4 0xcafebabe");
            transfer(client, 0x1000, 0x40010, 4, 1);
            client.tell("writeq 0x%x 0x9999", BAR + 0x80);
            assertThat(client.ask("clock_step 99999999")).isEqualTo("OK 99999999");
            assertThat(client.number("readl 0x%x", BAR + 0x98)).isEqualTo(1);
            assertThat(client.ask("clock_step")).isEqualTo("OK 100000000");
            assertThat(client.number("readl 0x%x", BAR + 0x98)).isZero();
            assertThat(client.number("readq 0x%x", BAR + 0x80)).as("registers stay while it runs").isEqualTo(0x1000);
            assertThat(client.unasked).isEmpty();
            transfer(client, 0x40010, 0x2000, 4, 7);
            assertThat(client.ask("clock_step 1000000000")).startsWith("OK ");
            assertThat(client.ask("read 0x2000 4")).isEqualTo("OK 0xcafebabe");
            assertThat(client.number("readl 0x%x", BAR + 0x24)).isEqualTo(0x100);
            assertThat(client.unasked).containsExactly("IRQ raise 21");
            client.tell("writel 0x%x 0x100", BAR + 0x64);
            assertThat(client.unasked).containsExactly("IRQ raise 21", "IRQ lower 21");
        }
    }

    @Test
    void transfersGoThroughTheIommuAndNoFurther() throws Exception {
        try (TextClient client = enabled("-device intel-iommu -device edu,dma_mask=0xffffffffffff")) {
            client.tell("write 0x1000 4 0xcafebabe");
            transfer(client, FakeIommu.DISTANCE + 0x1000, 0x40000, 4, 1);
            client.ask("clock_step");
            transfer(client, 0x40000, FakeIommu.DISTANCE + 0x3000, 4, 3);
            client.ask("clock_step");
            assertThat(client.ask("read 0x3000 4")).isEqualTo("OK 0xcafebabe");
            transfer(client, 0x40000, 0x4000, 4, 3);
            client.ask("clock_step");
            assertThat(client.ask("read 0x4000 4")).as("refused").isEqualTo("OK 0x00000000");
            assertThat(client.number("readl 0x%x", BAR + 0x98)).isEqualTo(2);
        }
    }

    @Test
    void whatDoesNotFitIntoTheBufferIsNotMoved() throws Exception {
        try (TextClient client = enabled("-device edu")) {
            client.tell("memset 0x1000 0x2000 0x55");
            long[][] wrong = {{0x1000, 0x3ffff, 4}, {0x1000, 0x40ffd, 4}, {0x1000, 0x40000, 0x1001}, {0x1000, 0x40000, -1}, {0x1000, -4, 8}, {0x1000, 0x40000, 1L << 63}};
            for (long[] each : wrong) {
                transfer(client, each[0], each[1], each[2], 1);
                assertThat(client.ask("clock_step")).startsWith("OK");
            }
            transfer(client, 0x40000, 0x4000, 0x1000, 3);
            client.ask("clock_step");
            assertThat(client.ask("read 0x4000 0x1000")).isEqualTo("OK 0x" + "00".repeat(0x1000));
        }
    }

    @Test
    void addressesAreMasked() throws Exception {
        try (TextClient client = enabled("-device edu,dma_mask=0xffff")) {
            client.tell("write 0x1000 4 0xcafebabe");
            transfer(client, 0xabcd_1000L, 0x40000, 4, 1);
            client.ask("clock_step");
            transfer(client, 0x40000, 0x1_2000, 4, 3);
            client.ask("clock_step");
            assertThat(client.ask("read 0x2000 4")).isEqualTo("OK 0xcafebabe");
        }
    }

    @Test
    void interruptsAreMessagesOnceEnabledAndThePinCanBeDisabled() throws Exception {
        try (TextClient client = enabled("-device intel-iommu -device edu")) {
            client.tell("writel 0x%x 0x2", BAR + 0x60);
            assertThat(client.unasked).containsExactly("IRQ raise 21");
            configure(client, 4, 'w', 0x406);
            assertThat(client.unasked).endsWith("IRQ lower 21");
            long address = FakeIommu.DISTANCE + FakeIommu.MESSAGES;
            configure(client, 0x44, 'l', address & 0xffff_ffffL);
            configure(client, 0x48, 'l', address >>> 32);
            configure(client, 0x4c, 'w', 0x4041);
            configure(client, 0x40, 'l', 0x1_0000);
            assertThat(client.ask("messages")).isEqualTo("OK 0 0");
            client.tell("writel 0x%x 0x4", BAR + 0x60);
            assertThat(client.ask("messages")).isEqualTo("OK 1 0 0xfee00000 0x4041");
            assertThat(client.unasked).hasSize(2);
            client.tell("writel 0x%x 0x80", BAR + 0x20);
            client.tell("writel 0x%x 3", BAR + 8);
            assertThat(client.ask("messages")).isEqualTo("OK 1 0 0xfee00000 0x4041");
            assertThat(client.number("readl 0x%x", BAR + 0x24)).isEqualTo(7);
        }
    }

    @Test
    void withoutAnIommuMessagesArriveToo() throws Exception {
        try (TextClient client = enabled("-device edu")) {
            configure(client, 0x44, 'l', 0xfee0_1000L);
            configure(client, 0x4c, 'w', 0x31);
            configure(client, 0x40, 'l', 0x1_0000);
            client.tell("writel 0x%x 1", BAR + 0x60);
            assertThat(client.ask("messages")).isEqualTo("OK 1 0 0xfee01000 0x31");
        }
    }

    @Test
    void resetForgetsARunningTransfer() throws Exception {
        try (TextClient client = enabled("-device edu")) {
            transfer(client, 0x40000, 0x2000, 4, 7);
            client.board.reset();
            assertThat(client.ask("clock_step")).startsWith("FAIL");
            assertThat(client.unasked).isEmpty();
        }
    }
}
