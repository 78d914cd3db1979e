package iommu.vtd.format;

/** Scalable-mode PASID directory entry (§9.5, 64 bits) and PASID table entry (§9.6, 512 bits). */
public final class PasidTableEntry {
    /** Directory entry: the table exists. */
    public static final long DIRECTORY_PRESENT = 1;
    /** Directory entry: faults are not recorded. */
    public static final long DIRECTORY_FAULTS_SUPPRESSED = 1L << 1;
    /** Directory entry: must be 0. */
    public static final long DIRECTORY_RESERVED = 0xFFC | HostAddress.RESERVED;
    /** Bits of a PASID that select an entry of a table; the others select the directory entry. */
    public static final int TABLE_INDEX_BITS = 6;

    /** Size of an entry. */
    public static final int BYTES = 64;
    /** Word 0: the entry is valid. */
    public static final long PRESENT = 1;
    /** Word 0: faults are not recorded, also if the entry is absent. */
    public static final long FAULTS_SUPPRESSED = 1L << 1;
    /** Word 0: lowest bit of the second stage's address width (levels minus 2). */
    public static final int WIDTH_SHIFT = 2;
    /** Word 0: the second stage's address width. */
    public static final long WIDTH = 7L << 2;
    /** Word 0: lowest bit of PGTT. */
    public static final int TYPE_SHIFT = 6;
    /** PGTT: first stage. */
    public static final int FIRST_STAGE = 1;
    /** PGTT: second stage. */
    public static final int SECOND_STAGE = 2;
    /** PGTT: first stage nested in second stage. */
    public static final int NESTED = 3;
    /** PGTT: pass-through. */
    public static final int PASS_THROUGH = 4;
    /** Word 0: accessed and dirty bits in the second stage. */
    public static final long SECOND_STAGE_DIRTY = 1L << 9;
    /** Word 0: must be 0. */
    public static final long WORD0_RESERVED = 1L << 5 | 3L << 10 | HostAddress.RESERVED;
    /** Word 1: domain-id. */
    public static final long DOMAIN = 0xFFFF;
    /** Word 1: page walks snoop, and may therefore set accessed and dirty bits. */
    public static final long WALK_SNOOPS = 1L << 23;
    /** Word 1: accesses snoop. */
    public static final long PAGE_SNOOPS = 1L << 24;
    /** Word 1: must be 0; memory types (CD, EMTE, PAT) are not supported. */
    public static final long WORD1_RESERVED = 0x7FL << 16 | -1L << 25;
    /** Word 2: lowest bit of FSPM; 0 is 4 levels, 1 is 5. */
    public static final int FIRST_STAGE_MODE_SHIFT = 2;
    /** Word 2: FSPM. */
    public static final long FIRST_STAGE_MODE = 3L << 2;
    /** Word 2: extended accessed flag in the first stage. */
    public static final long EXTENDED_ACCESSED = 1L << 7;
    /** Word 2: privileged requests are allowed. */
    public static final long SUPERVISOR = 1;
    /** Word 2: privileged requests, too, must not write where no write is granted. */
    public static final long WRITE_PROTECT = 1L << 4;
    /** Word 2: must be 0. The bits 6:5 are ignored. */
    public static final long WORD2_RESERVED = 2 | 0xFL << 8 | HostAddress.RESERVED;

    private PasidTableEntry() {}

    /** PGTT of word 0. */
    public static int type(long word0) {
        return (int) (word0 >>> TYPE_SHIFT) & 7;
    }

    /** Levels of the second stage by word 0. */
    public static int secondStageLevels(long word0) {
        return ((int) (word0 >>> WIDTH_SHIFT) & 7) + 2;
    }

    /** FSPM of word 2. */
    public static int firstStageMode(long word2) {
        return (int) (word2 >>> FIRST_STAGE_MODE_SHIFT) & 3;
    }

    /** Word 0 of a present second-stage entry. */
    public static long secondStage(long table, int levels, boolean dirty) {
        return PRESENT | levels - 2 << WIDTH_SHIFT | SECOND_STAGE << TYPE_SHIFT | (dirty ? SECOND_STAGE_DIRTY : 0) | table;
    }

    /** Word 0 of a present entry whose first stage is nested in a second stage. */
    public static long nested(long table, int levels, boolean dirty) {
        return secondStage(table, levels, dirty) ^ (long) (SECOND_STAGE ^ NESTED) << TYPE_SHIFT;
    }

    /** Word 0 of a present first-stage entry. */
    public static long firstStage() {
        return PRESENT | FIRST_STAGE << TYPE_SHIFT;
    }

    /** Word 2 of a first-stage entry. */
    public static long firstStageTable(long table, int levels) {
        return (long) (levels - 4) << FIRST_STAGE_MODE_SHIFT | table;
    }
}
