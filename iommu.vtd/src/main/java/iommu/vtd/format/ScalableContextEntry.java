package iommu.vtd.format;

/** Scalable-mode context entry (§9.4): 256 bits per function. */
public final class ScalableContextEntry {
    /** Size of an entry. */
    public static final int BYTES = 32;
    /** Word 0: the entry is valid. */
    public static final long PRESENT = 1;
    /** Word 0: faults are not recorded, also if the entry is absent. */
    public static final long FAULTS_SUPPRESSED = 1L << 1;
    /** Word 0: device-TLB enable; reserved without device-TLB support. */
    public static final long DEVICE_TLB = 1L << 2;
    /** Word 0: requests with PASID are allowed. */
    public static final long PASIDS = 1L << 3;
    /** Word 0: page requests are allowed. */
    public static final long PAGE_REQUESTS = 1L << 4;
    /** Word 0: must be 0: HPTE, EPTR (not supported), 8:7, and above the host address width. */
    public static final long LOW_RESERVED = 0x1E0 | HostAddress.RESERVED;
    /** Word 0: lowest bit of PDTS; the PASID directory has 2^(PDTS+7) entries. */
    public static final int DIRECTORY_SIZE_SHIFT = 9;
    /** Word 1: the PASID of requests without one. */
    public static final long RID_PASID = 0xF_FFFF;
    /** Word 1: requests without PASID are privileged. */
    public static final long RID_PRIVILEGED = 1L << 20;
    /** Word 1: must be 0. Words 2 and 3 are reserved. */
    public static final long HIGH_RESERVED = ~(RID_PASID | RID_PRIVILEGED);

    private ScalableContextEntry() {}

    /** PDTS of word 0. */
    public static int directorySize(long low) {
        return (int) (low >>> DIRECTORY_SIZE_SHIFT) & 7;
    }

    /** Number of PASIDs a directory of that size covers. */
    public static int pasidLimit(int directorySize) {
        return 1 << directorySize + 7 + PasidTableEntry.TABLE_INDEX_BITS;
    }
}
