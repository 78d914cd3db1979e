package vmm.devices.nvme;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Admin commands that succeed: what they answer. */
class AdminTest {
    @TempDir
    Path directory;
    private Board board;
    private GuestDriver guest;
    private long page;

    @BeforeEach
    void plug() {
        board = new Board(Disks.random(directory, "a", 9), Disks.random(directory, "b", 12));
        guest = new GuestDriver(board).enable();
        page = guest.allocate(4096);
    }

    @AfterEach
    void unplug() {
        board.close();
    }

    private MemorySegment identify(int cns, int namespaceId) {
        guest.at(page, 4096).fill((byte) 0xee);
        guest.expectSuccess(guest.execute(Command.of(6, namespaceId).prp(page, 0).word(10, cns)));
        return guest.at(page, 4096);
    }

    private MemorySegment log(int id, int lengthBytes) {
        guest.at(page, 4096).fill((byte) 0xee);
        guest.expectSuccess(guest.execute(Command.of(2, 0).prp(page, 0).word(10, id | lengthBytes / 4 - 1 << 16)));
        return guest.at(page, 4096);
    }

    private static String text(MemorySegment from, int at, int length) {
        return new String(from.asSlice(at, length).toArray(JAVA_BYTE), StandardCharsets.US_ASCII);
    }

    @Test
    void identifyTellsOfTheController() {
        MemorySegment data = identify(1, 0);
        assertThat(text(data, 4, 20)).isEqualTo("TEST0001            ");
        assertThat(text(data, 24, 40)).startsWith("vmm NVMe").hasSize(40);
        assertThat(data.get(JAVA_INT_UNALIGNED, 80)).as("VER").isEqualTo(0x10400);
        assertThat(data.get(JAVA_BYTE, 77)).as("MDTS").isEqualTo((byte) 8);
        assertThat(data.get(JAVA_BYTE, 512)).as("SQES").isEqualTo((byte) 0x66);
        assertThat(data.get(JAVA_BYTE, 513)).as("CQES").isEqualTo((byte) 0x44);
        assertThat(data.get(JAVA_INT_UNALIGNED, 516)).as("NN").isEqualTo(2);
        assertThat(text(data, 768, 40)).startsWith("nqn.2014-08.org.nvmexpress:");
        assertThat(data.get(JAVA_BYTE, 4095)).isZero();
    }

    @Test
    void identifyTellsOfNamespaces() {
        MemorySegment data = identify(0, 1);
        assertThat(data.get(JAVA_LONG_UNALIGNED, 0)).as("NSZE").isEqualTo(Disks.BYTES / 512);
        assertThat(data.get(JAVA_BYTE, 26)).as("FLBAS").isZero();
        assertThat(data.get(JAVA_INT_UNALIGNED, 128)).as("LBAF0").isEqualTo(9 << 16);
        assertThat(data.get(JAVA_INT_UNALIGNED, 132)).as("LBAF1").isEqualTo(12 << 16);
        data = identify(0, 2);
        assertThat(data.get(JAVA_LONG_UNALIGNED, 0)).isEqualTo(Disks.BYTES / 4096);
        assertThat(data.get(JAVA_BYTE, 26)).isEqualTo((byte) 1);
        data = identify(2, 0);
        assertThat(data.asSlice(0, 12).toArray(JAVA_INT_UNALIGNED)).containsExactly(1, 2, 0);
        data = identify(2, 1);
        assertThat(data.asSlice(0, 8).toArray(JAVA_INT_UNALIGNED)).containsExactly(2, 0);
        data = identify(3, 2);
        assertThat(data.get(JAVA_BYTE, 0)).as("a UUID").isEqualTo((byte) 3);
        assertThat(data.get(JAVA_BYTE, 1)).isEqualTo((byte) 16);
        byte[] second = data.asSlice(4, 16).toArray(JAVA_BYTE);
        assertThat(second).isNotEqualTo(new byte[16]);
        assertThat(identify(3, 1).asSlice(4, 16).toArray(JAVA_BYTE)).isNotEqualTo(second);
    }

    @Test
    void featuresKeepWhatIsSetUntilTheNextReset() {
        int[][] features = {{0x01, 0x0703}, {0x04, 350}, {0x06, 0}, {0x08, 0x0a10}, {0x0a, 1}, {0x0b, 0x101}};
        for (int[] feature : features) {
            int before = guest.expectSuccess(guest.execute(Command.of(0xa, 0).word(10, feature[0]))).result();
            assertThat(before).isNotEqualTo(feature[1]);
            guest.expectSuccess(guest.execute(Command.of(9, 0).word(10, feature[0]).word(11, feature[1])));
            assertThat(guest.execute(Command.of(0xa, 0).word(10, feature[0])).result()).as("feature %d", feature[0]).isEqualTo(feature[1]);
            assertThat(guest.execute(Command.of(0xa, 0).word(10, feature[0] | 1 << 8)).result()).as("default").isEqualTo(before);
            assertThat(guest.execute(Command.of(0xa, 0).word(10, feature[0] | 3 << 8)).result()).as("capabilities").isEqualTo(4);
        }
        guest.enable();
        assertThat(guest.execute(Command.of(0xa, 0).word(10, 4)).result()).isNotEqualTo(350);
    }

    @Test
    void featuresOfNamespacesAndVectorsAreSeveral() {
        guest.expectSuccess(guest.execute(Command.of(9, 2).word(10, 5).word(11, 77)));
        assertThat(guest.execute(Command.of(0xa, 1).word(10, 5)).result()).isZero();
        assertThat(guest.execute(Command.of(0xa, 2).word(10, 5)).result()).isEqualTo(77);
        guest.expectSuccess(guest.execute(Command.of(9, 0).word(10, 9).word(11, 3 | 1 << 16)));
        assertThat(guest.execute(Command.of(0xa, 0).word(10, 9).word(11, 3)).result()).isEqualTo(3 | 1 << 16);
        assertThat(guest.execute(Command.of(0xa, 0).word(10, 9).word(11, 4)).result()).isEqualTo(4);
    }

    @Test
    void theNumberOfQueuesIsNegotiatedBeforeTheFirstIsCreated() {
        assertThat(guest.expectSuccess(guest.execute(Command.of(9, 0).word(10, 7).word(11, 200 | 300 << 16))).result())
                .isEqualTo(Board.QUEUE_PAIRS - 1 | Board.QUEUE_PAIRS - 1 << 16);
        assertThat(guest.expectSuccess(guest.execute(Command.of(9, 0).word(10, 7).word(11, 1 | 1 << 16))).result()).isEqualTo(1 | 1 << 16);
        assertThat(guest.execute(Command.of(0xa, 0).word(10, 7)).result()).isEqualTo(1 | 1 << 16);
        guest.createQueues(2, 8);
        assertThat(guest.execute(Command.of(9, 0).word(10, 7).word(11, 0)).code()).as("too late").isEqualTo(0x0c);
    }

    @Test
    void theTimestampRuns() {
        guest.at(page, 8).set(JAVA_LONG_UNALIGNED, 0, 1_700_000_000_000L);
        guest.expectSuccess(guest.execute(Command.of(9, 0).word(10, 0xe).prp(page, 0)));
        guest.expectSuccess(guest.execute(Command.of(0xa, 0).word(10, 0xe).prp(page + 8, 0)));
        long stamp = guest.at(page + 8, 8).get(JAVA_LONG_UNALIGNED, 0);
        assertThat(stamp & (1L << 48) - 1).isBetween(1_700_000_000_000L, 1_700_000_060_000L);
        assertThat(stamp >>> 49 & 7).as("origin: set by the host").isEqualTo(1);
    }

    @Test
    void theHealthLogCounts() {
        var queue = guest.createQueues(1, 8);
        long buffer = guest.allocate(1 << 20);
        for (int i = 0; i < 3; i++) {
            guest.expectSuccess(guest.execute(queue, Command.of(2, 1).blocks(0, 8).prp(buffer, 0)));
        }
        guest.expectSuccess(guest.execute(queue, Command.of(1, 1).blocks(0, 8).prp(buffer, 0)));
        MemorySegment log = log(2, 512);
        assertThat(log.get(JAVA_BYTE, 0)).as("no warning").isZero();
        assertThat(log.get(JAVA_SHORT_UNALIGNED, 1)).as("Kelvin").isBetween((short) 273, (short) 343);
        assertThat(log.get(JAVA_LONG_UNALIGNED, 32)).as("units read").isEqualTo(1);
        assertThat(log.get(JAVA_LONG_UNALIGNED, 64)).as("reads").isEqualTo(3);
        assertThat(log.get(JAVA_LONG_UNALIGNED, 80)).as("writes").isEqualTo(1);
        assertThat(log.get(JAVA_LONG_UNALIGNED, 160)).as("media errors").isZero();
        assertThat(log.get(JAVA_BYTE, 512)).as("nothing behind").isEqualTo((byte) 0xee);
    }

    @Test
    void theErrorLogHasTheNewestFirst() {
        var queue = guest.createQueues(1, 8);
        Completion first = guest.execute(queue, Command.read(7, 0, 1, page));
        Completion second = guest.execute(queue, Command.read(1, 1L << 40, 1, page));
        assertThat(first.more()).isTrue();
        MemorySegment log = log(1, 4096);
        assertThat(log.get(JAVA_LONG_UNALIGNED, 0)).isEqualTo(2);
        assertThat(log.get(JAVA_SHORT_UNALIGNED, 8)).as("queue").isEqualTo((short) 1);
        assertThat(log.get(JAVA_SHORT_UNALIGNED, 10)).as("command").isEqualTo((short) second.commandId());
        assertThat(log.get(JAVA_SHORT_UNALIGNED, 12) >>> 1 & 0x7ff).as("status").isEqualTo(0x80);
        assertThat(log.get(JAVA_LONG_UNALIGNED, 16)).as("LBA").isEqualTo(1L << 40);
        assertThat(log.get(JAVA_LONG_UNALIGNED, 64)).isEqualTo(1);
        assertThat(log.get(JAVA_INT_UNALIGNED, 64 + 24)).as("namespace").isEqualTo(7);
        assertThat(log.get(JAVA_LONG_UNALIGNED, 128)).as("no more entries").isZero();
    }

    @Test
    void logsCanBeReadFromAnOffset() {
        MemorySegment whole = log(5, 4096);
        byte[] part = whole.asSlice(1024, 64).toArray(JAVA_BYTE);
        guest.expectSuccess(guest.execute(Command.of(2, 0).prp(page, 0).word(10, 5 | 15 << 16).word(12, 1024)));
        assertThat(guest.at(page, 64).toArray(JAVA_BYTE)).isEqualTo(part);
        assertThat(part[8]).as("read is supported").isEqualTo((byte) 1);
        assertThat(part[4] & 3).as("write is supported and changes content").isEqualTo(3);
    }

    @Test
    void theFirmwareLogNamesTheActiveSlot() {
        MemorySegment log = log(3, 512);
        assertThat(log.get(JAVA_BYTE, 0)).isEqualTo((byte) 1);
        assertThat(text(log, 8, 3)).isEqualTo("1.4");
    }

    @Test
    void aBadDoorbellIsTalkedAboutOnceUntilTheLogIsRead() {
        int request = guest.admin().put(Command.of(0xc, 0));
        guest.admin().ring();
        guest.work();
        assertThat(guest.admin().take()).as("waits").isEmpty();
        board.controller.write(0x1000 + 5 * 8, 4, 1);
        guest.work();
        Completion event = guest.admin().take().getFirst();
        assertThat(event.commandId()).isEqualTo(request);
        assertThat(event.result()).as("error, wild doorbell, log 1").isEqualTo(1 << 16);
        int again = guest.admin().put(Command.of(0xc, 0));
        guest.admin().ring();
        board.controller.write(0x1000 + 5 * 8, 4, 1);
        guest.work();
        assertThat(guest.admin().take()).as("masked").isEmpty();
        guest.admin().put(Command.of(2, 0).prp(page, 0).word(10, 1 | 15 << 16));
        guest.admin().ring();
        guest.work();
        assertThat(guest.admin().take()).extracting(Completion::commandId).as("the log was read").contains(again);
    }

    @Test
    void heatIsAnEventIfTheHostWantsIt() {
        guest.expectSuccess(guest.execute(Command.of(9, 0).word(10, 0xb).word(11, 2)));
        guest.admin().put(Command.of(0xc, 0));
        guest.admin().put(Command.of(9, 0).word(10, 4).word(11, 250));
        guest.admin().ring();
        guest.work();
        assertThat(guest.admin().take()).extracting(Completion::result).containsExactlyInAnyOrder(0, 1 | 1 << 8 | 2 << 16);
        assertThat(log(2, 512).get(JAVA_BYTE, 0)).as("warning").isEqualTo((byte) 2);
    }

    @Test
    void aRequestForEventsCanBeAborted() {
        int request = guest.admin().put(Command.of(0xc, 0));
        guest.admin().ring();
        guest.work();
        int abort = guest.admin().put(Command.of(8, 0).word(10, request << 16));
        guest.admin().ring();
        guest.work();
        var taken = guest.admin().take();
        assertThat(taken).extracting(Completion::commandId).containsExactly(request, abort);
        assertThat(taken.getFirst().code()).isEqualTo(7);
        assertThat(taken.getLast().result()).as("aborted").isZero();
        assertThat(guest.execute(Command.of(8, 0).word(10, request << 16)).result()).as("not there any more").isEqualTo(1);
    }

    @Test
    void formattingChangesTheBlockSizeAndForgetsTheData() {
        var queue = guest.createQueues(1, 8);
        guest.expectSuccess(guest.execute(Command.of(0x80, 1).word(10, 1 | 1 << 9)));
        assertThat(identify(0, 1).get(JAVA_LONG_UNALIGNED, 0)).isEqualTo(Disks.BYTES / 4096);
        assertThat(identify(0, 1).get(JAVA_BYTE, 26)).isEqualTo((byte) 1);
        guest.expectSuccess(guest.execute(queue, Command.read(1, 9, 1, page)));
        assertThat(guest.at(page, 4096).toArray(JAVA_BYTE)).containsOnly(0);
        assertThat(log(4, 4096).get(JAVA_INT_UNALIGNED, 0)).as("changed").isEqualTo(1);
        assertThat(log(4, 4096).get(JAVA_INT_UNALIGNED, 0)).as("and read").isZero();
    }

    @Test
    void aChangedNamespaceIsAnEventIfTheHostWantsIt() {
        guest.expectSuccess(guest.execute(Command.of(9, 0).word(10, 0xb).word(11, 1 << 8)));
        guest.admin().put(Command.of(0xc, 0));
        guest.admin().put(Command.of(0x80, 2));
        guest.admin().ring();
        assertThat(guest.await(guest.admin(), 2)).extracting(Completion::result).containsExactlyInAnyOrder(0, 2 | 4 << 16);
        assertThat(log(4, 4096).get(JAVA_INT_UNALIGNED, 0)).isEqualTo(2);
    }
}
