package vmm.devices.nvme;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** I/O commands beside plain reads and writes, and data described by SGLs. */
class BlockCommandTest {
    private static final int DATA = 0x00;
    private static final int BUCKET = 0x10;
    private static final int SEGMENT = 0x20;
    private static final int LAST_SEGMENT = 0x30;

    @TempDir
    Path directory;
    private Board board;
    private GuestDriver guest;
    private GuestDriver.Queue queue;
    private long buffer;

    @BeforeEach
    void plug() {
        board = new Board(Disks.random(directory, "a", 9));
        guest = new GuestDriver(board).enable();
        queue = guest.createQueues(1, 16);
        buffer = guest.allocate(64 << 10);
    }

    @AfterEach
    void unplug() {
        board.close();
    }

    private byte[] disk(long block, int blocks) {
        return Disks.bytes(directory.resolve("a"), block * 512, blocks * 512);
    }

    private byte[] ram(long iova, int length) {
        return guest.at(iova, length).toArray(JAVA_BYTE);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1 << 25})
    void zeroesAreWrittenWithOrWithoutGivingSpaceBack(int deallocate) {
        byte[] before = disk(0, 300);
        guest.expectSuccess(guest.execute(queue, Command.of(8, 1).blocks(3, 200).or(12, deallocate)));
        assertThat(disk(3, 200)).containsOnly(0);
        assertThat(disk(0, 3)).isEqualTo(Arrays.copyOf(before, 3 * 512));
        assertThat(disk(203, 97)).isEqualTo(Arrays.copyOfRange(before, 203 * 512, 300 * 512));
    }

    @Test
    void deallocatedRangesReadAsZeroAndOthersStay() {
        byte[] before = disk(0, 64);
        range(0, 8, 8);
        range(1, 33, 1);
        range(2, 40, 0);
        guest.expectSuccess(guest.execute(queue, Command.of(9, 1).prp(buffer, 0).word(10, 2).word(11, 4)));
        assertThat(disk(8, 8)).containsOnly(0);
        assertThat(disk(33, 1)).containsOnly(0);
        assertThat(disk(16, 17)).isEqualTo(Arrays.copyOfRange(before, 16 * 512, 33 * 512));
        assertThat(disk(34, 30)).isEqualTo(Arrays.copyOfRange(before, 34 * 512, 64 * 512));
    }

    @Test
    void hintsAloneChangeNothing() {
        byte[] before = disk(0, 64);
        range(0, 8, 8);
        guest.expectSuccess(guest.execute(queue, Command.of(9, 1).prp(buffer, 0).word(10, 0).word(11, 3)));
        assertThat(disk(0, 64)).isEqualTo(before);
    }

    private void range(int index, long start, int blocks) {
        MemorySegment entry = guest.at(buffer + index * 16L, 16);
        entry.set(JAVA_INT_UNALIGNED, 0, 0);
        entry.set(JAVA_INT_UNALIGNED, 4, blocks);
        entry.set(JAVA_LONG_UNALIGNED, 8, start);
    }

    @Test
    void compareTellsEqualFromDifferent() {
        guest.expectSuccess(guest.execute(queue, Command.read(1, 5, 8, buffer)));
        guest.expectSuccess(guest.execute(queue, Command.of(5, 1).blocks(5, 8).prp(buffer, 0)));
        guest.at(buffer + 4095, 1).set(JAVA_BYTE, 0, (byte) (guest.at(buffer + 4095, 1).get(JAVA_BYTE, 0) ^ 1));
        assertThat(guest.execute(queue, Command.of(5, 1).blocks(5, 8).prp(buffer, 0)).code()).isEqualTo(0x285);
    }

    @Test
    void flushVerifyAndForcedWritesSucceed() {
        guest.expectSuccess(guest.execute(queue, Command.of(0, 1)));
        guest.expectSuccess(guest.execute(queue, Command.of(0, -1)));
        guest.expectSuccess(guest.execute(queue, Command.of(0xc, 1).blocks(0, 100)));
        guest.expectSuccess(guest.execute(queue, Command.write(1, 0, 1, buffer).or(12, 1 << 30)));
        guest.expectSuccess(guest.execute(Command.of(9, 1).word(10, 6).word(11, 0)));
        guest.expectSuccess(guest.execute(queue, Command.write(1, 0, 1, buffer)));
    }

    @Test
    void oneDescriptorIsEnough() {
        guest.expectSuccess(guest.execute(queue, Command.of(2, 1).blocks(9, 5).sgl(buffer + 3, 5 * 512, DATA)));
        assertThat(ram(buffer + 3, 5 * 512)).isEqualTo(disk(9, 5));
    }

    @Test
    void segmentsAreFollowedAndBucketsSwallow() {
        long first = guest.allocate(4096) + 16;
        long last = guest.allocate(4096);
        descriptor(first, buffer + 1, 100, DATA);
        descriptor(first + 16, 0, 50, BUCKET);
        descriptor(first + 32, last, 48, LAST_SEGMENT);
        descriptor(last, 0xdead_0000_0000L, 0, DATA);
        descriptor(last + 16, buffer + 4000, 874, DATA);
        descriptor(last + 32, buffer + 8000, 4096, DATA);
        guest.at(buffer, 64 << 10).fill((byte) 0);
        guest.expectSuccess(guest.execute(queue, Command.of(2, 1).blocks(0, 4).sgl(first, 48, SEGMENT)));
        byte[] data = disk(0, 4);
        assertThat(ram(buffer + 1, 100)).isEqualTo(Arrays.copyOf(data, 100));
        assertThat(ram(buffer + 4000, 874)).isEqualTo(Arrays.copyOfRange(data, 150, 1024));
        assertThat(ram(buffer + 8000, 1024)).isEqualTo(Arrays.copyOfRange(data, 1024, 2048));
        assertThat(ram(buffer + 9024, 16)).as("a list longer than its data").containsOnly(0);
    }

    @Test
    void bucketsHoldNothingOfAWrite() {
        long list = guest.allocate(4096);
        guest.at(buffer, 1024).fill((byte) 7);
        descriptor(list, buffer, 200, DATA);
        descriptor(list + 16, 0, 300, BUCKET);
        descriptor(list + 32, buffer + 200, 312, DATA);
        guest.expectSuccess(guest.execute(queue, Command.of(1, 1).blocks(0, 1).sgl(list, 48, LAST_SEGMENT)));
        assertThat(disk(0, 1)).containsOnly(7);
    }

    private void descriptor(long at, long address, int length, int type) {
        MemorySegment descriptor = guest.at(at, 16);
        descriptor.set(JAVA_LONG_UNALIGNED, 0, address);
        descriptor.set(JAVA_INT_UNALIGNED, 8, length);
        descriptor.set(JAVA_INT_UNALIGNED, 12, type << 24);
    }

    /** Each list, as words of descriptors (offset of the target in the list's page or RAM, length, type), and what it must say. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6, 7, 8})
    void malformedListsAreRefused(int number) {
        long list = guest.allocate(4096);
        long unmapped = 0x7_0000_0000L;
        Command command = Command.of(2, 1).blocks(0, 1);
        int expected = switch (number) {
            case 0 -> refused(command.sgl(buffer, 511, DATA), 0x0f);
            case 1 -> refused(command.sgl(buffer, 512, 0x40), 0x11);
            case 2 -> refused(command.sgl(buffer, 512, DATA | 1), 0x11);
            case 3 -> refused(command.sgl(list, 0, LAST_SEGMENT), 0x0d);
            case 4 -> refused(command.sgl(list, 24, SEGMENT), 0x0d);
            case 5 -> {
                descriptor(list, list, 16, SEGMENT);
                yield refused(command.sgl(list, 16, SEGMENT), 0x0e);   // a ring
            }
            case 6 -> {
                descriptor(list, list, 16, LAST_SEGMENT);
                yield refused(command.sgl(list, 16, LAST_SEGMENT), 0x0d);
            }
            case 7 -> {
                descriptor(list, buffer, 512, DATA);
                yield refused(command.sgl(list, 16, SEGMENT), 0x0d);   // ends without a next one
            }
            default -> refused(command.sgl(unmapped, 16, SEGMENT), 0x04);
        };
        assertThat(guest.execute(queue, command).code()).isEqualTo(expected);
        guest.expectSuccess(guest.execute(queue, Command.read(1, 0, 1, buffer)));
    }

    private static int refused(Command command, int code) {
        return code;
    }
}
