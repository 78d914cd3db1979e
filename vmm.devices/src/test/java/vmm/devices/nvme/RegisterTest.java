package vmm.devices.nvme;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Registers as a driver sees them, and the handshakes over them. */
class RegisterTest {
    private static final int CC = 0x14;
    private static final int CSTS = 0x1c;
    private static final int AQA = 0x24;
    private static final int GOOD_AQA = 31 | 31 << 16;

    @TempDir
    Path directory;
    private Board board;
    private GuestDriver guest;

    @BeforeEach
    void plug() {
        board = new Board(Disks.random(directory, "a", 9));
        guest = new GuestDriver(board);
    }

    @AfterEach
    void unplug() {
        board.close();
    }

    @Test
    void capabilitiesSayWhatTheControllerIs() {
        long cap = board.controller.read(0, 8);
        assertThat(cap & 0xffff).as("MQES").isEqualTo(4095);
        assertThat(cap >>> 16 & 1).as("CQR").isEqualTo(1);
        assertThat(cap >>> 32 & 0xf).as("DSTRD").isZero();
        assertThat(cap >>> 36 & 1).as("NSSRS").isEqualTo(1);
        assertThat(cap >>> 37 & 0xff).as("CSS").isEqualTo(1);
        assertThat(cap >>> 48 & 0xf).as("MPSMIN").isZero();
        assertThat(board.controller.read(0, 4) | board.controller.read(4, 4) << 32).as("by halves").isEqualTo(cap);
        assertThat(board.controller.read(1, 1)).as("by bytes").isEqualTo(cap >>> 8 & 0xff);
        assertThat(guest.register(8)).as("VS").isEqualTo(0x10400);
        guest.setRegister(0, 0);
        guest.setRegister(8, 0);
        assertThat(board.controller.read(0, 8)).as("read-only").isEqualTo(cap);
    }

    @Test
    void queueAddressesMayBeWrittenByHalvesAndSurviveAControllerReset() {
        guest.setRegister(0x28, 0x1234_5fff);
        guest.setRegister(0x2c, 7);
        assertThat(board.controller.read(0x28, 8)).as("reserved bits read as 0").isEqualTo(0x7_1234_5000L);
        guest.enable();
        long submissions = board.controller.read(0x28, 8);
        guest.disable();
        assertThat(board.controller.read(0x28, 8)).isEqualTo(submissions);
        assertThat(guest.register(CSTS)).isZero();
    }

    @Test
    void readyFollowsEnable() {
        guest.enable();
        assertThat(guest.register(CSTS)).isEqualTo(1);
        guest.disable();
        assertThat(guest.register(CSTS)).isZero();
    }

    /** A host must wait for RDY, but if it does not the reset must not get lost. */
    @Test
    void aResetIsNotLostBetweenTwoTurns() {
        guest.enable();
        guest.createQueues(1, 8);
        int configuration = guest.register(CC);
        guest.setRegister(CC, configuration & ~1);
        guest.setRegister(CC, configuration);
        guest.work();
        assertThat(guest.register(CSTS)).isEqualTo(1);
        guest.queues.remove(1);
        board.controller.write(0x1008, 4, 1);
        guest.work();
        assertThat(guest.register(CSTS)).as("queue 1 is forgotten: its doorbell is harmless").isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource({
        "command set,     0x00460011, 0x001f001f, 0",
        "arbitration,     0x00460801, 0x001f001f, 0",
        "page too large,  0x00460281, 0x001f001f, 0",
        "no admin SQ,     0x00460001, 0x001f0000, 0",
        "no admin CQ,     0x00460001, 0x0000001f, 0",
        "not 64 KiB,      0x00460201, 0x001f001f, 0x1000"})
    void enablingWhatCannotWorkIsFatal(String why, String cc, String aqa, String offset) {
        guest.setRegister(AQA, Integer.decode(aqa));
        board.controller.write(0x28, 8, Board.RAM_IOVA + Integer.decode(offset));
        board.controller.write(0x30, 8, Board.RAM_IOVA + 0x10000);
        guest.setRegister(CC, Integer.decode(cc));
        guest.work();
        assertThat(guest.register(CSTS)).as(why).isEqualTo(2);
        guest.enable();
        assertThat(guest.register(CSTS)).as("a fresh enable works").isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource({"1", "2"})
    void shutdownIsReportedAndEndedByAReset(int kind) {
        guest.enable();
        guest.setRegister(CC, guest.register(CC) | kind << 14);
        guest.work();
        assertThat(guest.register(CSTS)).as("shutdown complete").isEqualTo(1 | 2 << 2);
        guest.setRegister(CC, guest.register(CC) & ~(3 << 14));
        guest.enable();
        assertThat(guest.register(CSTS)).isEqualTo(1);
    }

    @Test
    void aSubsystemResetStopsEverythingAndLeavesATrace() {
        guest.enable();
        guest.setRegister(0x20, 0x1234_5678);
        guest.work();
        assertThat(guest.register(CSTS)).as("only the magic word resets").isEqualTo(1);
        guest.setRegister(0x20, 0x4e56_4d65);
        guest.work();
        assertThat(guest.register(CSTS)).isEqualTo(1 << 4);
        assertThat(guest.register(CC)).isZero();
        guest.enable();
        assertThat(guest.register(CSTS)).isEqualTo(1 | 1 << 4);
        guest.setRegister(CSTS, 1 << 4);
        assertThat(guest.register(CSTS)).isEqualTo(1);
    }

    @Test
    void functionResetIsAsAfterPowerOn() {
        guest.enable();
        guest.createQueues(1, 8);
        board.controller.reset();
        for (int offset : List.of(CC, CSTS, AQA, 0x28, 0x2c, 0x30, 0x34, 0x0c)) {
            assertThat(guest.register(offset)).as("register 0x%x", offset).isZero();
        }
        guest.enable();
        guest.createQueues(1, 8);
    }

    @Test
    void thePinIsHighWhileThereAreCompletionsThatAreNotMasked() {
        board.interrupts.pinBased = true;
        guest.enable();
        assertThat(board.interrupts.pin).isFalse();
        guest.admin().put(Command.of(0xa, 0).word(10, 7));
        guest.admin().ring();
        guest.work();
        assertThat(board.interrupts.pin).isTrue();
        guest.setRegister(0x0c, 1);
        guest.work();
        assertThat(board.interrupts.pin).as("masked").isFalse();
        assertThat(guest.register(0x10)).isEqualTo(1);
        guest.setRegister(0x10, 1);
        guest.work();
        assertThat(board.interrupts.pin).as("unmasked").isTrue();
        assertThat(guest.admin().take()).hasSize(1);
        assertThat(board.interrupts.pin).as("taken, before the register access returned").isFalse();
    }

    @Test
    void queuesWithoutInterruptsDoNotInterrupt() {
        guest.enable();
        var queue = guest.new Queue(1, 8);
        guest.expectSuccess(guest.execute(Command.of(5, 0).prp(queue.completions, 0).word(10, 1 | 7 << 16).word(11, 1 | 3 << 16)));
        guest.expectSuccess(guest.execute(Command.of(1, 0).prp(queue.submissions, 0).word(10, 1 | 7 << 16).word(11, 1 | 1 << 16)));
        guest.expectSuccess(guest.execute(queue, Command.read(1, 0, 1, guest.allocate(4096))));
        assertThat(board.interrupts.messages(3)).isZero();
        assertThat(board.interrupts.messages(0)).isEqualTo(2);
    }

    @Test
    void oneMessageTellsOfManyCompletions() {
        guest.enable();
        var queue = guest.createQueues(3, 64);
        long buffer = guest.allocate(4096);
        for (int i = 0; i < 60; i++) {
            queue.put(Command.read(1, i, 1, buffer));
        }
        queue.ring();
        guest.work();
        assertThat(queue.take()).hasSize(60);
        assertThat(board.interrupts.messages(3)).isEqualTo(1);
    }

    @Test
    void doorbellsAndUnknownRegistersReadAsZero() {
        guest.enable();
        assertThat(board.controller.read(0x1000, 4)).isZero();
        assertThat(board.controller.read(0x38, 8)).as("CMBLOC").isZero();
        assertThat(board.controller.read(0xff8, 8)).isZero();
        assertThat(GOOD_AQA).isEqualTo(guest.register(AQA));
    }
}
