package iommu.s390.unit;

import static org.assertj.core.api.Assertions.assertThat;

import iommu.s390.Ram;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.memory.MemoryMap;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Every event is provoked, and every byte of what is stored of it compared. */
class ErrorEventTest {
    private static final long IOVA = 0x1_2345L;
    private static final int ST = 0;
    private static final int RT = 1;
    private static final int RS = 2;
    private static final int RF = 3;
    private static final int PT = 7;

    private final Board board = new Board();
    private final int handle = board.enabled(5);
    private final HardwarePort port = board.port(5);
    private long region;
    private long segment;
    private long pages;

    @BeforeEach
    void map() {
        region = board.ram.table();
        segment = board.ram.table();
        pages = board.ram.pageTable();
        Ram.word(region, segment | 7);
        Ram.word(segment, pages);
        Ram.word(pages + 0x12 * 8, board.ram.page());
    }

    private void register() {
        board.register(handle, Board.anchor(region, RT));
    }

    /** The record as it has to be: 64 bytes of response, then 32 of the error. */
    private byte[] expected(int code, long iova, int qualifier) {
        return ByteBuffer.allocate(96).putShort((short) 96).putShort((short) 1).putShort((short) 0).put((byte) 0).put((byte) 2)
                .put((byte) 0).put((byte) 0).put((byte) 0).put((byte) 1).position(68).putInt(handle)
                .putInt(RequesterId.of(0, 1, 5, 0).value()).putInt(qualifier).putLong(iova).putInt(0).putShort((short) 0)
                .putShort((short) code).array();
    }

    private void assertEvent(int code, DmaFault.Kind kind, int table) {
        assertEvent(code, kind, table, IOVA, false);
        assertEvent(code, kind, table, IOVA, true);
    }

    private void assertEvent(int code, DmaFault.Kind kind, int table, long iova, boolean write) {
        board.line.clear();
        assertThat(write ? Board.write(port, iova, 1) : Board.read(port, iova)).isEqualTo(DmaStatus.FAULTED);
        assertThat(board.line).as("machine checks").containsExactly(true);
        assertThat(board.unit.eventsPending()).isTrue();
        DmaFault fault = Board.fault(port);
        assertThat(fault.kind()).isEqualTo(kind);
        assertThat(fault.code()).isEqualTo(code);
        assertThat(fault.iova()).isEqualTo(iova);
        assertThat(fault.requesterId()).isEqualTo(Board.requester(5));
        assertThat(fault.pasid()).isEmpty();
        assertThat(fault.hardware()).isEqualTo("zpci-test");
        board.takeEvent();
        assertThat(Ram.bytes(board.block, 96).toArray(ValueLayout.JAVA_BYTE)).isEqualTo(expected(code, iova, table << 28 | (write ? 1 : 0)));
        assertThat(board.line).as("machine checks").containsExactly(true, false);
        board.noEvent();
        assertThat(board.modify(handle, 7, 0, 0, 0)).isEqualTo(Board.CC0);
    }

    @Test
    void nothingRegistered() {
        assertEvent(1, DmaFault.Kind.BLOCKED, 0);
    }

    @Test
    void aPasidIsAnAddressSpaceThatThereIsNot() {
        register();
        HardwarePort pasid = board.unit.openPort(Board.requester(5), 7);
        assertThat(Board.read(pasid, IOVA)).isEqualTo(DmaStatus.FAULTED);
        assertThat(Board.fault(pasid).kind()).isEqualTo(DmaFault.Kind.BLOCKED);
        assertThat(Board.fault(pasid).pasid()).hasValue(7);
        board.takeEvent();
        assertThat(Ram.word16(board.block + 94)).isEqualTo(1);
    }

    @Test
    void outOfRange() {
        assertThat(board.modify(handle, 4, 0x1_2000, 0x1_3FFF, Board.anchor(region, RT))).isEqualTo(Board.CC0);
        assertThat(Board.write(port, IOVA, 1)).isEqualTo(DmaStatus.DONE);
        assertEvent(2, DmaFault.Kind.ADDRESS_SIZE, 0, 0x1_1FFF, false);
        assertEvent(2, DmaFault.Kind.ADDRESS_SIZE, 0, 0x1_4000, true);
        assertEvent(2, DmaFault.Kind.ADDRESS_SIZE, 0, -1L, true);
    }

    @Test
    void moreThanTheTablesDescribe() {
        register();
        assertEvent(2, DmaFault.Kind.ADDRESS_SIZE, RT, 1L << 42 | IOVA, false);
        assertThat(board.modify(handle, 6, 0, Board.LAST, Board.anchor(segment, ST))).isEqualTo(Board.CC0);
        assertThat(Board.write(port, IOVA, 1)).isEqualTo(DmaStatus.DONE);
        assertEvent(2, DmaFault.Kind.ADDRESS_SIZE, ST, 1L << 31 | IOVA, true);
    }

    @Test
    void protectedAtEveryLevel() {
        register();
        for (long slot : new long[] {region, segment, pages + 0x12 * 8}) {
            long entry = Ram.word(slot);
            Ram.word(slot, entry | 0x200);
            board.refresh(handle, 0, 1 << 20);
            assertThat(Board.read(port, IOVA)).isEqualTo(DmaStatus.DONE);
            assertEvent(4, DmaFault.Kind.PERMISSION, 0, IOVA, true);
            Ram.word(slot, entry);
        }
        board.modify(handle, 6, 0, Board.LAST, Board.anchor(region, RT) | 0x200);
        assertThat(Board.read(port, IOVA)).isEqualTo(DmaStatus.DONE);
        assertEvent(4, DmaFault.Kind.PERMISSION, 0, IOVA, true);
    }

    @Test
    void protectedByTheHost() {
        long guestPage = 0x5000;
        Ram.word(pages + 0x12 * 8, guestPage);
        long hostSegment = board.ram.table();
        long hostPages = board.ram.pageTable();
        Ram.word(hostSegment, hostPages);
        long[] tables = {region, segment, pages};
        for (int i = 0; i < tables.length; i++) {
            Ram.word(hostPages + (16 + i * 4) * 8, tables[i]);   // the guest's addresses 0x10000, 0x14000, 0x18000
        }
        Ram.word(region, 0x1_4000 | 7);
        Ram.word(segment, 0x1_8000 | pages & 0x800);
        Ram.word(hostPages + (16 + 8) * 8, pages & -4096);
        Ram.word(hostPages + 5 * 8, board.ram.page() | 0x200);
        assertThat(board.modify(handle, 4, 0x71, 0, Board.LAST, Board.anchor(0x1_0000, RT), Board.anchor(hostSegment, ST))).isEqualTo(Board.CC0);
        assertThat(Board.read(port, IOVA)).isEqualTo(DmaStatus.DONE);
        assertEvent(5, DmaFault.Kind.PERMISSION, 0, IOVA, true);
        Ram.word(hostPages + 5 * 8, 0x400);
        board.refresh(handle, 0, 1 << 20);
        assertEvent(0xb, DmaFault.Kind.EXTERNAL_ABORT, PT);
        Ram.word(hostPages + (16 + 4) * 8, 0x400);
        assertEvent(0xb, DmaFault.Kind.EXTERNAL_ABORT, ST);
    }

    @Test
    void anInvalidEntry() {
        register();
        assertEvent(7, DmaFault.Kind.TRANSLATION, PT, 0x1_3000, false);
        for (long absent : new long[] {0, 0x400, 0x420, -1L}) {
            Ram.word(pages + 0x12 * 8, absent);
            assertEvent(7, DmaFault.Kind.TRANSLATION, PT);
        }
        for (long absent : new long[] {0, 0x20, 0x420, segment | 0x20}) {
            Ram.word(segment, absent);
            assertEvent(7, DmaFault.Kind.TRANSLATION, ST);
        }
        for (long absent : new long[] {0, 0x20, 0x420, segment | 0x27}) {
            Ram.word(region, absent);
            assertEvent(7, DmaFault.Kind.TRANSLATION, RT);
        }
    }

    @Test
    void aRegionEntryOfLessThanAWholeTable() {
        register();
        for (long bits : new long[] {0x4, 0x5, 0x6, 0x47, 0x87, 0xC7}) {
            Ram.word(region, segment | bits);
            assertEvent(8, DmaFault.Kind.CONFIGURATION, RT);
        }
    }

    @Test
    void anEntryOfAnotherTablesType() {
        register();
        for (long bits : new long[] {0x3, 0xB, 0xF}) {
            Ram.word(region, segment | bits);
            assertEvent(9, DmaFault.Kind.CONFIGURATION, RT);
        }
        Ram.word(region, segment | 7);
        for (long bits : new long[] {0x4, 0x8, 0xC, 0x404}) {
            Ram.word(segment, pages | bits);
            assertEvent(9, DmaFault.Kind.CONFIGURATION, ST);
        }
    }

    @Test
    void theTypeIsThatOfTheTableNotOfTheAnchor() {
        long second = board.ram.table();
        long first = board.ram.table();
        Ram.word(second, region | 0xB);
        Ram.word(first, second | 0xF);
        board.register(handle, Board.anchor(second, RS));
        assertThat(Board.write(port, IOVA, 1)).isEqualTo(DmaStatus.DONE);
        board.modify(handle, 6, 0, Board.LAST, Board.anchor(first, RF));
        assertThat(Board.write(port, IOVA, 1)).isEqualTo(DmaStatus.DONE);
        board.modify(handle, 6, 0, Board.LAST, Board.anchor(first, RS));
        assertEvent(9, DmaFault.Kind.CONFIGURATION, RS);
        board.modify(handle, 6, 0, Board.LAST, Board.anchor(second, RF));
        assertEvent(9, DmaFault.Kind.CONFIGURATION, RF);
    }

    @Test
    void aTableWhereNoMemoryIs() {
        register();
        Ram.word(segment, Ram.HOLE);
        assertEvent(0xb, DmaFault.Kind.EXTERNAL_ABORT, PT);
        Ram.word(region, Ram.HOLE | 7);
        assertEvent(0xb, DmaFault.Kind.EXTERNAL_ABORT, ST);
        Ram.word(region, 0xFFFF_0000_0000_0000L | 7);
        assertEvent(0xb, DmaFault.Kind.EXTERNAL_ABORT, ST);
        board.modify(handle, 6, 0, Board.LAST, Board.anchor(Ram.HOLE, RT));
        assertEvent(0xb, DmaFault.Kind.EXTERNAL_ABORT, RT);
    }

    @Test
    void aPageWhereNoMemoryIsAbortsWithoutAnEvent() {
        register();
        for (long nowhere : new long[] {Ram.HOLE, 1L << 46, 1L << 62, Long.MIN_VALUE, -1L << 12}) {
            Ram.word(pages + 0x12 * 8, nowhere & ~0xFFFL);
            assertThat(Board.write(port, IOVA, 1)).as("page at 0x%x", nowhere).isEqualTo(DmaStatus.ABORTED);
            assertThat(Board.read(port, 0x1_2FFF)).as("page at 0x%x", nowhere).isEqualTo(DmaStatus.ABORTED);
            board.noEvent();
        }
    }

    @Test
    void eventsOfSeveralFunctionsWaitInTheirOrder() {
        int other = board.enabled(6);
        Board.read(board.port(6), 0x6000);
        Board.write(port, IOVA, 1);
        board.takeEvent();
        assertThat(Ram.octet(board.block + 8)).as("more").isEqualTo(0x80);
        assertThat(Ram.word32(board.block + 68)).isEqualTo(other);
        board.takeEvent();
        assertThat(Ram.octet(board.block + 8)).as("no more").isZero();
        assertThat(Ram.word32(board.block + 68)).isEqualTo(handle);
        board.noEvent();
    }

    @Test
    void whoNeverTakesEventsLosesTheLatest() {
        for (int i = 0; i < PendingEvents.CAPACITY + 10; i++) {
            assertThat(Board.read(port, i * 4096L)).isEqualTo(DmaStatus.FAULTED);
            assertThat(board.modify(handle, 7, 0, 0, 0)).isEqualTo(Board.CC0);
        }
        for (int i = 0; i < PendingEvents.CAPACITY; i++) {
            board.takeEvent();
            assertThat(Ram.word(board.block + 80)).isEqualTo(i * 4096L);
        }
        board.noEvent();
    }

    @Test
    void aGuestsMemoryIsAllThereIs() {
        MemoryMap map = MemoryMap.of(java.util.List.of(new MemoryMap.Range(0, 1 << 20, board.ram.take(1 << 20))));
        Board guest = new Board(ZpciFeatures.STANDARD, map);
        int guestHandle = guest.unit.plug(Board.requester(1));
        // Its blocks lie in its memory, too: those of the test's board do not.
        assertThat(guest.unit.callLogicalProcessor(guest.block)).isEqualTo(Board.PGM_ADDRESSING);
        assertThat(guest.unit.modifyControls((long) guestHandle << 32 | 4, guest.block)).isEqualTo(Board.CC3);
        assertThat(guest.unit.storeControls((long) guestHandle << 32, guest.block)).isEqualTo(Board.PGM_ADDRESSING);
        assertThat(guest.unit.storeEvent(guest.block)).isEqualTo(Board.PGM_ADDRESSING);
        assertThat(guest.unit.storeEvent((1 << 20) - 88)).as("half inside").isEqualTo(Board.PGM_ADDRESSING);
        assertThat(guest.unit.storeEvent((1 << 20) - 96)).isEqualTo(Board.CC0);
    }
}
