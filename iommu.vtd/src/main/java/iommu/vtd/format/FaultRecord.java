package iommu.vtd.format;

/** Fault recording register (§11.4.7.6): 128 bits; the page address in the low word, the rest in the high word. */
public final class FaultRecord {
    /** Size of a register. */
    public static final int BYTES = 16;
    /** Low word: bits 63:12 of the address. */
    public static final long ADDRESS = -1L << 12;
    /** High word: source-id. */
    public static final long SOURCE = 0xFFFF;
    /** High word: the request had a PASID. */
    public static final long PASID_PRESENT = 1L << 31;
    /** High word: lowest bit of the {@link FaultReason}. */
    public static final int REASON_SHIFT = 32;
    /** High word: lowest bit of the PASID. */
    public static final int PASID_SHIFT = 40;
    /** High word: T2. Page requests have it, too. */
    public static final long ATOMIC = 1L << 28;
    /** High word: the request was privileged. */
    public static final long PRIVILEGED = 1L << 29;
    /** High word, {@code AT}: a translation request. */
    public static final long TRANSLATION_REQUEST = 1L << 60;
    /** High word, {@code AT}: a request with a translated address. */
    public static final long TRANSLATED_REQUEST = 2L << 60;
    /** High word: the request was a read (T1). Neither this nor {@link #ATOMIC} is a write, both are an AtomicOp. */
    public static final long READ = 1L << 62;
    /** High word: the record is in use; software clears it by writing 1. */
    public static final long FAULT = 1L << 63;

    private FaultRecord() {}

    /** The high word of a record in use; {@code pasid} below 0 for none, {@code attributes} of the constants here. */
    public static long high(int sourceId, int pasid, long attributes, int reason) {
        return FAULT | attributes | (long) reason << REASON_SHIFT | sourceId
                | (pasid < 0 ? 0 : PASID_PRESENT | (long) pasid << PASID_SHIFT);
    }

    /** The PASID of a high word, or -1. */
    public static int pasid(long high) {
        return (high & PASID_PRESENT) == 0 ? -1 : (int) (high >>> PASID_SHIFT) & 0xF_FFFF;
    }

    /** The reason of a high word. */
    public static int reason(long high) {
        return (int) (high >>> REASON_SHIFT) & 0xFF;
    }
}
