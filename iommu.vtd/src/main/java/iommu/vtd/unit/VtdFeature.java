package iommu.vtd.unit;

/**
 * Something a unit may be built with: bits of the capability and extended capability registers (§11.4.2, §11.4.3), and the features
 * without which they mean nothing.
 */
public enum VtdFeature {
    /** Requests are translated at all; without it there is interrupt remapping only. */
    DMA_TRANSLATION(0, 0),
    /** CM: what is absent or wrong is cached, too, and must be invalidated when that changes. */
    CACHING_MODE(1L << 7, 0),
    /** RWBF: software must flush write buffers by a command before the unit sees what it wrote. */
    WRITE_BUFFER_FLUSH(1L << 4, 0),
    /** PLMR: the protected low-memory region. */
    PROTECTED_LOW(1L << 5, 0),
    /** PHMR: the protected high-memory region. */
    PROTECTED_HIGH(1L << 6, 0),
    /** SSLPS 0: second-stage leaves of 2 MiB. */
    SECOND_STAGE_2M(1L << 34, 0, DMA_TRANSLATION),
    /** SSLPS 1: second-stage leaves of 1 GiB. */
    SECOND_STAGE_1G(1L << 35, 0, SECOND_STAGE_2M),
    /** PSI: page-selective IOTLB invalidation. */
    PAGE_SELECTIVE(1L << 39, 0),
    /** DWD and DRD: invalidation drains writes and reads. It always does; required from version 2 on. */
    DRAINING(3L << 54, 0),
    /** ESRTPS: setting the root table pointer invalidates everything. */
    ENHANCED_SET_ROOT(1L << 63, 0),

    /** QI: the invalidation queue. */
    QUEUED_INVALIDATION(0, 1L << 1),
    /** DT: device-TLBs. */
    DEVICE_TLB(0, 1L << 2, QUEUED_INVALIDATION, DMA_TRANSLATION),
    /** IR: interrupt remapping. */
    INTERRUPT_REMAPPING(0, 1L << 3, QUEUED_INVALIDATION),
    /** EIM: interrupts to x2APIC destinations. */
    EXTENDED_INTERRUPTS(0, 1L << 4, INTERRUPT_REMAPPING),
    /** ESIRTPS: setting the interrupt remapping table pointer invalidates everything. */
    ENHANCED_SET_INTERRUPT(1L << 62, 0, INTERRUPT_REMAPPING),
    /** PI: posted interrupts. */
    POSTED_INTERRUPTS(1L << 59, 0, INTERRUPT_REMAPPING),
    /** PT: pass-through. */
    PASS_THROUGH(0, 1L << 6, DMA_TRANSLATION),
    /** SC: snoop control. */
    SNOOP_CONTROL(0, 1L << 7),

    /** SMTS: scalable mode. */
    SCALABLE_MODE(0, 1L << 43, QUEUED_INVALIDATION, DMA_TRANSLATION),
    /** SMPWCS: scalable-mode page walks may be coherent, and may then set accessed and dirty bits. */
    SCALABLE_COHERENT(0, 1L << 48, SCALABLE_MODE),
    /** RPS: the PASID of requests without one can be chosen. */
    RID_PASID(0, 1L << 49, SCALABLE_MODE),
    /** PASID: requests with PASID. */
    PASID(0, 1L << 40, SCALABLE_MODE),
    /** SSTS: second stage in scalable mode. */
    SECOND_STAGE(0, 1L << 46, SCALABLE_MODE),
    /** SSADS: accessed and dirty bits in the second stage. */
    SECOND_STAGE_DIRTY(0, 1L << 45, SECOND_STAGE, SCALABLE_COHERENT),
    /** FSTS: first stage. */
    FIRST_STAGE(0, 1L << 47, SCALABLE_MODE),
    /** FS1GP: first-stage leaves of 1 GiB. */
    FIRST_STAGE_1G(1L << 56, 0, FIRST_STAGE),
    /** FS5LP: first-stage tables of 5 levels. */
    FIRST_STAGE_5_LEVELS(1L << 60, 0, FIRST_STAGE),
    /** EAFS: extended accessed flag. */
    EXTENDED_ACCESSED(0, 1L << 34, FIRST_STAGE, SCALABLE_COHERENT),
    /** SRS: supervisor requests, and the write protection that goes with them. */
    SUPERVISOR(0, 1L << 31, FIRST_STAGE),
    /** RPRIVS: requests without PASID can be privileged. */
    RID_PRIVILEGED(0, 1L << 53, SUPERVISOR),
    /** NEST: first stage nested in second stage. */
    NESTED(0, 1L << 26, FIRST_STAGE, SECOND_STAGE),
    /** PRS: page requests. */
    PAGE_REQUESTS(0, 1L << 29, DEVICE_TLB, SCALABLE_MODE),
    /** PDS: a wait descriptor can drain page requests. */
    PAGE_REQUEST_DRAIN(0, 1L << 42, PAGE_REQUESTS),
    /** NWFS: translation requests may say that they will not write. */
    NO_WRITE_FLAG(0, 1L << 33, DEVICE_TLB),
    /** ADMS: abort-DMA mode. */
    ABORT_DMA(0, 1L << 52, QUEUED_INVALIDATION, DMA_TRANSLATION);

    private final long capability;
    private final long extendedCapability;
    private final VtdFeature[] needed;

    VtdFeature(long capability, long extendedCapability, VtdFeature... needed) {
        this.capability = capability;
        this.extendedCapability = extendedCapability;
        this.needed = needed;
    }

    long capability() {
        return capability;
    }

    long extendedCapability() {
        return extendedCapability;
    }

    VtdFeature[] needed() {
        return needed.clone();
    }
}
