package iommu.vtd.format;

/** Interrupt remapping table entry, remapped (§9.9) and posted (§9.10): 128 bits. */
public final class InterruptEntry {
    /** Size of an entry. */
    public static final int BYTES = 16;
    /** Low word: the entry is valid. */
    public static final long PRESENT = 1;
    /** Low word: faults are not recorded, also if the entry is absent. */
    public static final long FAULTS_SUPPRESSED = 1L << 1;
    /** Low word: the destination is a logical one. */
    public static final long LOGICAL = 1L << 2;
    /** Low word: one of several processors is to be chosen. */
    public static final long REDIRECTION_HINT = 1L << 3;
    /** Low word: level triggered. */
    public static final long LEVEL_TRIGGERED = 1L << 4;
    /** Low word: lowest bit of the delivery mode. */
    public static final int DELIVERY_SHIFT = 5;
    /** Low word: the interrupt is urgent; posted format. */
    public static final long URGENT = 1L << 14;
    /** Low word: posted format. */
    public static final long POSTED = 1L << 15;
    /** Low word: lowest bit of the vector. */
    public static final int VECTOR_SHIFT = 16;
    /** Low word: lowest bit of the destination; of the low part of the posted descriptor's address, posted format. */
    public static final int DESTINATION_SHIFT = 32;
    /** Low word: the low part of the posted descriptor's address, posted format. */
    public static final long POSTED_LOW = 0xFFFF_FFC0L << 32;
    /** High word: source-id. */
    public static final long SOURCE = 0xFFFF;
    /** High word: lowest bit of the source-id qualifier. */
    public static final int QUALIFIER_SHIFT = 16;
    /** High word: lowest bit of the source validation type. */
    public static final int VALIDATION_SHIFT = 18;
    /** Source validation: none. */
    public static final int VALIDATE_NOTHING = 0;
    /** Source validation: source-id and qualifier. */
    public static final int VALIDATE_SOURCE = 1;
    /** Source validation: a range of buses. */
    public static final int VALIDATE_BUSES = 2;
    /** Low word, remapped format: must be 0. */
    public static final long LOW_RESERVED = 0xFF00_7000L;
    /** Low word, remapped format without x2APIC: must be 0, too. */
    public static final long DESTINATION_RESERVED = 0xFFFF_00FFL << 32;
    /** High word, remapped format: must be 0. */
    public static final long HIGH_RESERVED = -1L << 20;
    /** Low word, posted format: must be 0. */
    public static final long POSTED_LOW_RESERVED = 0x3F_FF00_30FCL;
    /** High word, posted format: must be 0, besides addresses beyond the host's width. */
    public static final long POSTED_HIGH_RESERVED = 0xFFF0_0000L | HostAddress.RESERVED;

    private InterruptEntry() {}

    /** Where the descriptor is that a posted entry names. */
    public static long postedDescriptor(long low, long high) {
        return high & -1L << 32 | (low & POSTED_LOW) >>> 32;
    }

    /** Delivery modes that are none: 3 and 6. */
    public static boolean deliveryReserved(long low) {
        int mode = (int) (low >>> DELIVERY_SHIFT) & 7;
        return mode == 3 || mode == 6;
    }
}
