package vmm.devices.nvme;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Blocks go where they belong, whatever the pages, blocks and lists look like. */
class ReadWriteTest {
    @TempDir
    Path directory;

    private NamespaceOptions disk(String name, int blockLg2) {
        return Disks.random(directory, name, blockLg2);
    }

    private byte[] fileBytes(String name, long offset, int length) {
        return Disks.bytes(directory.resolve(name), offset, length);
    }

    private static byte[] bytes(MemorySegment segment) {
        return segment.toArray(ValueLayout.JAVA_BYTE);
    }

    @ParameterizedTest
    @CsvSource({"VTD, 9", "VTD, 12", "SMMUV3, 9", "SMMUV3, 12"})
    void blocksAreReadAndWritten(Board.Vendor vendor, int blockLg2) {
        try (var board = new Board(vendor, disk("a", blockLg2), disk("b", blockLg2))) {
            var guest = new GuestDriver(board).enable();
            var queue = guest.createQueues(1, 16);
            long buffer = guest.allocate(4096);
            int blockBytes = 1 << blockLg2;

            assertThat(guest.execute(queue, Command.read(2, 3, 1, buffer)).status()).isZero();
            assertThat(bytes(guest.at(buffer, blockBytes))).isEqualTo(fileBytes("b", 3L * blockBytes, blockBytes));

            guest.at(buffer, blockBytes).fill((byte) 0x5a);
            assertThat(guest.execute(queue, Command.write(1, 7, 1, buffer)).status()).isZero();
            assertThat(guest.execute(queue, Command.of(0, 1)).status()).isZero();
            assertThat(fileBytes("a", 7L * blockBytes, blockBytes)).containsOnly(0x5a);
            assertThat(fileBytes("a", 8L * blockBytes, 8)).isNotEqualTo(new byte[] {0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a, 0x5a});
            assertThat(board.interrupts.messages(1)).isEqualTo(3);
        }
    }

    /** Length in blocks, offset in the first page, page size, offset of the list in its page. */
    @ParameterizedTest
    @CsvSource({"8, 0, 0, 0", "8, 2048, 0, 0", "16, 4, 0, 0", "17, 0, 0, 0", "64, 512, 0, 0", "64, 512, 0, 4072", "2048, 0, 0, 0", "2047, 1028, 0, 0",
        "2048, 4092, 0, 4088", "300, 8, 1, 8176", "2048, 0, 4, 65528"})
    void prpListsAreFollowed(int blocks, int offset, int pageShift, int listOffset) {
        try (var board = new Board(disk("a", 9))) {
            var guest = new GuestDriver(board).enable(pageShift);
            var queue = guest.createQueues(1, 16);
            long[] pages = new PrpList(guest, pageShift, new Random(blocks)).build(blocks * 512L, offset, listOffset);
            Command read = Command.of(2, 1).blocks(5, blocks).prp(pages[0], pages[1]);

            assertThat(guest.execute(queue, read).status()).isZero();

            byte[] expected = fileBytes("a", 5 * 512L, blocks * 512);
            assertThat(PrpList.gather(guest, pages, blocks * 512L, 4096 << pageShift)).isEqualTo(expected);

            Command write = Command.of(1, 1).blocks(1000, blocks).prp(pages[0], pages[1]);
            assertThat(guest.execute(queue, write).status()).isZero();
            assertThat(fileBytes("a", 1000 * 512L, blocks * 512)).isEqualTo(expected);
        }
    }

    @Test
    void aQueueGoesRoundManyTimesWithSeveralCommandsAtATime() {
        try (var board = new Board(disk("a", 12))) {
            var guest = new GuestDriver(board).enable();
            var queue = guest.createQueues(1, 7);
            long buffer = guest.allocate(6 * 4096L);
            var random = new Random(1);
            for (int round = 0; round < 200; round++) {
                int count = 1 + random.nextInt(6);
                int first = random.nextInt(900);
                for (int i = 0; i < count; i++) {
                    queue.put(Command.read(1, first + i, 1, buffer + i * 4096L));
                }
                queue.ring();
                guest.work();
                assertThat(queue.take()).as("round %d", round).hasSize(count).allMatch(c -> c.status() == 0);
                assertThat(bytes(guest.at(buffer, count * 4096L))).isEqualTo(fileBytes("a", first * 4096L, count * 4096));
            }
        }
    }

    @Test
    void aFullCompletionQueueHoldsTheControllerBackUntilThereIsRoom() {
        try (var board = new Board(disk("a", 9))) {
            var guest = new GuestDriver(board).enable();
            var completions = guest.new Queue(1, 4);
            var submissions = guest.new Queue(1, 32);
            guest.expectSuccess(guest.execute(Command.of(5, 0).prp(completions.completions, 0).word(10, 1 | 3 << 16).word(11, 3 | 1 << 16)));
            guest.expectSuccess(guest.execute(Command.of(1, 0).prp(submissions.submissions, 0).word(10, 1 | 31 << 16).word(11, 1 | 1 << 16)));
            long buffer = guest.allocate(4096);
            for (int i = 0; i < 20; i++) {
                submissions.put(Command.read(1, i, 1, buffer));
            }
            submissions.ring();
            int seen = 0;
            while (seen < 20) {
                guest.work();
                int arrived = completions.take().size();
                assertThat(arrived).isBetween(1, 3);
                seen += arrived;
            }
            assertThat(seen).isEqualTo(20);
        }
    }
}
