package iommu.vtd.unit;

import static iommu.vtd.format.SecondStageEntry.ACCESS;
import static iommu.vtd.format.SecondStageEntry.ACCESSED;
import static iommu.vtd.format.SecondStageEntry.ADDRESS;
import static iommu.vtd.format.SecondStageEntry.DIRTY;
import static iommu.vtd.format.SecondStageEntry.PAGE_SIZE;
import static iommu.vtd.format.SecondStageEntry.TABLE_RESERVED;
import static iommu.vtd.format.SecondStageEntry.WRITE;

import iommu.common.unit.PhysicalWords;
import iommu.vtd.format.FaultReason;

/**
 * Second-stage translation (§3.7). The bits of {@link iommufd.api.DmaAccess} are those of the entries. Belongs to one port;
 * results of the last success stay in its fields.
 */
final class SecondStageWalk {
    private static final int LEAF_SHIFT = 12;
    private static final int INDEX_BITS = 9;
    /** {@code iova >>> shift - 3 & INDEX} is the byte offset of an entry. */
    private static final int INDEX = 0xFF8;

    private final KnownMemory memory;
    private final DirtyMarkSink dirtyMarks;
    private final long leafReserved;
    private final int maxLeafShift;
    private long root;
    private int topShift;
    private boolean scalable;
    private boolean marking;
    private boolean coherent;

    /** After a refusal for want of permission: an entry on the way granted nothing at all. */
    boolean absent;
    /** log2 of the leaf's size. */
    int leafLg2;
    /** What all entries grant. */
    int allowed;
    /** What may be cached: {@link #allowed} without writes while the leaf is not marked dirty. */
    int cacheable;

    SecondStageWalk(KnownMemory memory, DirtyMarkSink dirtyMarks, ReservedBits reserved) {
        this.memory = memory;
        leafReserved = reserved.secondStageLeaf;
        maxLeafShift = reserved.secondStageLeafLg2;
        this.dirtyMarks = dirtyMarks;
    }

    /**
     * Points it at a table.
     *
     * @param levels 3 to 5
     * @param scalable chooses the fault reasons
     * @param marking accessed and dirty bits are set (SSADE)
     * @param coherent the walk snoops, and may therefore set them
     */
    void configure(long root, int levels, boolean scalable, boolean marking, boolean coherent) {
        this.root = root;
        topShift = LEAF_SHIFT + (levels - 1) * INDEX_BITS;
        this.scalable = scalable;
        this.marking = marking;
        this.coherent = coherent;
    }

    /** Whether accessed and dirty bits are set. */
    boolean marking() {
        return marking;
    }

    /** Whether the table describes {@code address}. */
    boolean covers(long address) {
        return address >>> topShift + INDEX_BITS == 0;
    }

    /**
     * Translates an address that it {@link #covers}.
     *
     * @param wanted {@link iommufd.api.DmaAccess} bits
     * @return the address on the bus, or minus the code of a {@link FaultReason}
     */
    long translate(long address, int wanted) {
        long table = root;
        long granted = ACCESS;
        int shift = topShift;
        while (true) {
            long slot = memory.hostAddress(table + (address >>> shift - 3 & INDEX));
            if (slot < 0) {
                return unreachable(shift);
            }
            long entry = PhysicalWords.get(slot);
            if ((entry & ACCESS) == 0) {
                return absent(wanted);
            }
            if (shift == LEAF_SHIFT || (entry & PAGE_SIZE) != 0 && shift <= maxLeafShift) {
                long inside = (1L << shift) - 1;
                if ((entry & (leafReserved | inside & ADDRESS)) != 0) {
                    return reserved();
                }
                long leafGranted = granted & entry;
                if ((leafGranted & wanted) != wanted) {
                    return denied(leafGranted, wanted);
                }
                if (marking) {
                    long needed = (wanted & WRITE) != 0 ? ACCESSED | DIRTY : ACCESSED;
                    if ((entry & needed) != needed) {
                        if (!coherent) {
                            return -FaultReason.SECOND_STAGE_NOT_COHERENT.code();
                        }
                        if (!PhysicalWords.compareAndSet(slot, entry, entry | needed)) {
                            continue;
                        }
                        markedLeaf(slot, entry, needed);
                        entry |= needed;
                    }
                }
                leafLg2 = shift;
                allowed = (int) leafGranted;
                cacheable = marking && (entry & DIRTY) == 0 ? (int) leafGranted & ~(int) WRITE : (int) leafGranted;
                return entry & ADDRESS & ~inside | address & inside;
            }
            if ((entry & TABLE_RESERVED) != 0) {
                return reserved();
            }
            if (marking && (entry & ACCESSED) == 0) {
                if (!coherent) {
                    return -FaultReason.SECOND_STAGE_NOT_COHERENT.code();
                }
                if (!PhysicalWords.compareAndSet(slot, entry, entry | ACCESSED)) {
                    continue;
                }
            }
            granted &= entry;
            table = entry & ADDRESS;
            shift -= INDEX_BITS;
        }
    }

    private void markedLeaf(long slot, long before, long needed) {
        if ((needed & ~before & DIRTY) != 0) {
            dirtyMarks.marked(slot);
        }
    }

    private long unreachable(int shift) {
        if (shift == topShift) {
            return -(scalable ? FaultReason.SECOND_STAGE_ROOT_UNREACHABLE : FaultReason.CONTEXT_INVALID).code();
        }
        return -(scalable ? FaultReason.SECOND_STAGE_UNREACHABLE : FaultReason.TABLE_UNREACHABLE).code();
    }

    private long absent(int wanted) {
        long reason = denied(0, wanted);
        absent = true;
        return reason;
    }

    private long reserved() {
        return -(scalable ? FaultReason.SECOND_STAGE_RESERVED : FaultReason.TABLE_RESERVED).code();
    }

    private long denied(long granted, int wanted) {
        absent = false;
        boolean write = (wanted & ~granted & WRITE) != 0;
        if (scalable) {
            if ((granted & ACCESS) == 0) {
                return -FaultReason.SECOND_STAGE_ABSENT.code();
            }
            return -(write ? FaultReason.SCALABLE_WRITE_DENIED : FaultReason.SCALABLE_READ_DENIED).code();
        }
        return -(write ? FaultReason.WRITE_DENIED : FaultReason.READ_DENIED).code();
    }
}
