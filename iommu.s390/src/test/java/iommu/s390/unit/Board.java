package iommu.s390.unit;

import static org.assertj.core.api.Assertions.assertThat;

import iommu.s390.Ram;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.memory.MemoryMap;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** A unit, memory, and somebody who issues instructions; numbers are literal, so that they are not those of the code under test. */
final class Board {
    /** Outcome with condition code 0. */
    static final int CC0 = 0;
    /** Outcome with condition code 2. */
    static final int CC2 = 2;
    /** Outcome with condition code 3. */
    static final int CC3 = 3;
    /** Program interruption: operand. */
    static final int PGM_OPERAND = 0x15 << 16;
    /** Program interruption: specification. */
    static final int PGM_SPECIFICATION = 6 << 16;
    /** Program interruption: addressing. */
    static final int PGM_ADDRESSING = 5 << 16;
    /** Highest address of 53 bits. */
    static final long LAST = (1L << 53) - 1;

    final Ram ram = new Ram();
    final List<Boolean> line = new ArrayList<>();
    final ZpciUnit unit;
    final long block = ram.page();

    Board() {
        this(ZpciFeatures.STANDARD, MemoryMap.HOST);
    }

    Board(ZpciFeatures features, MemoryMap memory) {
        this(features, memory, 5_000_000_000L);
    }

    Board(ZpciFeatures features, MemoryMap memory, long drainNanos) {
        unit = new ZpciUnit("zpci-test", features, memory, line::add, drainNanos);
    }

    /** Outcome with condition code 1. */
    static int cc1(int status) {
        return 1 | status << 8;
    }

    /** An anchor that translates; {@code type} is its designation type. */
    static long anchor(long table, int type) {
        return table | 0x800 | type << 2;
    }

    static RequesterId requester(int device) {
        return RequesterId.of(0, 1, device, 0);
    }

    /** Plugs a function in and enables it. @return its handle */
    int enabled(int device) {
        return set(unit.plug(requester(device)), 0, 1);
    }

    /** SET PCI FUNCTION, which succeeds. @return the new handle */
    int set(int handle, int operation, int addressSpaces) {
        assertThat(setResponse(handle, operation, addressSpaces)).isEqualTo(0x0010);
        return Ram.word32(block + 48);
    }

    /** @return the response code of SET PCI FUNCTION */
    int setResponse(int handle, int operation, int addressSpaces) {
        Ram.word(block, 32L << 48 | 5L << 32);
        Ram.word(block + 8, 0);
        Ram.word(block + 16, (long) handle << 32 | operation << 8 | addressSpaces);
        Ram.word(block + 24, 0);
        Ram.word(block + 32, 32L << 48);
        assertThat(unit.callLogicalProcessor(block)).isEqualTo(CC0);
        return Ram.word16(block + 34);
    }

    /** MPCIFC with a plain block. */
    int modify(int handle, int operation, long base, long limit, long anchor) {
        return modify(handle, operation, 0, base, limit, anchor, 0);
    }

    /** MPCIFC. */
    int modify(int handle, int operation, int format, long base, long limit, long anchor, long hostAnchor) {
        Ram.bytes(block, 80).fill((byte) 0);
        Ram.octets(block, format);
        Ram.word(block + 16, base);
        Ram.word(block + 24, limit);
        Ram.word(block + 32, anchor);
        Ram.word(block + 48, hostAnchor);
        return unit.modifyControls((long) handle << 32 | operation, block);
    }

    void register(int handle, long anchor) {
        assertThat(modify(handle, 4, 0, LAST, anchor)).isEqualTo(CC0);
    }

    int refresh(int handle, long iova, long lengthBytes) {
        return unit.refresh((long) handle << 32, iova, lengthBytes);
    }

    /** STPCIFC. @return the function controls */
    int controls(int handle) {
        assertThat(unit.storeControls((long) handle << 32, block)).isEqualTo(CC0);
        return Ram.octet(block + 8);
    }

    HardwarePort port(int device) {
        return unit.openPort(requester(device), Pasid.NONE);
    }

    /** Tables of three levels with one page table for the first MiB. @return the region-third table, and the page table */
    long[] smallTables() {
        long region = ram.table();
        long segment = ram.table();
        long pages = ram.pageTable();
        Ram.word(region, segment | 0x7);
        Ram.word(segment, pages);
        return new long[] {region, pages};
    }

    static DmaStatus write(HardwarePort port, long iova, int value) {
        return port.write(iova, MemorySegment.ofArray(new byte[] {(byte) value}), 0, 1);
    }

    static DmaStatus read(HardwarePort port, long iova) {
        return port.read(iova, MemorySegment.ofArray(new byte[1]), 0, 1);
    }

    static DmaFault fault(HardwarePort port) {
        return port.lastFault().orElseThrow();
    }

    /** Takes an event. @return where it was stored */
    long takeEvent() {
        assertThat(unit.storeEvent(block)).isEqualTo(CC0);
        assertThat(Ram.word16(block + 2)).as("response of store event information").isEqualTo(1);
        return block;
    }

    void noEvent() {
        assertThat(unit.eventsPending()).isFalse();
        unit.storeEvent(block);
        assertThat(Ram.word16(block + 2)).as("response of store event information").isEqualTo(5);
    }

    /** Takes the one event that is pending, and ends the error state. */
    void recover(int handle) {
        takeEvent();
        noEvent();
        assertThat(modify(handle, 7, 0, 0, 0)).isEqualTo(CC0);
    }
}
