package iommu.vtd.driver;

import iommufd.api.hardware.HardwareDomain;

/** What a PASID entry can refer to: a page table of the driver's own, or a guest's first stage over one. */
sealed interface AttachedDomain extends HardwareDomain permits VtdDomain, VtdNestedDomain {
    /** The driver's own table: this, or what it is nested in. It has the domain-id, and its lock guards attachments. */
    VtdDomain stage();

    /** Whether there is a first stage. */
    boolean firstStage();

    /** Whether translation ends in a second stage: then caches are rid of it by domain (§6.5.3.3, Table 28). */
    boolean endsInSecondStage();

    /** Word 0 of a PASID entry for this domain; under the lock of {@link #stage}, until the entry is written. */
    long pasidWord0();

    /** Word 2 of a PASID entry; 0 without a first stage. */
    long pasidWord2();

    /** An entry is about to refer to it; under the lock of {@link #stage}. An unmap that does not see this user is seen by the user. */
    void join(VtdEndpoint endpoint, int pasid);

    /** The entry is about to refer to something else: from now on it is not rewritten. Caches may still refer to the tables. */
    default void leave(VtdEndpoint endpoint, int pasid) {
        stage().detach(endpoint, pasid);
    }

    /** After {@link #leave}: no cache refers to the tables any more. */
    void left(int pasid);
}
