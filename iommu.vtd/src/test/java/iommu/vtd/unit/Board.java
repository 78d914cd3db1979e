package iommu.vtd.unit;

import static iommu.vtd.Ram.word;

import iommu.vtd.Ram;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.PageResponse;
import iommufd.api.memory.MemoryMap;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * A unit on a bench: registers are poked and structures written by hand, in numbers out of the specification, without the
 * driver and without the format classes.
 */
final class Board {
    static final int READ = 1;
    static final int WRITE = 2;
    static final int DEVICE = 0x0310;   // 03:02.0

    private static final long DRAIN_NANOS = 200_000_000;

    final Ram ram = new Ram();
    /** Runs inside a request's epoch. */
    volatile Runnable whenMarked = () -> { };
    final List<Long> messages = new ArrayList<>();
    /** What came out for devices' interrupts. */
    final List<Message> interrupts = new CopyOnWriteArrayList<>();
    /** What an interrupt that comes out does. */
    volatile Consumer<Message> interrupt = interrupts::add;
    record Message(long address, int data) {}

    /** A device with a device-TLB: remembers what it is told. */
    static final class Device implements AtsPort.Device {
        record Invalidation(int pasid, long iova, long lengthBytes, boolean global) {}

        final List<Invalidation> invalidations = new CopyOnWriteArrayList<>();
        final List<PageResponse> responses = new CopyOnWriteArrayList<>();
        volatile BooleanSupplier answers = () -> true;

        @Override
        public boolean invalidate(int pasid, long iova, long lengthBytes, boolean global) {
            invalidations.add(new Invalidation(pasid, iova, lengthBytes, global));
            return answers.getAsBoolean();
        }

        @Override
        public void pageResponse(PageResponse response) {
            responses.add(response);
        }
    }

    final List<Long> dirtyMarks = new ArrayList<>();
    final VtdUnit unit;
    final long root;
    private long queue;
    private boolean wide;
    private long tail;
    private final long status;
    private int statusData = 0x1000;

    Board(VtdFeatures features) {
        MessageSink sink = (address, data) -> interrupt.accept(new Message(address, data));
        unit = new VtdUnit("bench", features, MemoryMap.HOST, this::marked, (address, data) -> messages.add(address << 16 | data),
                features.has(VtdFeature.INTERRUPT_REMAPPING) ? Optional.of(sink) : Optional.empty(), DRAIN_NANOS);
        root = ram.frame();
        status = ram.frame();
    }

    private void marked(long entry) {
        dirtyMarks.add(entry);
        whenMarked.run();
    }

    /** Root table, queue and enable, in legacy mode. */
    static Board legacy() {
        return legacy(VtdFeatures.legacy());
    }

    static Board legacy(VtdFeatures features) {
        Board board = new Board(features);
        board.setRoot(0);
        board.openQueue(false);
        board.command(31, true);
        return board;
    }

    /** Root table, queue and enable, in scalable mode. */
    static Board scalable() {
        return scalable(VtdFeatures.scalableMode());
    }

    static Board scalable(VtdFeatures features) {
        Board board = new Board(features);
        board.setRoot(1);
        board.openQueue(true);
        board.command(31, true);
        return board;
    }

    int read(int offset) {
        return (int) unit.read(offset, 4);
    }

    long readLong(int offset) {
        return unit.read(offset, 8);
    }

    void write(int offset, int value) {
        unit.write(offset, 4, value);
    }

    void writeLong(int offset, long value) {
        unit.write(offset, 8, value);
    }

    /** GCMD by the sequence of §11.4.4.1. */
    void command(int bit, boolean on) {
        int kept = read(0x1C) & 0x96FFFFFF;
        write(0x18, on ? kept | 1 << bit : kept & ~(1 << bit));
    }

    void setRoot(int tableMode) {
        writeLong(0x20, root | (long) tableMode << 10);
        command(30, true);
    }

    void openQueue(boolean wideDescriptors) {
        queue = ram.frame();
        wide = wideDescriptors;
        tail = 0;
        writeLong(0x88, 0);
        writeLong(0x90, queue | (wide ? 1 << 11 : 0));
        command(26, true);
    }

    /** Writes a descriptor without telling the unit. */
    void post(long first, long second) {
        word(queue + tail, first);
        word(queue + tail + 8, second);
        if (wide) {
            word(queue + tail + 16, 0);
            word(queue + tail + 24, 0);
        }
        tail = tail + (wide ? 32 : 16) & 4095;
    }

    void ring() {
        writeLong(0x88, tail);
    }

    /** Executes one descriptor and a wait; whether the wait's status arrived. */
    boolean execute(long first, long second) {
        post(first, second);
        post(0x5 | 1 << 5 | (long) ++statusData << 32, status);
        ring();
        return waitCompleted();
    }

    boolean waitCompleted() {
        return (int) word(status) == statusData;
    }

    long statusAddress() {
        return status;
    }

    long queueAddress() {
        return queue;
    }

    long tail() {
        return tail;
    }

    /** Descriptors by §6.5.2: context-cache, PASID-cache, IOTLB, PASID-based IOTLB. */
    static long contextInvalidate(int granularity, int did, int sid, int functionMask) {
        return 0x1 | granularity << 4 | (long) did << 16 | (long) sid << 32 | (long) functionMask << 48;
    }

    static long pasidInvalidate(int granularity, int did, int pasid) {
        return 0x7 | granularity << 4 | (long) did << 16 | (long) pasid << 32;
    }

    static long iotlbInvalidate(int granularity, int did) {
        return 0x2 | granularity << 4 | (long) did << 16;
    }

    static long pasidIotlbInvalidate(int granularity, int did, int pasid) {
        return 0x6 | granularity << 4 | (long) did << 16 | (long) pasid << 32;
    }

    /** Legacy context entry for a source-id; the bus gets a context table if it has none. */
    long contextEntry(int sid) {
        long rootEntry = root + (sid >>> 8) * 16L;
        if ((word(rootEntry) & 1) == 0) {
            word(rootEntry, ram.frame() | 1);
        }
        return (word(rootEntry) & -4096) + (sid & 0xFF) * 16L;
    }

    void legacyContext(int sid, int did, int levels, long table) {
        long entry = contextEntry(sid);
        word(entry + 8, (long) did << 8 | levels - 2);
        word(entry, table | 1);
    }

    /** Scalable-mode context entry; the half of the bus gets a context table if it has none. */
    long scalableContextEntry(int sid) {
        long rootWord = root + (sid >>> 8) * 16L + ((sid & 0x80) != 0 ? 8 : 0);
        if ((word(rootWord) & 1) == 0) {
            word(rootWord, ram.frame() | 1);
        }
        return (word(rootWord) & -4096) + (sid & 0x7F) * 32L;
    }

    /** A present scalable-mode context entry with PASIDs enabled and a directory for 2^13 PASIDs, if it has none. */
    long pasidEntry(int sid, int pasid) {
        long context = scalableContextEntry(sid);
        if ((word(context) & 1) == 0) {
            word(context, ram.frame() | 1 | 1 << 3);
        }
        long directoryEntry = (word(context) & -4096) + (pasid >>> 6) * 8L;
        if ((word(directoryEntry) & 1) == 0) {
            word(directoryEntry, ram.frame() | 1);
        }
        return (word(directoryEntry) & -4096) + (pasid & 63) * 64L;
    }

    static final long PWSNP = 1L << 23;
    static final long SSADE = 1L << 9;

    void secondStage(int sid, int pasid, int did, int levels, long table, long flags) {
        long entry = pasidEntry(sid, pasid);
        word(entry + 8, did | PWSNP);
        word(entry, table | levels - 2 << 2 | 2 << 6 | flags | 1);
    }

    void firstStage(int sid, int pasid, int did, int levels, long table) {
        long entry = pasidEntry(sid, pasid);
        word(entry + 16, table | (long) (levels - 4) << 2);
        word(entry + 8, did | PWSNP);
        word(entry, 1 << 6 | 1);
    }

    void nested(int sid, int pasid, int did, int firstLevels, long firstTable, int secondLevels, long secondTable, long flags) {
        long entry = pasidEntry(sid, pasid);
        word(entry + 16, firstTable | (long) (firstLevels - 4) << 2);
        word(entry + 8, did | PWSNP);
        word(entry, secondTable | secondLevels - 2 << 2 | 3 << 6 | flags | 1);
    }

    /** Maps one leaf of 2^lg2 bytes in tables whose entries get {@code tableBits}; {@code leaf} is the whole leaf entry. */
    void map(long table, int levels, long iova, int lg2, long leaf, long tableBits) {
        long at = table;
        for (int shift = 12 + 9 * (levels - 1); shift > lg2; shift -= 9) {
            long slot = at + (iova >>> shift & 511) * 8;
            if (word(slot) == 0) {
                word(slot, ram.frame() | tableBits);
            }
            at = word(slot) & 0x7FF_FFFF_F000L;
        }
        word(at + (iova >>> lg2 & 511) * 8, leaf);
    }

    /** Where the entry of a mapping stands. */
    long leafSlot(long table, int levels, long iova, int lg2) {
        long at = table;
        for (int shift = 12 + 9 * (levels - 1); shift > lg2; shift -= 9) {
            at = word(at + (iova >>> shift & 511) * 8) & 0x7FF_FFFF_F000L;
        }
        return at + (iova >>> lg2 & 511) * 8;
    }

    /** A second-stage mapping of one 4 KiB page. */
    void mapSecond(long table, int levels, long iova, long page, int access) {
        map(table, levels, iova, 12, page | access, 3);
    }

    /** A first-stage mapping of one 4 KiB page. */
    void mapFirst(long table, int levels, long iova, long page) {
        map(table, levels, iova, 12, page | 7, 7);
    }

    final Device device = new Device();

    VtdAtsPort atsPort(int sid, int pasid) {
        return unit.openAtsPort(new RequesterId(sid), pasid, device);
    }

    VtdPort port() {
        return port(DEVICE, Pasid.NONE);
    }

    VtdPort port(int sid, int pasid) {
        return unit.openPort(new RequesterId(sid), pasid);
    }

    /** Writes one byte. */
    static DmaStatus poke(VtdPort port, long iova, int value) {
        return port.write(iova, MemorySegment.ofArray(new byte[] {(byte) value}), 0, 1);
    }

    /** Reads one byte; -1 if refused. */
    static int peek(VtdPort port, long iova) {
        byte[] target = {0};
        return port.read(iova, MemorySegment.ofArray(target), 0, 1) == DmaStatus.DONE ? target[0] : -1;
    }

    /** Reason of the refusal of a one-byte access. */
    static int refusal(VtdPort port, long iova, int access) {
        if (access == WRITE ? poke(port, iova, 1) != DmaStatus.FAULTED : peek(port, iova) != -1) {
            throw new AssertionError("not refused");
        }
        return port.lastFault().orElseThrow().code();
    }

    /** High word of a fault recording register. */
    long record(int index) {
        return readLong(0x220 + 16 * index + 8);
    }

    void clearRecord(int index) {
        write(0x220 + 16 * index + 12, 1 << 31);
    }
}
