package iommu.s390.unit;

import static org.assertj.core.api.Assertions.assertThat;

import iommu.s390.Ram;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.HardwarePort;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A function that failed is blocked until software resets it, and it alone. */
class FunctionStateTest {
    private static final long HOLE = 0x5000;

    private final Board board = new Board();
    private final int handle = board.enabled(1);
    private final HardwarePort port = board.port(1);
    private final HardwarePort sibling = board.port(1);
    private final long page = board.ram.page();
    private long anchor;
    private long pages;

    @BeforeEach
    void map() {
        long[] tables = board.smallTables();
        anchor = Board.anchor(tables[0], 1);
        pages = tables[1];
        Ram.word(pages, page);
        board.register(handle, anchor);
        works(port);
        works(sibling);
    }

    private void works(HardwarePort each) {
        assertThat(Board.write(each, 8, 1)).isEqualTo(DmaStatus.DONE);
    }

    private void blocked(HardwarePort each) {
        assertThat(Board.write(each, 8, 2)).isEqualTo(DmaStatus.FAULTED);
        assertThat(Board.fault(each).kind()).isEqualTo(DmaFault.Kind.BLOCKED);
        assertThat(Board.fault(each).code()).isZero();
        assertThat(Ram.octet(page + 8)).isEqualTo(1);
    }

    @Test
    void theFirstErrorBlocksAllPortsThoughTheyHaveCached() {
        assertThat(Board.read(port, HOLE)).isEqualTo(DmaStatus.FAULTED);
        blocked(port);
        blocked(sibling);
        blocked(board.port(1));
        board.takeEvent();
        board.noEvent();
    }

    @Test
    void refusedRequestsOfABlockedFunctionRaiseNoEvent() {
        Board.read(port, HOLE);
        board.takeEvent();
        for (int i = 0; i < 5; i++) {
            Board.read(port, HOLE + i * 4096);
            blocked(sibling);
        }
        board.noEvent();
    }

    @Test
    void anotherFunctionGoesOn() {
        int other = board.enabled(2);
        HardwarePort second = board.port(2);
        board.register(other, anchor);
        works(second);
        Board.read(port, HOLE);
        works(second);
        assertThat(board.controls(other)).isEqualTo(0x90);
        assertThat(board.refresh(other, 0, 4096)).isEqualTo(Board.CC0);
    }

    @Test
    void resetErrorLetsDmaThroughAgain() {
        Board.read(port, HOLE);
        assertThat(board.modify(handle, 7, 0, 0, 0)).isEqualTo(Board.CC0);
        works(port);
        works(sibling);
        assertThat(board.modify(handle, 7, 0, 0, 0)).as("nothing to reset").isEqualTo(Board.cc1(24));
        board.takeEvent();
    }

    @Test
    void resetBlockLetsLoadsAndStoresThroughAndNoDma() {
        assertThat(board.modify(handle, 9, 0, 0, 0)).as("not in the error state").isEqualTo(Board.cc1(24));
        Board.read(port, HOLE);
        assertThat(board.modify(handle, 9, 0, 0, 0)).isEqualTo(Board.CC0);
        blocked(port);
        assertThat(board.modify(handle, 9, 0, 0, 0)).as("again").isEqualTo(Board.cc1(24));
        assertThat(board.modify(handle, 7, 0, 0, 0)).isEqualTo(Board.CC0);
        works(port);
    }

    @Test
    void inTheErrorStateNothingIsRegisteredButDeregistered() {
        Board.read(port, HOLE);
        for (int blocked = 0; blocked < 2; blocked++) {
            assertThat(board.modify(handle, 4, 0, Board.LAST, anchor)).isEqualTo(Board.cc1(40));
            assertThat(board.modify(handle, 6, 0, Board.LAST, anchor)).isEqualTo(Board.cc1(40));
            if (blocked == 0) {
                board.modify(handle, 9, 0, 0, 0);
            }
        }
        assertThat(board.modify(handle, 5, 0, 0, 0)).isEqualTo(Board.CC0);
        assertThat(board.controls(handle)).isEqualTo(0xC0);
        assertThat(board.modify(handle, 7, 0, 0, 0)).isEqualTo(Board.CC0);
        assertThat(board.modify(handle, 4, 0, Board.LAST, anchor)).isEqualTo(Board.CC0);
        works(port);
    }

    @Test
    void whatChangedMeanwhileIsSeenAfterTheReset() {
        Board.read(port, HOLE);
        Ram.word(pages, 0x400);
        assertThat(board.refresh(handle, 0, 4096)).isEqualTo(Board.cc1(40));
        board.modify(handle, 7, 0, 0, 0);
        board.takeEvent();
        assertThat(Board.write(sibling, 8, 2)).isEqualTo(DmaStatus.FAULTED);
        assertThat(Board.fault(sibling).kind()).isEqualTo(DmaFault.Kind.TRANSLATION);
        assertThat(Ram.octet(page + 8)).isEqualTo(1);
    }

    @Test
    void disablingEndsTheErrorStateAndTheRegistration() {
        Board.read(port, HOLE);
        int disabled = board.set(handle, 1, 0);
        blocked(port);
        assertThat(board.modify(handle, 7, 0, 0, 0)).isEqualTo(Board.CC3);
        int again = board.set(disabled, 0, 1);
        assertThat(board.controls(again)).isEqualTo(0x80);
        board.takeEvent();
        assertThat(Ram.word32(board.block + 68)).as("the handle that it had").isEqualTo(handle);
        assertThat(Board.write(port, 8, 2)).isEqualTo(DmaStatus.FAULTED);
        assertThat(Board.fault(port).code()).as("nothing registered").isEqualTo(1);
    }

    @Test
    void aFunctionThatWasTakenOutLetsNothingThrough() {
        board.unit.unplug(Board.requester(1));
        blocked(port);
        assertThat(board.refresh(handle, 0, 4096)).isEqualTo(Board.CC3);
        int again = board.enabled(1);
        board.register(again, anchor);
        blocked(port);
        works(board.port(1));
    }

    @Test
    void powerOffAndOn() {
        Board.read(port, HOLE);
        board.unit.reset();
        board.noEvent();
        blocked(port);
        assertThat(board.refresh(handle, 0, 4096)).isEqualTo(Board.CC3);
        int again = board.set(handle & 0x7FFF_FFFF, 0, 1);
        board.register(again, anchor);
        works(port);
    }

    @Test
    @Timeout(60)
    void whoFailsAtTheSameMomentRaisesOneEventOnly() throws Exception {
        CyclicBarrier together = new CyclicBarrier(2);
        int rounds = 3000;
        try (ExecutorService second = Executors.newSingleThreadExecutor()) {
            for (int round = 0; round < rounds; round++) {
                var other = second.submit(() -> {
                    together.await();
                    return Board.read(sibling, HOLE);
                });
                together.await();
                assertThat(Board.read(port, HOLE)).isEqualTo(DmaStatus.FAULTED);
                assertThat(other.get()).isEqualTo(DmaStatus.FAULTED);
                board.recover(handle);
            }
        }
        works(port);
        works(sibling);
    }
}
