package iommu.smmuv3.driver;

import iommu.common.unit.PhysicalWords;
import iommu.smmuv3.format.ContextDescriptor;
import iommu.smmuv3.format.StreamTableEntry;
import iommufd.api.IommufdException;
import iommufd.api.memory.TableMemory;

/**
 * The context descriptors of one stream. Without substreams: one frame of which two slots are used in turn, so that another
 * descriptor is another pointer in the stream table entry. With substreams: two levels, leaves of 64. Guarded by the endpoint.
 */
final class ContextTable {
    private final TableMemory memory;
    private final CommandProducer commands;
    private final int streamId;
    private final int substreamIdBits;
    private final long top;
    private final int topLg2;
    private int slot;

    /** @throws IommufdException ENOMEM */
    ContextTable(TableMemory memory, CommandProducer commands, int streamId, int substreamIdBits) {
        this.memory = memory;
        this.commands = commands;
        this.streamId = streamId;
        this.substreamIdBits = substreamIdBits;
        topLg2 = Math.max(TableMemory.MIN_FRAME_LG2, substreamIdBits - EntryLeaf.ENTRIES_LG2 + 3);
        top = memory.allocate(topLg2);
    }

    boolean hasSubstreams() {
        return substreamIdBits > 0;
    }

    /** Word 0 of the stream table entry that points here. */
    long streamWord0() {
        long stage1 = StreamTableEntry.VALID | (long) StreamTableEntry.CONFIG_STAGE1 << StreamTableEntry.CONFIG_SHIFT;
        if (!hasSubstreams()) {
            return stage1 | EntryLeaf.entry(top, slot);
        }
        return stage1 | (long) StreamTableEntry.S1FMT_2LEVEL_4K << StreamTableEntry.S1FMT_SHIFT | top
                | (long) substreamIdBits << StreamTableEntry.S1CDMAX_SHIFT;
    }

    /** Without substreams: writes the descriptor into the unused slot. It counts once the stream's entry points there. */
    void write(long[] words) {
        slot ^= 1;
        EntryLeaf.write(EntryLeaf.entry(top, slot), words, 0);
    }

    /** Undoes {@link #write}: the other slot is still in force. */
    void undoWrite() {
        slot ^= 1;
    }

    /** Whether substream {@code index} has a valid descriptor. */
    boolean valid(int index) {
        long leaf = leaf(index);
        return leaf != 0 && (PhysicalWords.get(EntryLeaf.entry(leaf, index)) & ContextDescriptor.VALID) != 0;
    }

    /**
     * Gives substream {@code index} another descriptor. On return no request uses the old one.
     *
     * @throws IommufdException ENOMEM, before anything changed
     */
    void set(int index, long[] words) {
        long old = leaf(index);
        boolean inPlace = old != 0 && !valid(index);
        if (inPlace) {
            EntryLeaf.write(EntryLeaf.entry(old, index), words, 1);   // ignored while word 0 is invalid
            commands.invalidateContext(streamId, index);
            PhysicalWords.setRelease(EntryLeaf.entry(old, index), words[0]);
            commands.invalidateContext(streamId, index);
            return;
        }
        long leaf = memory.allocate(EntryLeaf.FRAME_LG2);
        if (old != 0) {
            EntryLeaf.copy(old, leaf);
        }
        EntryLeaf.write(EntryLeaf.entry(leaf, index), words, 0);
        PhysicalWords.setRelease(pointer(index), leaf | ContextDescriptor.L1_VALID);
        commands.invalidateContext(streamId, index);
        if (old != 0) {
            memory.free(old, EntryLeaf.FRAME_LG2);
        }
    }

    /** Makes substream {@code index} invalid. On return no request uses it. */
    void clear(int index) {
        if (valid(index)) {
            PhysicalWords.setRelease(EntryLeaf.entry(leaf(index), index), 0);
            commands.invalidateContext(streamId, index);
        }
    }

    /** Gives all frames back; no stream table entry points here. */
    void free() {
        for (long pointer = top; hasSubstreams() && pointer < top + (8L << Math.max(0, substreamIdBits - EntryLeaf.ENTRIES_LG2));
                pointer += 8) {
            long leaf = PhysicalWords.get(pointer) & ContextDescriptor.L1_POINTER;
            if (leaf != 0) {
                memory.free(leaf, EntryLeaf.FRAME_LG2);
            }
        }
        memory.free(top, topLg2);
    }

    private long pointer(int index) {
        return top + ((long) index >>> EntryLeaf.ENTRIES_LG2 << 3);
    }

    private long leaf(int index) {
        return PhysicalWords.get(pointer(index)) & ContextDescriptor.L1_POINTER;
    }
}
