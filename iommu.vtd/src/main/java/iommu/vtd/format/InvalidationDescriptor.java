package iommu.vtd.format;

/**
 * Invalidation descriptors (§6.5.2): 128 bits, padded with zeros to 256 in wide queues. A type is bits 11:9 and 3:0 of the
 * first word. The methods build first ({@code …}) and second ({@code …Address}) words.
 */
public final class InvalidationDescriptor {
    /** Size in a narrow queue. */
    public static final int BYTES = 16;
    /** Size in a wide queue. */
    public static final int WIDE_BYTES = 32;

    /** Context-cache. §6.5.2.1 */
    public static final int CONTEXT_CACHE = 1;
    /** IOTLB. §6.5.2.3 */
    public static final int IOTLB = 2;
    /** Device-TLB. §6.5.2.5 */
    public static final int DEVICE_TLB = 3;
    /** Interrupt entry cache. §6.5.2.8 */
    public static final int INTERRUPT_ENTRY_CACHE = 4;
    /** Wait. §6.5.2.9 */
    public static final int WAIT = 5;
    /** PASID-based IOTLB, wide queues only. §6.5.2.4 */
    public static final int PASID_IOTLB = 6;
    /** PASID-cache, wide queues only. §6.5.2.2 */
    public static final int PASID_CACHE = 7;
    /** PASID-based device-TLB, wide queues only. §6.5.2.6 */
    public static final int PASID_DEVICE_TLB = 8;
    /** Page group response, wide queues only. §7.6.1 */
    public static final int PAGE_GROUP_RESPONSE = 9;

    /** Granularity of {@link #CONTEXT_CACHE} and {@link #IOTLB}: everything. */
    public static final int GLOBAL = 1;
    /** Granularity of {@link #CONTEXT_CACHE} and {@link #IOTLB}: one domain. */
    public static final int DOMAIN = 2;
    /** Granularity of {@link #CONTEXT_CACHE}: one device. */
    public static final int DEVICE = 3;
    /** Granularity of {@link #IOTLB}: pages of a domain. */
    public static final int PAGES = 3;
    /** Granularity of {@link #PASID_IOTLB}: a PASID in a domain. */
    public static final int PASID = 2;
    /** Granularity of {@link #PASID_IOTLB}: pages of a PASID in a domain. */
    public static final int PASID_PAGES = 3;
    /** Granularity of {@link #PASID_CACHE}: one domain. */
    public static final int PASID_CACHE_DOMAIN = 0;
    /** Granularity of {@link #PASID_CACHE}: a PASID in a domain. */
    public static final int PASID_CACHE_PASID = 1;
    /** Granularity of {@link #PASID_CACHE}: everything. */
    public static final int PASID_CACHE_GLOBAL = 3;

    /** {@link #WAIT}: raise the completion event. */
    public static final long WAIT_INTERRUPT = 1L << 4;
    /** {@link #WAIT}: write the status. */
    public static final long WAIT_STATUS = 1L << 5;
    /** {@link #WAIT}: page requests are drained, too. */
    public static final long WAIT_PAGE_REQUESTS = 1L << 7;
    /** {@link #WAIT}: later descriptors wait, too. */
    public static final long WAIT_FENCE = 1L << 6;

    /** Second word of page-selective descriptors: address mask. */
    public static final int ADDRESS_MASK = 0x3F;
    /** Second word of page-selective descriptors: only leaves changed. */
    public static final long LEAVES_ONLY = 1L << 6;
    /** Second word of page-selective descriptors: the address. */
    public static final long ADDRESS = -1L << 12;

    /** Must be 0 in the first word, by type; type bits excluded. */
    private static final long[] FIRST_RESERVED = {
        -1L, 0xFFFC_0000_0000_F1C0L, 0xFFFF_FFFF_0000_F100L, 0xFFFF_0000_FFE0_F1F0L, 0xFFFF_0000_07FF_F1E0L,
        0x0000_0000_FFFF_F100L, 0xFFF0_0000_0000_F1C0L, 0xFFF0_0000_0000_F1C0L, 0xFFF0_0000_0000_F000L,
        0xFFF0_0000_0000_01E0L};
    /** Must be 0 in the second word, by type. */
    private static final long[] SECOND_RESERVED = {-1L, -1L, 0xF80L, 0xFFEL, -1L, 3L, 0xF80L, -1L, 0x7FEL, ~0xFFCL};

    /** Second word of a {@link #DEVICE_TLB}: the range is larger than a page. */
    public static final long RANGE_LARGE = 1;
    /** Second word of a {@link #PASID_DEVICE_TLB}: the range is larger than a page. */
    public static final long PASID_RANGE_LARGE = 1L << 11;
    /** Second word of device-TLB descriptors, besides the bit for large ranges: everything (§6.5.3.3). */
    private static final long WHOLE_RANGE = 0x7FFF_FFFF_FFFF_F000L;
    /** Second word of a {@link #PASID_DEVICE_TLB}: translations of all PASIDs go. */
    public static final long ALL_PASIDS = 1;

    private static final int DOMAIN_SHIFT = 16;
    private static final int GRANULARITY_SHIFT = 4;
    private static final int UPPER_SHIFT = 32;

    private InvalidationDescriptor() {}

    /** Type of a first word. */
    public static int type(long first) {
        return (int) (first & 0xF | first >>> 5 & 0x70);
    }

    /** Whether a reserved bit of a descriptor of a known type is set. */
    public static boolean reservedBits(int type, long first, long second) {
        return (first & FIRST_RESERVED[type] | second & SECOND_RESERVED[type]) != 0;
    }

    /** Granularity of a first word. */
    public static int granularity(long first) {
        return (int) (first >>> GRANULARITY_SHIFT) & 3;
    }

    /** Domain-id of a first word. */
    public static int domainId(long first) {
        return (int) (first >>> DOMAIN_SHIFT) & 0xFFFF;
    }

    /** PASID of a first word. */
    public static int pasid(long first) {
        return (int) (first >>> UPPER_SHIFT) & 0xF_FFFF;
    }

    /** Source-id of a {@link #CONTEXT_CACHE} first word. */
    public static int sourceId(long first) {
        return (int) (first >>> UPPER_SHIFT) & 0xFFFF;
    }

    /** Source-id of a {@link #PASID_DEVICE_TLB} or {@link #PAGE_GROUP_RESPONSE} first word. */
    public static int requesterId(long first) {
        return (int) (first >>> DOMAIN_SHIFT) & 0xFFFF;
    }

    /** Whether a {@link #PAGE_GROUP_RESPONSE} first word carries a PASID. */
    public static boolean hasPasid(long first) {
        return (first >>> GRANULARITY_SHIFT & 1) != 0;
    }

    /** Response code of a {@link #PAGE_GROUP_RESPONSE} first word; 0 is success. */
    public static int responseCode(long first) {
        return (int) (first >>> 12) & 0xF;
    }

    /** Group of a {@link #PAGE_GROUP_RESPONSE} second word. */
    public static int pageGroup(long second) {
        return (int) (second >>> 3) & 0x1FF;
    }

    /**
     * Bytes of the range in the second word of a {@link #DEVICE_TLB} or {@link #PASID_DEVICE_TLB}: a power of two, 0 for everything.
     */
    public static long rangeBytes(int type, long second) {
        if ((second & (type == DEVICE_TLB ? RANGE_LARGE : PASID_RANGE_LARGE)) == 0) {
            return 1L << 12;
        }
        int sizeLg2 = 12 + Long.numberOfTrailingZeros(~(second >>> 12)) + 1;
        return sizeLg2 >= Long.SIZE ? 0 : 1L << sizeLg2;
    }

    /** Invalidates all that a device-TLB holds of requests without PASID; {@link #wholeDeviceTlb} follows. */
    public static long deviceTlb(int sourceId) {
        return DEVICE_TLB | (long) sourceId << UPPER_SHIFT;
    }

    /** Invalidates all that a device-TLB holds of a PASID; {@link #wholeDeviceTlb} follows. */
    public static long pasidDeviceTlb(int sourceId, int pasid) {
        return PASID_DEVICE_TLB | (long) sourceId << DOMAIN_SHIFT | (long) pasid << UPPER_SHIFT;
    }

    /** Second word of {@link #deviceTlb} and {@link #pasidDeviceTlb}. */
    public static long wholeDeviceTlb(boolean ofPasid) {
        return WHOLE_RANGE | (ofPasid ? PASID_RANGE_LARGE : RANGE_LARGE);
    }

    /** Answers a group of page requests. @param pasid below 0 for none */
    public static long pageGroupResponse(int sourceId, int pasid, int code) {
        return PAGE_GROUP_RESPONSE | (long) code << 12 | (long) sourceId << DOMAIN_SHIFT
                | (pasid < 0 ? 0 : 1L << GRANULARITY_SHIFT | (long) pasid << UPPER_SHIFT);
    }

    /** Second word of {@link #pageGroupResponse}. */
    public static long pageGroupWord(int group) {
        return (long) group << 3;
    }

    /** Function mask of a {@link #CONTEXT_CACHE} first word. */
    public static int functionMask(long first) {
        return (int) (first >>> 48) & 3;
    }

    /** Status data of a {@link #WAIT} first word. */
    public static int statusData(long first) {
        return (int) (first >>> UPPER_SHIFT);
    }

    /** Invalidates the context-cache. */
    public static long contextCache(int granularity, int domainId, int sourceId) {
        return CONTEXT_CACHE | granularity << GRANULARITY_SHIFT | (long) domainId << DOMAIN_SHIFT
                | (long) sourceId << UPPER_SHIFT;
    }

    /** Invalidates the PASID-cache. */
    public static long pasidCache(int granularity, int domainId, int pasid) {
        return PASID_CACHE | granularity << GRANULARITY_SHIFT | (long) domainId << DOMAIN_SHIFT
                | (long) pasid << UPPER_SHIFT;
    }

    /** Invalidates the IOTLB and drains reads and writes. */
    public static long iotlb(int granularity, int domainId) {
        return IOTLB | granularity << GRANULARITY_SHIFT | 3 << 6 | (long) domainId << DOMAIN_SHIFT;
    }

    /** Invalidates first-stage translations. */
    public static long pasidIotlb(int granularity, int domainId, int pasid) {
        return PASID_IOTLB | granularity << GRANULARITY_SHIFT | (long) domainId << DOMAIN_SHIFT
                | (long) pasid << UPPER_SHIFT;
    }

    /** Second word of a page-selective descriptor. */
    public static long pagesAddress(long address, int addressMask, boolean leavesOnly) {
        return address & ADDRESS | addressMask | (leavesOnly ? LEAVES_ONLY : 0);
    }

    /** Waits, then writes {@code statusData} to the address in the second word. */
    public static long waitForStatus(int statusData) {
        return WAIT | WAIT_STATUS | WAIT_FENCE | (long) statusData << UPPER_SHIFT;
    }
}
