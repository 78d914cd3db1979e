package iommu.vtd.format;

/** Fields of the extended capability register (§11.4.3). */
public final class ExtendedCapability {
    /** C: walks of root, context, PASID and legacy second-stage tables see the processor's writes. */
    public static final long COHERENT = 1;
    /** QI: the invalidation queue. */
    public static final long QUEUED_INVALIDATION = 1L << 1;
    /** DT: device-TLBs. */
    public static final long DEVICE_TLB = 1L << 2;
    /** PT: pass-through. */
    public static final long PASS_THROUGH = 1L << 6;
    /** SC: snoop control. */
    public static final long SNOOP_CONTROL = 1L << 7;
    /** Lowest bit of IRO: where the IOTLB registers are, in units of 16 bytes. */
    public static final int IOTLB_OFFSET_SHIFT = 8;
    /** NEST: first stage nested in second stage. */
    public static final long NESTED = 1L << 26;
    /** PRS: page requests. */
    public static final long PAGE_REQUESTS = 1L << 29;
    /** SRS: supervisor requests. */
    public static final long SUPERVISOR = 1L << 31;
    /** EAFS: extended accessed flag. */
    public static final long EXTENDED_ACCESSED = 1L << 34;
    /** Lowest bit of PSS: PASID width minus 1. */
    public static final int PASID_SIZE_SHIFT = 35;
    /** PASID: requests with PASID. */
    public static final long PASID = 1L << 40;
    /** SMTS: scalable mode. */
    public static final long SCALABLE_MODE = 1L << 43;
    /** SSADS: accessed and dirty bits in the second stage. */
    public static final long SECOND_STAGE_DIRTY = 1L << 45;
    /** SSTS: second stage in scalable mode. */
    public static final long SECOND_STAGE = 1L << 46;
    /** FSTS: first stage. */
    public static final long FIRST_STAGE = 1L << 47;
    /** SMPWCS: scalable-mode page walks may be coherent. */
    public static final long SCALABLE_COHERENT = 1L << 48;
    /** RPS: the PASID of requests without one can be chosen. */
    public static final long RID_PASID = 1L << 49;
    /** ADMS: abort-dma mode. */
    public static final long ABORT_DMA = 1L << 52;

    private ExtendedCapability() {}

    /** Offset of the invalidate-address register; the IOTLB register follows. */
    public static int iotlbOffset(long extendedCapability) {
        return (int) (extendedCapability >>> IOTLB_OFFSET_SHIFT & 0x3ff) * 16;
    }

    /** Bits of a PASID; 0 if requests with PASID are not supported. */
    public static int pasidBits(long extendedCapability) {
        return (extendedCapability & PASID) == 0 ? 0 : (int) (extendedCapability >>> PASID_SIZE_SHIFT & 0x1f) + 1;
    }
}
