package vmm.devices.nvme;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What guests do wrong, and what each is told. Afterwards the controller works as before. */
class BadGuestTest {
    private static final long UNMAPPED = 0x7_0000_0000L;
    private static final int INVALID_OPCODE = 0x001;
    private static final int INVALID_FIELD = 0x002;
    private static final int ID_CONFLICT = 0x003;
    private static final int TRANSFER_ERROR = 0x004;
    private static final int INVALID_NAMESPACE = 0x00b;
    private static final int PRP_OFFSET = 0x013;
    private static final int LBA_RANGE = 0x080;
    private static final int INVALID_CQ = 0x100;
    private static final int INVALID_QUEUE = 0x101;
    private static final int QUEUE_SIZE = 0x102;
    private static final int EVENT_LIMIT = 0x105;
    private static final int VECTOR = 0x108;
    private static final int LOG_PAGE = 0x109;
    private static final int FORMAT = 0x10a;
    private static final int QUEUE_DELETION = 0x10c;
    private static final int NOT_SAVEABLE = 0x10d;
    private static final int NOT_PER_NAMESPACE = 0x10f;

    @TempDir
    Path directory;
    private Board board;
    private GuestDriver guest;

    @BeforeEach
    void plug() {
        board = new Board(Disks.random(directory, "a", 9));
        guest = new GuestDriver(board).enable();
    }

    @AfterEach
    void unplug() {
        board.close();
    }

    private static final long Q = Board.RAM_IOVA + 0x1000;

    private static Command createCq(int id, int entries, int vector) {
        return Command.of(5, 0).prp(Q, 0).word(10, id | entries - 1 << 16).word(11, 3 | vector << 16);
    }

    private static Command createSq(int id, int entries, int cq) {
        return Command.of(1, 0).prp(Q + 0x1000, 0).word(10, id | entries - 1 << 16).word(11, 1 | cq << 16);
    }

    static Stream<Arguments> badAdminCommands() {
        return Stream.of(
                Arguments.of("no such opcode", Command.of(0xff, 0), INVALID_OPCODE),
                Arguments.of("keep alive is not offered", Command.of(0x18, 0), INVALID_OPCODE),
                Arguments.of("fused", Command.of(6, 0).flags(1).prp(Q, 0).word(10, 1), INVALID_FIELD),
                Arguments.of("admin command with an SGL", Command.of(6, 0).sgl(Q, 4096, 0).word(10, 1), INVALID_FIELD),
                Arguments.of("identify what is not", Command.of(6, 0).prp(Q, 0).word(10, 0x77), INVALID_FIELD),
                Arguments.of("identify namespace 0", Command.of(6, 0).prp(Q, 0).word(10, 0), INVALID_NAMESPACE),
                Arguments.of("identify namespace 2 of 1", Command.of(6, 2).prp(Q, 0).word(10, 0), INVALID_NAMESPACE),
                Arguments.of("identify list after all", Command.of(6, -1).prp(Q, 0).word(10, 2), INVALID_NAMESPACE),
                Arguments.of("identify to nowhere", Command.of(6, 0).prp(UNMAPPED, 0).word(10, 1), TRANSFER_ERROR),
                Arguments.of("identify to an odd address", Command.of(6, 0).prp(Q + 1, 0).word(10, 1), PRP_OFFSET),
                Arguments.of("identify over a page, PRP 2 misaligned", Command.of(6, 0).prp(Q + 8, Q + 16).word(10, 1), PRP_OFFSET),
                Arguments.of("CQ 0", createCq(0, 8, 1), INVALID_QUEUE),
                Arguments.of("CQ beyond all", createCq(Board.QUEUE_PAIRS + 1, 8, 1), INVALID_QUEUE),
                Arguments.of("CQ 65535", createCq(65535, 8, 1), INVALID_QUEUE),
                Arguments.of("CQ of 1 entry", createCq(1, 1, 1), QUEUE_SIZE),
                Arguments.of("CQ too large", createCq(1, 4097, 1), QUEUE_SIZE),
                Arguments.of("CQ vector", createCq(1, 8, Board.VECTORS), VECTOR),
                Arguments.of("CQ not contiguous", createCq(1, 8, 1).word(11, 2), INVALID_FIELD),
                Arguments.of("CQ misaligned", createCq(1, 8, 1).prp(Q + 16, 0), PRP_OFFSET),
                Arguments.of("SQ 0", createSq(0, 8, 1), INVALID_QUEUE),
                Arguments.of("SQ on the admin CQ", createSq(1, 8, 0), INVALID_QUEUE),
                Arguments.of("SQ on a CQ there is not", createSq(1, 8, 3), INVALID_CQ),
                Arguments.of("SQ on a CQ there cannot be", createSq(1, 8, 999), INVALID_QUEUE),
                Arguments.of("SQ not contiguous", createSq(1, 8, 1).word(11, 1 << 16), INVALID_FIELD),
                Arguments.of("SQ misaligned", createSq(1, 8, 1).prp(Q + 64, 0), PRP_OFFSET),
                Arguments.of("delete SQ 0", Command.of(0, 0), INVALID_QUEUE),
                Arguments.of("delete SQ there is not", Command.of(0, 0).word(10, 5), INVALID_QUEUE),
                Arguments.of("delete CQ 0", Command.of(4, 0), INVALID_QUEUE),
                Arguments.of("delete CQ 65535", Command.of(4, 0).word(10, 65535), INVALID_QUEUE),
                Arguments.of("feature 0", Command.of(0xa, 0), INVALID_FIELD),
                Arguments.of("feature there is not", Command.of(9, 0).word(10, 0x7f), INVALID_FIELD),
                Arguments.of("feature saved", Command.of(9, 0).word(10, 1 << 31 | 6), NOT_SAVEABLE),
                Arguments.of("feature of a namespace that is the controller's", Command.of(9, 1).word(10, 4), NOT_PER_NAMESPACE),
                Arguments.of("feature of a namespace there is not", Command.of(9, 9).word(10, 5), INVALID_NAMESPACE),
                Arguments.of("feature selected by nonsense", Command.of(0xa, 0).word(10, 5 << 8 | 6), INVALID_FIELD),
                Arguments.of("65536 queues", Command.of(9, 0).word(10, 7).word(11, 0xffff), INVALID_FIELD),
                Arguments.of("vector feature of no vector", Command.of(9, 0).word(10, 9).word(11, 500), INVALID_FIELD),
                Arguments.of("power state there is not", Command.of(9, 0).word(10, 2).word(11, 3), INVALID_FIELD),
                Arguments.of("timestamp from nowhere", Command.of(9, 0).word(10, 0xe).prp(UNMAPPED, 0), TRANSFER_ERROR),
                Arguments.of("log there is not", Command.of(2, 0).prp(Q, 0).word(10, 0x66), LOG_PAGE),
                Arguments.of("log behind its end", Command.of(2, 0).prp(Q, 0).word(10, 2).word(12, 516), INVALID_FIELD),
                Arguments.of("log at an odd offset", Command.of(2, 0).prp(Q, 0).word(10, 2).word(12, 2), INVALID_FIELD),
                Arguments.of("log at 2^63", Command.of(2, 0).prp(Q, 0).word(10, 2).word(13, 1 << 31), INVALID_FIELD),
                Arguments.of("health of one namespace", Command.of(2, 1).prp(Q, 0).word(10, 2), INVALID_FIELD),
                Arguments.of("log to nowhere", Command.of(2, 0).prp(UNMAPPED, 0).word(10, 2 | 3 << 16), TRANSFER_ERROR),
                Arguments.of("format there is not", Command.of(0x80, 1).word(10, 5), FORMAT),
                Arguments.of("format with protection", Command.of(0x80, 1).word(10, 1 << 5), FORMAT),
                Arguments.of("cryptographic erase", Command.of(0x80, 1).word(10, 2 << 9), INVALID_FIELD),
                Arguments.of("format of nothing", Command.of(0x80, 0), INVALID_NAMESPACE));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("badAdminCommands")
    void badAdminCommandsAreRefused(String what, Command command, int code) {
        assertThat(guest.execute(command).code()).isEqualTo(code);
        assertThat(guest.register(0x1c)).as("CSTS").isEqualTo(1);
        guest.createQueues(1, 8);
    }

    private static final long BUFFER = Board.RAM_IOVA + 0x4000;
    private static final long BLOCKS = Disks.BYTES / 512;

    static Stream<Arguments> badIoCommands() {
        return Stream.of(
                Arguments.of("no such opcode", Command.of(0x7f, 1), INVALID_OPCODE),
                Arguments.of("no such opcode, no such namespace", Command.of(0x7f, 9), INVALID_OPCODE),
                Arguments.of("write uncorrectable is not offered", Command.of(4, 1), INVALID_OPCODE),
                Arguments.of("fused", Command.read(1, 0, 1, BUFFER).flags(2), INVALID_FIELD),
                Arguments.of("reserved kind of data pointer", Command.read(1, 0, 1, BUFFER).flags(3 << 6), INVALID_FIELD),
                Arguments.of("namespace 0", Command.read(0, 0, 1, BUFFER), INVALID_NAMESPACE),
                Arguments.of("namespace 2 of 1", Command.write(2, 0, 1, BUFFER), INVALID_NAMESPACE),
                Arguments.of("all namespaces", Command.read(-1, 0, 1, BUFFER), INVALID_NAMESPACE),
                Arguments.of("namespace 2^31", Command.read(1 << 31, 0, 1, BUFFER), INVALID_NAMESPACE),
                Arguments.of("block behind the end", Command.read(1, BLOCKS, 1, BUFFER), LBA_RANGE),
                Arguments.of("last block and one more", Command.read(1, BLOCKS - 1, 2, BUFFER), LBA_RANGE),
                Arguments.of("block -1", Command.write(1, -1, 1, BUFFER), LBA_RANGE),
                Arguments.of("block 2^63 - 1", Command.write(1, Long.MAX_VALUE, 2, BUFFER), LBA_RANGE),
                Arguments.of("block 2^55, whose byte offset overflows", Command.read(1, 1L << 55, 1, BUFFER), LBA_RANGE),
                Arguments.of("longer than MDTS", Command.read(1, 0, 2049, BUFFER), INVALID_FIELD),
                Arguments.of("from nowhere", Command.write(1, 0, 1, UNMAPPED), TRANSFER_ERROR),
                Arguments.of("to nowhere", Command.read(1, 0, 1, UNMAPPED), TRANSFER_ERROR),
                Arguments.of("to 2^64 - 4", Command.read(1, 0, 1, -4), TRANSFER_ERROR),
                Arguments.of("second page nowhere", Command.read(1, 0, 16, 0).prp(BUFFER, UNMAPPED), TRANSFER_ERROR),
                Arguments.of("list nowhere", Command.read(1, 0, 64, 0).prp(BUFFER, UNMAPPED), TRANSFER_ERROR),
                Arguments.of("to an odd address", Command.read(1, 0, 1, BUFFER + 2), PRP_OFFSET),
                Arguments.of("second page misaligned", Command.read(1, 0, 16, 0).prp(BUFFER, BUFFER + 0x1008), PRP_OFFSET),
                Arguments.of("list misaligned", Command.read(1, 0, 64, 0).prp(BUFFER, BUFFER + 4), PRP_OFFSET),
                Arguments.of("zeroes behind the end", Command.of(8, 1).blocks(BLOCKS - 1, 2), LBA_RANGE),
                Arguments.of("verify behind the end", Command.of(0xc, 1).blocks(BLOCKS, 1), LBA_RANGE),
                Arguments.of("compare with nowhere", Command.of(5, 1).blocks(0, 1).prp(UNMAPPED, 0), TRANSFER_ERROR),
                Arguments.of("ranges from nowhere", Command.of(9, 1).prp(UNMAPPED, 0).word(11, 4), TRANSFER_ERROR));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("badIoCommands")
    void badIoCommandsAreRefused(String what, Command command, int code) {
        var queue = guest.createQueues(1, 8);
        byte[] before = Disks.bytes(directory.resolve("a"), 8192, Disks.BYTES - 8192);
        assertThat(guest.execute(queue, command).code()).isEqualTo(code);
        assertThat(guest.register(0x1c)).as("CSTS").isEqualTo(1);
        guest.expectSuccess(guest.execute(queue, Command.read(1, 0, 8, BUFFER)));
        assertThat(Disks.bytes(directory.resolve("a"), 8192, Disks.BYTES - 8192)).isEqualTo(before);
    }

    @Test
    void anEntryOfAListThatIsMisalignedOrNowhereFailsTheCommand() {
        var queue = guest.createQueues(1, 8);
        long list = guest.allocate(4096);
        for (int i = 0; i < 8; i++) {
            guest.at(list + i * 8, 8).set(JAVA_LONG_UNALIGNED, 0, BUFFER + i * 4096L);
        }
        Command command = Command.of(2, 1).blocks(0, 64).prp(BUFFER, list);
        guest.expectSuccess(guest.execute(queue, command));
        guest.at(list + 24, 8).set(JAVA_LONG_UNALIGNED, 0, BUFFER + 4);
        assertThat(guest.execute(queue, command).code()).isEqualTo(PRP_OFFSET);
        guest.at(list + 24, 8).set(JAVA_LONG_UNALIGNED, 0, UNMAPPED);
        assertThat(guest.execute(queue, command).code()).isEqualTo(TRANSFER_ERROR);
    }

    @Test
    void aListThatGoesOnNowhereOrInTheMiddleOfAPageFailsTheCommand() {
        var queue = guest.createQueues(1, 8);
        long list = guest.allocate(4096) + 4096 - 16;
        guest.at(list, 8).set(JAVA_LONG_UNALIGNED, 0, BUFFER);
        guest.at(list + 8, 8).set(JAVA_LONG_UNALIGNED, 0, UNMAPPED);
        Command command = Command.of(2, 1).blocks(0, 64).prp(BUFFER, list);
        assertThat(guest.execute(queue, command).code()).isEqualTo(TRANSFER_ERROR);
        guest.at(list + 8, 8).set(JAVA_LONG_UNALIGNED, 0, BUFFER + 8);
        assertThat(guest.execute(queue, command).code()).isEqualTo(PRP_OFFSET);
    }

    @Test
    void rangesAreCheckedBeforeAnyIsTouched() {
        var queue = guest.createQueues(1, 8);
        long ranges = guest.allocate(4096);
        guest.at(ranges, 8).set(JAVA_LONG_UNALIGNED, 0, 8L << 32);
        guest.at(ranges + 16, 8).set(JAVA_LONG_UNALIGNED, 0, 8L << 32);
        guest.at(ranges + 24, 8).set(JAVA_LONG_UNALIGNED, 0, BLOCKS - 7);
        byte[] before = Disks.bytes(directory.resolve("a"), 0, 4096);
        assertThat(guest.execute(queue, Command.of(9, 1).prp(ranges, 0).word(10, 1).word(11, 4)).code()).isEqualTo(LBA_RANGE);
        assertThat(Disks.bytes(directory.resolve("a"), 0, 4096)).isEqualTo(before);
    }

    @Test
    void queuesAreCreatedOnceAndDeletedInOrder() {
        guest.createQueues(1, 8);
        assertThat(guest.execute(createCq(1, 8, 1)).code()).isEqualTo(INVALID_QUEUE);
        assertThat(guest.execute(createSq(1, 8, 1)).code()).isEqualTo(INVALID_QUEUE);
        assertThat(guest.execute(Command.of(4, 0).word(10, 1)).code()).as("in use").isEqualTo(QUEUE_DELETION);
        guest.expectSuccess(guest.execute(Command.of(0, 0).word(10, 1)));
        assertThat(guest.execute(Command.of(0, 0).word(10, 1)).code()).isEqualTo(INVALID_QUEUE);
        guest.expectSuccess(guest.execute(Command.of(4, 0).word(10, 1)));
        guest.createQueues(1, 8);
    }

    @Test
    void aQueueIsDeletedWithCommandsInIt() {
        var queue = guest.createQueues(1, 16);
        for (int i = 0; i < 10; i++) {
            queue.put(Command.read(1, i, 1, BUFFER));
        }
        guest.admin().put(Command.of(0, 0).word(10, 1));
        queue.ring();
        guest.admin().ring();   // the admin queue is looked at first
        guest.work();
        assertThat(guest.admin().take()).extracting(Completion::code).containsExactly(0);
        assertThat(queue.take()).hasSize(10).allMatch(c -> c.code() == 0x08);
        guest.expectSuccess(guest.execute(Command.of(4, 0).word(10, 1)));
    }

    @Test
    void tooManyRequestsForEventsAreRefused() {
        for (int i = 0; i < 4; i++) {
            guest.admin().put(Command.of(0xc, 0));
        }
        guest.admin().ring();
        guest.work();
        assertThat(guest.admin().take()).isEmpty();
        assertThat(guest.execute(Command.of(0xc, 0)).code()).isEqualTo(EVENT_LIMIT);
    }

    @Test
    void aRequestForEventsWithAnIdInUseIsRefused() {
        int id = guest.admin().put(Command.of(0xc, 0));
        guest.admin().put(Command.of(0xc, 0));
        long second = guest.admin().submissions + 64L * (guest.admin().tail - 1);
        Command.of(0xc, 0).id(id).write(guest.at(second, 64), 0);
        guest.admin().ring();
        guest.work();
        assertThat(guest.admin().take()).extracting(Completion::code).containsExactly(ID_CONFLICT);
    }

    @ParameterizedTest
    @ValueSource(ints = {8, 4096, 0xffff, -1, 1 << 31})
    void aTailThatCannotBeIsAnEventAndIgnored(int tail) {
        var queue = guest.createQueues(1, 8);
        int request = guest.admin().put(Command.of(0xc, 0));
        guest.admin().ring();
        board.controller.write(0x1008, 4, Integer.toUnsignedLong(tail));
        guest.work();
        guest.work();
        Completion event = guest.admin().take().getFirst();
        assertThat(event.commandId()).isEqualTo(request);
        assertThat(event.result()).isEqualTo(1 << 8 | 1 << 16);
        guest.expectSuccess(guest.execute(queue, Command.read(1, 0, 1, BUFFER)));
    }

    @Test
    void aHeadBeforeWhatWasPostedIsAnEventAndIgnored() {
        var queue = guest.createQueues(1, 8);
        guest.admin().put(Command.of(0xc, 0));
        guest.admin().ring();
        guest.work();
        board.controller.write(0x100c, 4, 5);
        queue.put(Command.read(1, 0, 1, BUFFER));
        queue.ring();
        guest.work();
        guest.work();
        assertThat(guest.admin().take().getFirst().result()).isEqualTo(1 << 8 | 1 << 16);
        assertThat(queue.take()).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(longs = {0x1001, 0x1048, 0x1ff8, 0x1ffc, 0x104c})
    void doorbellsOfNoQueueAreHarmless(long offset) {
        board.controller.write(offset, 4, 1);
        guest.work();
        assertThat(guest.register(0x1c)).isEqualTo(1);
        guest.createQueues(1, 8);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 8})
    void doorbellsOfTheWrongWidthAreIgnored(int width) {
        var queue = guest.createQueues(1, 8);
        queue.put(Command.read(1, 0, 1, BUFFER));
        board.controller.write(0x1008, width, 1);
        guest.work();
        assertThat(queue.take()).isEmpty();
        queue.ring();
        guest.work();
        assertThat(queue.take()).hasSize(1);
    }

    @Test
    void aQueueThatCannotBeReachedIsFatalUntilTheNextReset() {
        guest.expectSuccess(guest.execute(createCq(1, 8, 1)));
        guest.expectSuccess(guest.execute(createSq(1, 8, 1).prp(UNMAPPED, 0)));
        board.controller.write(0x1008, 4, 1);
        guest.work();
        assertThat(guest.register(0x1c)).isEqualTo(3);
        guest.admin().put(Command.of(0xa, 0).word(10, 7));
        guest.admin().ring();
        guest.work();
        assertThat(guest.admin().take()).as("nothing works any more").isEmpty();
        guest.enable();
        guest.createQueues(1, 8);
    }

    @Test
    void completionsThatCannotBeWrittenAreFatal() {
        guest.expectSuccess(guest.execute(createCq(1, 8, 1).prp(UNMAPPED, 0)));
        var submissions = guest.new Queue(1, 8);
        guest.expectSuccess(guest.execute(createSq(1, 8, 1).prp(submissions.submissions, 0)));
        submissions.put(Command.read(1, 0, 1, BUFFER));
        submissions.ring();
        guest.work();
        assertThat(guest.register(0x1c)).isEqualTo(3);
        guest.enable();
    }

    @Test
    void memoryThatIsUnmappedUnderACommandIsATransferError() {
        var queue = guest.createQueues(1, 8);
        guest.expectSuccess(guest.execute(queue, Command.read(1, 0, 1, BUFFER)));
        board.ioas.unmapAll();
        board.ioas.mapAt(Board.RAM_IOVA + (1 << 20), board.ram, 1 << 20, Board.RAM_BYTES - (1 << 20), iommufd.api.DmaAccess.READ_WRITE);
        assertThat(guest.execute(queue, Command.read(1, 0, 1, BUFFER)).code()).isEqualTo(TRANSFER_ERROR);
    }

    @Test
    void aReadOnlyNamespaceCannotBeWritten() {
        board.close();
        NamespaceOptions disk = Disks.random(directory, "r", 9);
        board = new Board(new NamespaceOptions(disk.file(), 0, 9, true));
        guest = new GuestDriver(board).enable();
        var queue = guest.createQueues(1, 8);
        guest.expectSuccess(guest.execute(queue, Command.read(1, 0, 1, BUFFER)));
        for (Command command : new Command[] {Command.write(1, 0, 1, BUFFER), Command.of(8, 1).blocks(0, 1), Command.of(9, 1).prp(BUFFER, 0).word(11, 4)}) {
            assertThat(guest.execute(queue, command).code()).isEqualTo(0x20);
        }
        assertThat(guest.execute(Command.of(0x80, 1)).code()).isEqualTo(0x20);
        guest.expectSuccess(guest.execute(queue, Command.of(0, 1)));
    }
}
