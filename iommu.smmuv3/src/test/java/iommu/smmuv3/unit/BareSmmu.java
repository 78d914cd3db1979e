package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;

import iommu.common.unit.PhysicalWords;
import iommu.smmuv3.format.SmmuCommand;
import iommu.smmuv3.format.SmmuEvent;
import iommu.smmuv3.format.SmmuQueue;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.HardwarePort;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * A unit without a driver: tables and queues are written by hand, with numbers from the specification. Page tables here have
 * four levels of 4 KiB unless a test builds its own.
 */
final class BareSmmu implements AutoCloseable {
    /** STE word 0: valid, Config by bits 3:1. */
    static final long ABORT = 1;
    static final long BYPASS = 1 | 4 << 1;
    static final long STAGE1 = 1 | 5 << 1;
    static final long STAGE2 = 1 | 6 << 1;
    static final long NESTED = 1 | 7 << 1;
    /** CD word 0 without ASID: T0SZ 16, 4K, EPD1, V, IPS 48 bits, AA64, R, A. */
    static final long CONTEXT = 16 | 1L << 30 | 1L << 31 | 5L << 32 | 1L << 41 | 1L << 45 | 1L << 46;
    /** STE word 2 without VMID: S2T0SZ 16, SL0 2, 4K, S2PS 48 bits, AA64, R. */
    static final long STAGE2_FORM = 16L << 32 | 2L << 38 | 5L << 48 | 1L << 51 | 1L << 58;
    /** Leaf of stage 1: valid page, unprivileged, AF, writable, of its ASID only. */
    static final long LEAF1 = 3 | 1 << 6 | 1 << 10 | 1 << 11;
    /** Leaf of stage 2: valid page, read and write, normal memory, AF. */
    static final long LEAF2 = 3 | 3 << 6 | 0xf << 2 | 1 << 10;

    static final int STREAMS_LG2 = 6;

    final TestMemory memory = new TestMemory(64 << 20);
    final List<SmmuInterrupts.Line> raised = new java.util.concurrent.CopyOnWriteArrayList<>();
    final List<Long> dirtyMarks = new ArrayList<>();
    final SmmuUnit unit;
    final long streamTable = memory.take(64L << STREAMS_LG2, 64L << STREAMS_LG2);
    final int queueLg2;
    final long commandQueue;
    final long eventQueue;
    private final MemorySegment buffer = MemorySegment.ofArray(new long[1]);
    private int producer;

    BareSmmu() {
        this(4);
    }

    BareSmmu(int queueLg2) {
        this(queueLg2, new SmmuFeatures(16, 20, 8));
    }

    BareSmmu(int queueLg2, SmmuFeatures features) {
        this.queueLg2 = queueLg2;
        unit = new SmmuUnit("smmu", features, raised::add, dirtyMarks::add);
        commandQueue = memory.take(16L << queueLg2, 4096);
        eventQueue = memory.take(32L << queueLg2, 4096);
    }

    /** Linear stream table, both queues, everything on. */
    BareSmmu start() {
        unit.write(STRTAB_BASE, 8, streamTable);
        unit.write(STRTAB_BASE_CFG, 4, STREAMS_LG2);
        unit.write(CMDQ_BASE, 8, commandQueue | queueLg2);
        unit.write(EVENTQ_BASE, 8, eventQueue | queueLg2);
        unit.write(CR2, 4, CR2_RECINVSID);
        unit.write(IRQ_CTRL, 4, IRQ_CTRL_EVENTQ | IRQ_CTRL_GERROR);
        unit.write(CR0, 4, CR0_SMMUEN | CR0_CMDQEN | CR0_EVENTQEN);
        return this;
    }

    /** The usual features and some more. */
    static SmmuFeatures with(SmmuFeature... more) {
        Set<SmmuFeature> features = EnumSet.copyOf(SmmuFeatures.HOST);
        features.addAll(List.of(more));
        return new SmmuFeatures(16, 20, 8, 48, 4, features);
    }

    int get(int register) {
        return (int) unit.read(register, 4);
    }

    void stream(int streamId, long... words) {
        for (int word = words.length - 1; word >= 0; word--) {
            PhysicalWords.set(streamTable + streamId * 64L + word * 8L, words[word]);
        }
    }

    /** A stream through stage 1 only. @return its page table */
    long stage1Stream(int streamId, int asid) {
        long table = memory.page();
        stream(streamId, STAGE1 | context(CONTEXT | (long) asid << 48, table), 0, 0, 0);
        return table;
    }

    /** A stream through stage 2 only. @return its page table */
    long stage2Stream(int streamId, int vmid) {
        long table = memory.page();
        stream(streamId, STAGE2, 0, STAGE2_FORM | vmid, table);
        return table;
    }

    /** A context descriptor alone. */
    long context(long word0, long ttb0) {
        long context = memory.take(64, 64);
        TestMemory.words(context, word0, ttb0, 0, 0x04ff);
        return context;
    }

    /** Puts a leaf of 4 KiB, making tables as needed. @return where the leaf stands */
    long map(long table, long iova, long leaf) {
        return map(table, iova, leaf, 0);
    }

    /** Puts a leaf at a level that counts from the pages. @return where the leaf stands */
    long map(long table, long iova, long leaf, int leafLevel) {
        long at = table;
        for (int level = 3; level > leafLevel; level--) {
            long slot = at + (iova >>> 12 + 9 * level & 511) * 8;
            if ((PhysicalWords.get(slot) & 1) == 0) {
                PhysicalWords.set(slot, memory.page() | 3);
            }
            at = PhysicalWords.get(slot) & 0x0000_FFFF_FFFF_F000L;
        }
        long slot = at + (iova >>> 12 + 9 * leafLevel & 511) * 8;
        PhysicalWords.set(slot, leaf);
        return slot;
    }

    HardwarePort port(int streamId) {
        return unit.openPort(new RequesterId(streamId), Pasid.NONE);
    }

    HardwarePort port(int streamId, int substreamId) {
        return unit.openPort(new RequesterId(streamId), substreamId);
    }

    DmaStatus write(HardwarePort port, long iova, long value) {
        buffer.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, value);
        return port.write(iova, buffer, 0, 8);
    }

    DmaStatus read(HardwarePort port, long iova) {
        return port.read(iova, buffer, 0, 8);
    }

    /** What {@link #read} brought. */
    long value() {
        return buffer.get(ValueLayout.JAVA_LONG_UNALIGNED, 0);
    }

    /** Puts a command into the queue without telling. */
    void put(long word0, long word1) {
        TestMemory.words(commandQueue + ((long) SmmuQueue.entry(producer, queueLg2) << 4), word0, word1);
        producer = SmmuQueue.next(producer, queueLg2);
    }

    void ring() {
        unit.write(CMDQ_PROD, 4, producer);
    }

    int producer() {
        return producer;
    }

    /** Carries out a command and a CMD_SYNC. */
    void command(long word0, long word1) {
        put(word0, word1);
        put(SmmuCommand.SYNC, 0);
        ring();
    }

    /** Takes the oldest event; empty if there is none. */
    long[] event() {
        int written = get(EVENTQ_PROD);
        int consumed = get(EVENTQ_CONS);
        if (SmmuQueue.empty(written, consumed, queueLg2)) {
            return new long[0];
        }
        long slot = eventQueue + ((long) SmmuQueue.entry(consumed, queueLg2) << SmmuEvent.BYTES_LG2);
        long[] words = {PhysicalWords.get(slot), PhysicalWords.get(slot + 8), PhysicalWords.get(slot + 16), PhysicalWords.get(slot + 24)};
        unit.write(EVENTQ_CONS, 4, SmmuQueue.next(consumed, queueLg2) | consumed & EVENTQ_OVERFLOW);
        return words;
    }

    @Override
    public void close() {
        unit.close();
        memory.close();
    }
}
