package iommu.smmuv3.unit;

/** Translation regime of a stream's stage 1, StreamWorld in the specification (IHI 0070, §3.3.4). */
enum Regime {
    /** Two tables, ASIDs, VMIDs, privileged and unprivileged requests. */
    EL1,
    /** One table, no ASIDs and VMIDs, all requests privileged. */
    EL2,
    /** Like {@link #EL1} without VMIDs. */
    EL2_E2H
}
