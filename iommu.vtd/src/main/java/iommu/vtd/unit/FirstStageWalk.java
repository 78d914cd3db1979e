package iommu.vtd.unit;

import static iommu.vtd.format.FirstStageEntry.ACCESSED;
import static iommu.vtd.format.FirstStageEntry.ADDRESS;
import static iommu.vtd.format.FirstStageEntry.DIRTY;
import static iommu.vtd.format.FirstStageEntry.EXTENDED_ACCESSED;
import static iommu.vtd.format.FirstStageEntry.LARGE_PAT;
import static iommu.vtd.format.FirstStageEntry.LEAF_RESERVED;
import static iommu.vtd.format.FirstStageEntry.PAGE_SIZE;
import static iommu.vtd.format.FirstStageEntry.PRESENT;
import static iommu.vtd.format.FirstStageEntry.TABLE_RESERVED;
import static iommu.vtd.format.FirstStageEntry.USER;
import static iommu.vtd.format.FirstStageEntry.WRITE;
import static iommufd.api.DmaAccess.READ_BIT;
import static iommufd.api.DmaAccess.WRITE_BIT;

import iommu.common.unit.PhysicalWords;
import iommu.vtd.format.FaultReason;
import java.util.Arrays;

/**
 * First-stage translation (§3.6), by itself or nested in a second stage (§3.8): then every address it
 * comes across is one of the guest. Belongs to one port; results of the last success stay in its fields.
 */
final class FirstStageWalk {
    private static final int LEAF_SHIFT = 12;
    private static final int INDEX_BITS = 9;
    private static final int INDEX = 0xFF8;
    /** {@code shift >>> SLOT_SHIFT} tells the levels apart. */
    private static final int SLOT_SHIFT = 3;
    private static final int TABLE_SLOTS = 8;
    private static final long PAGE_INSIDE = (1L << LEAF_SHIFT) - 1;
    /** Software changed the entry under the walk, which reads it again. */
    private static final long CHANGED = Long.MIN_VALUE;

    private final KnownMemory memory;
    private final DirtyMarkSink dirtyMarks;
    private final SecondStageWalk secondStage;
    private final int maxLeafShift;
    private long root;
    private int topShift;
    private boolean nested;
    private boolean coherent;
    private long accessedBits;
    /** What an entry must grant: user-level requests, or nothing if the requests are privileged. */
    private long neededPrivilege = USER;
    /** Granted from the start: writes, to privileged requests that no write protection holds. */
    private boolean writesAnything;
    /** Whether the second stage grants writes to the entry last looked up. */
    private boolean entryWritable;
    /** Where the second stage has the table of each level that was used last: guest page, page on the bus, and whether it is writable. */
    private final long[] tablePages = new long[TABLE_SLOTS];
    private final long[] tableBusPages = new long[TABLE_SLOTS];
    private final boolean[] tableWritable = new boolean[TABLE_SLOTS];

    /** log2 of the smaller of both stages' leaves. */
    int leafLg2;
    /** What may be cached: what both stages grant, without writes while the leaf is not marked dirty. */
    int cacheable;

    /** @param secondStage what it is nested in, if it is */
    FirstStageWalk(KnownMemory memory, DirtyMarkSink dirtyMarks, SecondStageWalk secondStage, ReservedBits reserved) {
        this.memory = memory;
        this.dirtyMarks = dirtyMarks;
        this.secondStage = secondStage;
        maxLeafShift = reserved.firstStageLeafLg2;
    }

    /**
     * Points it at a table.
     *
     * @param levels 4 or 5
     * @param nested whether all addresses go through the second stage
     * @param extendedAccessed also sets the extended accessed flag
     * @param coherent the walk snoops, and may therefore set flags
     */
    void configure(long root, int levels, boolean nested, boolean extendedAccessed, boolean coherent) {
        this.root = root;
        topShift = LEAF_SHIFT + (levels - 1) * INDEX_BITS;
        this.nested = nested;
        this.coherent = coherent;
        accessedBits = extendedAccessed ? ACCESSED | EXTENDED_ACCESSED : ACCESSED;
        forgetTables();
    }

    /** Something was invalidated: where the second stage has tables is asked anew. */
    void forgetTables() {
        Arrays.fill(tablePages, -1);
    }

    /** Whose requests they are. @param writeProtect whether privileged ones need a granted write, too */
    void privilege(boolean supervisor, boolean writeProtect) {
        neededPrivilege = supervisor ? 0 : USER;
        writesAnything = supervisor && !writeProtect;
    }

    /**
     * Translates.
     *
     * @param wanted {@link iommufd.api.DmaAccess} bits
     * @return the address on the bus, or minus the code of a {@link FaultReason}
     */
    long translate(long address, int wanted) {
        int unused = 63 - (topShift + INDEX_BITS - 1);
        if (address << unused >> unused != address) {
            return -FaultReason.NOT_CANONICAL.code();
        }
        long table = root;
        long granted = WRITE;
        int shift = topShift;
        while (true) {
            long slot = table + (address >>> shift - 3 & INDEX);
            if (nested) {
                slot = throughSecondStage(slot, shift);
                if (slot < 0) {
                    return slot;
                }
            }
            slot = memory.hostAddress(slot);
            if (slot < 0) {
                return -(shift == topShift ? FaultReason.FIRST_STAGE_ROOT_UNREACHABLE : FaultReason.FIRST_STAGE_UNREACHABLE).code();
            }
            long entry = PhysicalWords.get(slot);
            if ((entry & PRESENT) == 0) {
                return -FaultReason.FIRST_STAGE_ABSENT.code();
            }
            boolean leaf = shift == LEAF_SHIFT || (entry & PAGE_SIZE) != 0 && shift <= maxLeafShift;
            if ((entry & (leaf ? leafReserved(shift) : TABLE_RESERVED)) != 0) {
                return -FaultReason.FIRST_STAGE_RESERVED.code();
            }
            if ((entry & neededPrivilege) != neededPrivilege) {
                return -FaultReason.SUPERVISOR_PAGE.code();
            }
            if (leaf) {
                long result = leaf(slot, entry, writesAnything ? WRITE : granted & entry, shift, address, wanted);
                if (result != CHANGED) {
                    return result;
                }
                continue;
            }
            if ((entry & accessedBits) != accessedBits) {
                long refused = mayMark();
                if (refused != 0) {
                    return refused;
                }
                if (!PhysicalWords.compareAndSet(slot, entry, entry | accessedBits)) {
                    continue;
                }
            }
            granted &= entry;
            table = entry & ADDRESS;
            shift -= INDEX_BITS;
        }
    }

    private static long leafReserved(int shift) {
        return shift == LEAF_SHIFT ? LEAF_RESERVED : LEAF_RESERVED | (1L << shift) - 1 & ADDRESS & ~LARGE_PAT;
    }

    /** @return the address on the bus, minus a reason, or {@link #CHANGED} */
    private long leaf(long slot, long entry, long granted, int shift, long address, int wanted) {
        if ((wanted & WRITE_BIT) != 0 && granted == 0) {
            return -FaultReason.SCALABLE_WRITE_DENIED.code();
        }
        long needed = (wanted & WRITE_BIT) != 0 ? accessedBits | DIRTY : accessedBits;
        long refused = (entry & needed) == needed ? 0 : mayMark();
        if (refused != 0) {
            return refused;
        }
        long inside = (1L << shift) - 1;
        long output = entry & ADDRESS & ~inside | address & inside;
        int size = shift;
        int below = READ_BIT | WRITE_BIT;
        if (nested) {
            // The page itself comes first: a write that the second stage refuses must not leave a dirty mark.
            if (!secondStage.covers(output)) {
                return -FaultReason.FIRST_STAGE_TOO_WIDE.code();
            }
            output = secondStage.translate(output, wanted);
            if (output < 0) {
                return output;
            }
            size = Math.min(size, secondStage.leafLg2);
            below = secondStage.cacheable;
        }
        if ((entry & needed) != needed) {
            if (!PhysicalWords.compareAndSet(slot, entry, entry | needed)) {
                return CHANGED;
            }
            if ((needed & ~entry & DIRTY) != 0) {
                dirtyMarks.marked(slot);
            }
        }
        leafLg2 = size;
        cacheable = below & (granted != 0 && ((entry | needed) & DIRTY) != 0 ? READ_BIT | WRITE_BIT : READ_BIT);
        return output;
    }

    /** @return 0, or minus the reason why flags of the entry last looked up cannot be set */
    private long mayMark() {
        if (!coherent) {
            return -FaultReason.FIRST_STAGE_NOT_COHERENT.code();
        }
        return nested && !entryWritable ? -FaultReason.FIRST_STAGE_UPDATE_DENIED.code() : 0;
    }

    /** An entry's place in the guest, through the second stage. */
    private long throughSecondStage(long guestSlot, int shift) {
        int known = shift >>> SLOT_SHIFT;
        if (tablePages[known] == guestSlot >>> LEAF_SHIFT) {
            entryWritable = tableWritable[known];
            return tableBusPages[known] | guestSlot & PAGE_INSIDE;
        }
        if (!secondStage.covers(guestSlot)) {
            return -FaultReason.FIRST_STAGE_TOO_WIDE.code();
        }
        // With dirty tracking, even reading an entry counts as writing it (§3.8.1).
        long slot = secondStage.translate(guestSlot, secondStage.marking() ? READ_BIT | WRITE_BIT : READ_BIT);
        if (slot >= 0) {
            entryWritable = (secondStage.allowed & WRITE_BIT) != 0;
            tablePages[known] = guestSlot >>> LEAF_SHIFT;
            tableBusPages[known] = slot & ~PAGE_INSIDE;
            tableWritable[known] = entryWritable;
        } else if (slot == -FaultReason.SCALABLE_READ_DENIED.code() || slot == -FaultReason.SCALABLE_WRITE_DENIED.code()) {
            return -(shift == topShift ? FaultReason.FIRST_STAGE_ROOT_DENIED : FaultReason.FIRST_STAGE_TABLE_DENIED).code();
        }
        return slot;
    }
}
