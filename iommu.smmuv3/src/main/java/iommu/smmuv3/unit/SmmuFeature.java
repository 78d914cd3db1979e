package iommu.smmuv3.unit;

/** What a unit may have or lack (IHI 0070, §6.3.1 to §6.3.6); the identification registers say which. */
public enum SmmuFeature {
    /** Stage 1. */
    STAGE1("stage"),
    /** Stage 2. */
    STAGE2("stage"),
    /** Tables with 4 KiB granules. */
    GRANULE_4K("gran4k"),
    /** Tables with 16 KiB granules. */
    GRANULE_16K("gran16k"),
    /** Tables with 64 KiB granules. */
    GRANULE_64K("gran64k"),
    /** Hardware sets the access flag. */
    HTTU_ACCESS("httu"),
    /** Hardware keeps the dirty state; needs {@link #HTTU_ACCESS}. */
    HTTU_DIRTY("httu"),
    /** Stage 1 of hypervisors: EL2 and EL2-E2H. */
    HYPERVISOR("hyp"),
    /** Faults may stall. */
    STALL("stall"),
    /** CD.A = 0: terminated requests read zeros and write nothing. */
    TERMINATE_RAZ_WI("raz-wi"),
    /** Two-level stream tables. */
    STREAM_TABLE_2LEVEL("st2lvl"),
    /** Two-level context descriptor tables. */
    CONTEXT_TABLE_2LEVEL("cd2l"),
    /** ASIDs of 16 bits. */
    ASID16("asid16"),
    /** VMIDs of 16 bits. */
    VMID16("vmid16"),
    /** TLB invalidation of groups of VMIDs. */
    VMID_WILDCARD("vmw"),
    /** Message-signalled interrupts of the unit itself. */
    MSI("msi"),
    /** Range invalidation. */
    RANGE_INVALIDATION("ril"),
    /** CD.HAD0 and HAD1. */
    HIERARCHICAL_DISABLE("had"),
    /** Stage 2 tells privileged execution from other. */
    EXECUTE_NEVER_BY_LEVEL("xnx"),
    /** Small translation tables. */
    SMALL_TABLES("stt"),
    /** CD.E0PD0 and E0PD1. */
    UNPRIVILEGED_DISABLE("e0pd"),
    /** Virtual addresses of 52 bits with 64 KiB granules. */
    LARGE_VA("lva"),
    /** STE.PRIVCFG and INSTCFG. */
    PERMISSION_OVERRIDES("attr-perms-ovr"),
    /** Translation requests of devices. */
    ATS("ats"),
    /** Devices may get stage 1 translations alone. */
    SPLIT_ATS("split-ats"),
    /** More events of ATS and PRI. */
    ATS_RECORDS("atsrecerr"),
    /** Page requests of devices. */
    PRI("pri"),
    /** Automatic page responses always have the request's PASID. */
    RESPONSE_PASID("pps"),
    /** Address translation registers. */
    ATOS("atos"),
    /** After reset requests are aborted. */
    ABORT_AFTER_RESET("gbpa-abort"),
    /** Command queues that a guest owns, behind {@link SmmuUnit}'s own registers. */
    VIRTUAL_QUEUES("cmdqv");

    private final String property;

    SmmuFeature(String property) {
        this.property = property;
    }

    /** The configuration property it belongs to. */
    public String property() {
        return property;
    }
}
