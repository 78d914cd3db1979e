package vmm.qtest.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vmm.qtest.TextClient;
import vmm.qtest.board.FakeIommu;

/** Requests and answers, letter by letter. */
class TextProtocolTest {
    @Test
    void wordsGoToMemoryAndBack() throws Exception {
        try (TextClient client = TextClient.q35("-m 1")) {
            assertThat(client.ask("endianness")).isEqualTo("OK little");
            client.tell("writeq 0x1000 0x1122334455667788");
            assertThat(client.ask("readq 4096")).isEqualTo("OK 0x1122334455667788");
            assertThat(client.ask("readl 010004")).as("octal").isEqualTo("OK 0x0000000011223344");
            assertThat(client.ask("readw 0x1002")).isEqualTo("OK 0x0000000000005566");
            assertThat(client.ask("  readb   0x1007  ")).isEqualTo("OK 0x0000000000000011");
            client.tell("writel 0x1000 0xffffffff80000001");
            client.tell("writew 0x1004 0xabcd");
            client.tell("writeb 0x1006 0xef");
            assertThat(client.ask("read 0x1000 8")).isEqualTo("OK 0x01000080cdabef11");
        }
    }

    @Test
    void bytesGoToMemoryAndBack() throws Exception {
        try (TextClient client = TextClient.q35("-m 1")) {
            client.tell("write 0x10 4 0xDEADbeef");
            assertThat(client.ask("read 0x10 4")).isEqualTo("OK 0xdeadbeef");
            client.tell("write 0x10 6 0x01");
            assertThat(client.ask("read 0xf 8")).as("filled up with zeros").isEqualTo("OK 0x0001000000000000");
            client.tell("b64write 0x20 5 aGVsbG8=");
            assertThat(client.ask("b64read 0x20 5")).isEqualTo("OK aGVsbG8=");
            assertThat(client.ask("read 0x20 5")).isEqualTo("OK 0x68656c6c6f");
            client.tell("b64write 0x20 2 IyMjIw==");
            assertThat(client.ask("b64read 0x20 5")).as("told two").isEqualTo("OK IyNsbG8=");
            client.tell("memset 0x1000 0x1001 0x5a");
            assertThat(client.ask("read 0x1fff 4")).isEqualTo("OK 0x5a5a0000");
            client.tell("memset 0x1000 0 0x11");
            assertThat(client.ask("readb 0x1000")).isEqualTo("OK 0x000000000000005a");
        }
    }

    @Test
    void largestAccessGoesThrough() throws Exception {
        try (TextClient client = TextClient.q35("-m 16")) {
            client.tell("memset 0x100000 0x%x 0x77", TextProtocol.LARGEST_ACCESS_BYTES);
            String bytes = "77".repeat(TextProtocol.LARGEST_ACCESS_BYTES);
            assertThat(client.ask("read 0x100000 0x%x", TextProtocol.LARGEST_ACCESS_BYTES).equals("OK 0x" + bytes)).isTrue();
            String line = "write 0x0 0x%x 0x%s".formatted(TextProtocol.LARGEST_ACCESS_BYTES, bytes);
            assertThat(line.length()).isLessThanOrEqualTo(TextProtocol.LONGEST_LINE_CHARS);
            assertThat(client.ask(line)).isEqualTo("OK");
            assertThat(client.ask("readb 0x7fffff")).isEqualTo("OK 0x0000000000000077");
        }
    }

    @Test
    void clockMovesWhenTold() throws Exception {
        try (TextClient client = TextClient.q35("-m 1")) {
            assertThat(client.ask("clock_step")).isEqualTo("FAIL cannot advance the clock to the next deadline because there is none");
            assertThat(client.ask("clock_step 1000")).isEqualTo("OK 1000");
            assertThat(client.ask("clock_set 5000")).isEqualTo("OK 5000");
            assertThat(client.ask("clock_set 4000")).isEqualTo("FAIL 5000");
            assertThat(client.ask("clock_step 0")).isEqualTo("FAIL could not advance time");
            assertThat(client.ask("clock_step 0x%x", Long.MAX_VALUE)).as("beyond the end of time").isEqualTo("FAIL could not advance time");
        }
    }

    @Test
    void interruptsAreToldOnceIntercepted() throws Exception {
        try (TextClient client = TextClient.q35("-m 1")) {
            client.tell("set_irq_in ioapic unnamed-gpio-in 5 1");
            assertThat(client.unasked).isEmpty();
            client.tell("irq_intercept_in ioapic");
            client.tell("set_irq_in ioapic unnamed-gpio-in 5 1");
            assertThat(client.unasked).as("no change").isEmpty();
            client.tell("set_irq_in ioapic unnamed-gpio-in 5 0");
            client.tell("set_irq_in ioapic unnamed-gpio-in 9 1");
            assertThat(client.unasked).containsExactly("IRQ lower 5", "IRQ raise 9");
        }
    }

    @Test
    void messagesAreKeptUntilTaken() throws Exception {
        try (TextClient client = TextClient.q35("-m 1 -device intel-iommu")) {
            assertThat(client.ask("messages")).isEqualTo("OK 0 0");
            client.tell("writel 0xfee01004 0x41");
            client.tell("writel 0x%x 0x42", 0xfed9_0000L + FakeIommu.PULSE);
            assertThat(client.ask("messages")).isEqualTo("OK 2 0 0xfee01004 0x41 0xfee00000 0x42");
            for (int i = 0; i < 1030; i++) {
                client.tell("writel 0xfee00000 %d", i);
            }
            assertThat(client.ask("messages")).startsWith("OK 1024 6 0xfee00000 0x0 ").endsWith(" 0xfee00000 0x3ff");
            assertThat(client.ask("messages")).isEqualTo("OK 0 0");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"readb", "readb zz", "readb 0x", "readb 08", "readb -1", "readb 0x10000000000000000", "writel 0", "writel 0 x", "read 0", "read 0 0",
            "read 0xfffffffffffffff8 9", "readq 0xfffffffffffffff9", "write 0 4", "write 0 4 dead", "write 0 4 0xzz", "write 0 0x800001 0x00", "read 0 0xffffffffffffffff",
            "memset 0 0xffffffffffff 0", "memset 0 1", "b64read 0 99999999999999", "b64write 0 4 !!!!", "inb 0x10000", "inb", "outl 0xcf8", "outl 99999999 0",
            "clock_step soon", "clock_set", "irq_intercept_in", "irq_intercept_in /machine/nowhere", "irq_intercept_out ioapic", "set_irq_in ioapic unnamed-gpio-in 24 1",
            "set_irq_in ioapic other 1 1", "frobnicate", "READB 0", "module_load a b", "\u00ff\u00fe\u0001", "0x41"})
    void nonsenseFailsAndNothingElseHappens(String line) throws Exception {
        try (TextClient client = TextClient.q35("-m 1")) {
            client.tell("writeq 0 0x1234");
            String answer = new TextProtocol(Optional.of(client.board), client.unasked::add).answer(line);
            assertThat(answer).startsWith("FAIL ").doesNotContain("\n").matches("[ -~]+").hasSizeLessThan(200);
            assertThat(client.ask("readq 0")).isEqualTo("OK 0x0000000000001234");
            assertThat(client.unasked).isEmpty();
        }
    }

    @Test
    void someErrorsAreQemus() throws Exception {
        try (TextClient client = TextClient.q35("-m 1")) {
            assertThat(client.ask("write 0 4 0x")).isEqualTo("ERR invalid argument size");
            assertThat(client.ask("nothing such")).isEqualTo("FAIL Unknown command 'nothing'");
            assertThat(client.ask("x".repeat(1000))).isEqualTo("FAIL Unknown command '" + "x".repeat(60) + "...'");
            assertThat(client.ask("   ")).isEmpty();
        }
    }

    @Test
    void machineNoneHasNothing() {
        TextProtocol protocol = new TextProtocol(Optional.empty(), line -> { });
        assertThat(protocol.answer("endianness")).isEqualTo("OK little");
        assertThat(protocol.answer("readb 0")).startsWith("FAIL ");
    }

    @Test
    void armMachinesHaveNoPorts() throws Exception {
        try (TextClient client = TextClient.virt("", "-m 1")) {
            assertThat(client.ask("inb 0xcf8")).isEqualTo("FAIL virt has no I/O ports");
            assertThat(client.ask("outl 0xcf8 1")).isEqualTo("FAIL virt has no I/O ports");
        }
    }
}
