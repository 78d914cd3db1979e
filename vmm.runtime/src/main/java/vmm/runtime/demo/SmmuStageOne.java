package vmm.runtime.demo;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;

/**
 * A stage 1 of SMMUv3 in a guest's memory: a context descriptor (IHI 0070, §5.4) and VMSAv8-64 tables of 4 levels with pages of
 * 4 KiB (ARM ARM, D8.3), which map one page at {@link GuestTables#IOVA}.
 */
final class SmmuStageOne {
    /** Of the context, and of commands that name it. */
    static final long ASID = 3;
    /** Where the context descriptor is. */
    static final long CONTEXT = 0x2_0000;
    private static final long ROOT = 0x2_1000;
    /** Word 0 of the context: T0SZ, for 48 bits; 4 KiB granule. */
    private static final long T0SZ = 16;
    private static final long EPD1 = 1L << 30;
    private static final long VALID = 1L << 31;
    private static final long IPS_48_BITS = 5L << 32;
    private static final long AA64 = 1L << 41;
    /** Faults are recorded. */
    private static final long R = 1L << 45;
    /** Faults are aborts. */
    private static final long A = 1L << 46;
    private static final int ASID_SHIFT = 48;
    private static final int MAIR_WORD = 3;
    private static final long MAIR_NORMAL = 0xFF;
    /** A valid table, or a page at the last level. */
    private static final long TABLE_OR_PAGE = 3;
    /** AP[1]: unprivileged requests may, too. */
    private static final long UNPRIVILEGED = 1L << 6;
    private static final long ACCESSED = 1L << 10;
    /** Of its ASID only. */
    private static final long NOT_GLOBAL = 1L << 11;
    private static final int LEVELS = 4;
    private static final int INDEX_BITS = 9;
    private static final long INDEX_MASK = (1 << INDEX_BITS) - 1;
    private static final int PAGE_SHIFT = 12;

    private final MemorySegment memory;
    private final long leaf;

    /** Writes context and tables into {@code memory}, whose offsets are guest-physical addresses; the page is absent. */
    SmmuStageOne(MemorySegment memory) {
        this.memory = memory;
        long table = ROOT;
        for (int level = LEVELS - 1; level > 0; level--) {
            memory.set(JAVA_LONG, slot(table, level), table + Guest.PAGE_BYTES | TABLE_OR_PAGE);
            table += Guest.PAGE_BYTES;
        }
        leaf = slot(table, 0);
        memory.set(JAVA_LONG, CONTEXT + Long.BYTES, ROOT);
        memory.set(JAVA_LONG, CONTEXT + MAIR_WORD * Long.BYTES, MAIR_NORMAL);
        memory.set(JAVA_LONG, CONTEXT, T0SZ | EPD1 | VALID | IPS_48_BITS | AA64 | R | A | ASID << ASID_SHIFT);
    }

    private static long slot(long table, int level) {
        return table + (GuestTables.IOVA >>> PAGE_SHIFT + INDEX_BITS * level & INDEX_MASK) * Long.BYTES;
    }

    /** Shows the page at {@code guestAddress}. */
    void map(long guestAddress) {
        memory.set(JAVA_LONG, leaf, guestAddress | TABLE_OR_PAGE | UNPRIVILEGED | ACCESSED | NOT_GLOBAL);
    }

    /** Shows nothing. */
    void unmap() {
        memory.set(JAVA_LONG, leaf, 0);
    }
}
