package iommu.s390.unit;

import static org.assertj.core.api.Assertions.assertThat;

import iommu.s390.Ram;
import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.memory.HostMemory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What RPCIT makes the unit forget, what needs none, and what it answers. */
class RefreshTest {
    private final Board board = new Board();
    private final int handle = board.enabled(1);
    private final HardwarePort port = board.port(1);
    private final long[] memory = new long[8];
    private long pages;
    private long segment;
    private long anchor;

    @BeforeEach
    void map() {
        long region = board.ram.table();
        segment = board.ram.table();
        pages = board.ram.pageTable();
        Ram.word(region, segment | 7);
        Ram.word(segment, pages);
        anchor = Board.anchor(region, 1);
        board.register(handle, anchor);
        for (int i = 0; i < memory.length; i++) {
            memory[i] = board.ram.page();
        }
    }

    private void set(int page, long entry) {
        Ram.word(pages + page * 8L, entry);
    }

    private void arrives(HardwarePort through, int page, long where, int value) {
        assertThat(Board.write(through, page * 4096L + 5, value)).isEqualTo(DmaStatus.DONE);
        assertThat(Ram.octet(where + 5)).isEqualTo(value);
    }

    @Test
    void anEntryThatBecomesValidNeedsNoRefresh() {
        assertThat(Board.read(port, 0)).isEqualTo(DmaStatus.FAULTED);
        board.recover(handle);
        set(0, memory[0]);
        arrives(port, 0, memory[0], 1);
        // The same where the error state has not emptied the caches in between.
        set(1, memory[1]);
        arrives(port, 1, memory[1], 2);
        set(2, memory[2] | 0x200);
        assertThat(Board.read(port, 0x2000)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void anEntryThatChangesIsUsedAsItWasUntilTheRefresh() {
        set(0, memory[0]);
        arrives(port, 0, memory[0], 1);
        set(0, memory[1]);
        arrives(port, 0, memory[0], 2);
        assertThat(board.refresh(handle, 0, 4096)).isEqualTo(Board.CC0);
        arrives(port, 0, memory[1], 3);
        set(0, 0x400);
        arrives(port, 0, memory[1], 4);
        assertThat(board.refresh(handle, 0, 1)).as("a part of the page").isEqualTo(Board.CC0);
        assertThat(Board.read(port, 0)).isEqualTo(DmaStatus.FAULTED);
        board.recover(handle);
    }

    @Test
    void aPageThatBecomesProtectedIsNotWrittenAfterTheRefresh() {
        set(0, memory[0]);
        arrives(port, 0, memory[0], 1);
        set(0, memory[0] | 0x200);
        board.refresh(handle, 0, 4096);
        assertThat(Board.read(port, 0)).isEqualTo(DmaStatus.DONE);
        assertThat(Board.write(port, 0, 2)).isEqualTo(DmaStatus.FAULTED);
        board.recover(handle);
        set(0, memory[0]);
        assertThat(Board.read(port, 0)).as("cached as read-only").isEqualTo(DmaStatus.DONE);
        arrives(port, 0, memory[0], 3);
    }

    @Test
    void aRefreshReachesOnlyItsRange() {
        for (int i = 0; i < 8; i++) {
            set(i, memory[i]);
            arrives(port, i, memory[i], i);
            set(i, memory[7 - i]);
        }
        assertThat(board.refresh(handle, 0x2000, 0x3000)).isEqualTo(Board.CC0);
        for (int i = 0; i < 8; i++) {
            arrives(port, i, i >= 2 && i < 5 ? memory[7 - i] : memory[i], 0x40 + i);
        }
        assertThat(board.refresh(handle, 0x7FFF, 0)).as("nothing").isEqualTo(Board.CC0);
        arrives(port, 7, memory[7], 0x50);
        assertThat(board.refresh(handle, 0x5FFF, 2)).as("two pages").isEqualTo(Board.CC0);
        arrives(port, 5, memory[2], 0x51);
        arrives(port, 6, memory[1], 0x52);
        arrives(port, 7, memory[7], 0x53);
    }

    @Test
    void aRefreshOfAnyPageOfALargeFrameReachesAllThatIsAsked() {
        long frame = board.ram.take(1 << 20);
        long next = board.ram.take(1 << 20);
        Ram.word(segment, frame | 0x400);
        board.refresh(handle, 0, 1 << 20);
        for (int page : new int[] {0, 100, 255}) {
            arrives(port, page, frame + page * 4096L, 1);
        }
        Ram.word(segment, next | 0x400);
        assertThat(board.refresh(handle, 0, 1 << 20)).isEqualTo(Board.CC0);
        for (int page : new int[] {0, 100, 255}) {
            arrives(port, page, next + page * 4096L, 2);
        }
    }

    @Test
    void aRefreshIsOfOneFunction() {
        int other = board.enabled(2);
        board.register(other, anchor);
        HardwarePort second = board.port(2);
        HardwarePort sibling = board.port(1);
        set(0, memory[0]);
        for (HardwarePort each : new HardwarePort[] {port, sibling, second}) {
            arrives(each, 0, memory[0], 1);
        }
        set(0, memory[1]);
        board.refresh(handle, 0, 4096);
        arrives(port, 0, memory[1], 2);
        arrives(sibling, 0, memory[1], 3);
        arrives(second, 0, memory[0], 4);
        board.refresh(other, 0, 4096);
        arrives(second, 0, memory[1], 5);
    }

    /**
     * QEMU once ran out of mappings when one refresh brought new pages before it had found that old ones were gone, and took pages that
     * had not changed for new ones. Here one refresh does whatever changed, in any order, and unchanged pages stay as they are.
     */
    @Test
    void oneRefreshIsEnoughHoweverMuchComesAndGoes() {
        int count = 256;
        long[] old = new long[count];
        for (int i = 0; i < count; i++) {
            old[i] = board.ram.page();
            set(i, i < count / 2 ? 0x400 : old[i]);
        }
        for (int i = count / 2; i < count; i++) {
            arrives(port, i, old[i], 1);
        }
        for (int i = 0; i < count; i++) {
            set(i, i < count / 2 ? old[i] : 0x400);   // new ones first, gone ones behind
        }
        assertThat(board.refresh(handle, 0, count * 4096L)).isEqualTo(Board.CC0);
        for (int i = 0; i < count / 2; i++) {
            arrives(port, i, old[i], 2);
        }
        assertThat(Board.read(port, count * 4096L - 1)).isEqualTo(DmaStatus.FAULTED);
        board.recover(handle);
        for (int round = 0; round < 3; round++) {
            assertThat(board.refresh(handle, 0, count / 2 * 4096L)).as("nothing changed").isEqualTo(Board.CC0);
            arrives(port, 0, old[0], 3 + round);
        }
        board.noEvent();
    }

    /** QEMU walks the range and fails at a malformed entry; here the request that uses the entry fails, and no other. */
    @Test
    void aRefreshDoesNotLookAtEntries() {
        set(0, memory[0]);
        set(1, 0);
        Ram.word(segment + 8, 0xC);
        assertThat(board.refresh(handle, 0, 1L << 31)).isEqualTo(Board.CC0);
        arrives(port, 0, memory[0], 1);
        board.noEvent();
        assertThat(Board.read(port, 1 << 20)).isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void aRangeThatEndsBehindAllAddressesEndsThere() {
        set(0, memory[0]);
        arrives(port, 0, memory[0], 1);
        set(0, memory[1]);
        assertThat(board.refresh(handle, 0, -1L)).isEqualTo(Board.CC0);
        arrives(port, 0, memory[1], 2);
        set(0, memory[2]);
        assertThat(board.refresh(handle, 0xFFF, -1L)).isEqualTo(Board.CC0);
        arrives(port, 0, memory[2], 3);
    }

    @Test
    void aRangeOutsideIsAnErrorOfTheFunction() {
        assertThat(board.modify(handle, 6, 0x1000, 0x4FFF, anchor)).isEqualTo(Board.CC0);
        set(2, memory[2]);
        arrives(port, 2, memory[2], 1);
        assertThat(board.refresh(handle, 0, 0x2000)).as("half inside").isEqualTo(Board.CC0);
        assertThat(board.refresh(handle, 0x5000, 0x1000)).isEqualTo(Board.cc1(8));
        assertThat(board.controls(handle)).isEqualTo(0xF0);
        assertThat(Board.read(port, 0x2000)).isEqualTo(DmaStatus.FAULTED);
        board.takeEvent();
        assertThat(Ram.word16(board.block + 94)).isEqualTo(2);
        assertThat(Ram.word(board.block + 80)).isEqualTo(0x5000);
        board.noEvent();
        assertThat(board.modify(handle, 7, 0, 0, 0)).isEqualTo(Board.CC0);
        assertThat(board.refresh(handle, 0, 0x1000)).isEqualTo(Board.cc1(8));
        board.recover(handle);
        arrives(port, 2, memory[2], 2);
    }

    @Test
    void aRefreshOfNothingRegisteredIsAnErrorOfTheFunction() {
        assertThat(board.modify(handle, 5, 0, 0, 0)).isEqualTo(Board.CC0);
        assertThat(board.refresh(handle, 0x3000, 0x1000)).isEqualTo(Board.cc1(8));
        board.takeEvent();
        assertThat(Ram.word16(board.block + 94)).isEqualTo(1);
        assertThat(Ram.word(board.block + 80)).isEqualTo(0x3000);
    }

    @Test
    void aRefreshNamesAnEnabledFunction() {
        assertThat(board.refresh(handle & 0x7FFF_FFFF, 0, 4096)).isEqualTo(Board.CC3);
        assertThat(board.refresh(handle + 1, 0, 4096)).isEqualTo(Board.CC3);
        assertThat(board.refresh(handle ^ 0x0100_0000, 0, 4096)).as("another instance").isEqualTo(Board.CC3);
        assertThat(board.refresh(board.unit.plug(Board.requester(9)), 0, 4096)).as("disabled").isEqualTo(Board.CC3);
    }

    @Test
    void inTheErrorStateARefreshSaysSo() {
        Board.read(port, 0x9000);
        assertThat(board.refresh(handle, 0, 4096)).isEqualTo(Board.cc1(40));
        board.recover(handle);
        assertThat(board.refresh(handle, 0, 4096)).isEqualTo(Board.CC0);
    }

    @Test
    void memoryOfTablesMayGoAwayAfterARefresh() {
        long elsewhere = Ram.BASE + (1L << 31);
        HostMemory.backAnonymous(elsewhere, HostMemory.BACKING_BYTES, false);
        Ram.word(elsewhere, elsewhere + 0x4000 | 7);
        Ram.word(elsewhere + 0x4000, elsewhere + 0x8000);
        Ram.word(elsewhere + 0x8000, memory[0]);
        Ram.word(elsewhere + 0x8008, memory[1]);
        assertThat(board.modify(handle, 6, 0, Board.LAST, Board.anchor(elsewhere, 1))).isEqualTo(Board.CC0);
        arrives(port, 0, memory[0], 1);
        HostMemory.unback(elsewhere, HostMemory.BACKING_BYTES);
        assertThat(board.refresh(handle, 0, 1 << 20)).isEqualTo(Board.CC0);
        assertThat(Board.read(port, 0x1000)).isEqualTo(DmaStatus.FAULTED);
        assertThat(Board.fault(port).code()).isEqualTo(0xb);
        board.recover(handle);
    }
}
