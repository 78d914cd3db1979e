package iommu.s390.driver;

import iommufd.api.hardware.HardwareDomain;

/** What a function can be registered with. */
sealed interface TranslationTable extends HardwareDomain permits ZpciDomain, ZpciNestedDomain {
    /** Whose table it is. */
    ZpciDriver driver();

    /** The translation anchor. */
    long anchor();

    /** Lowest address of DMA. */
    long base();

    /** Highest address of DMA. */
    long limit();

    /** The table below, if this is a guest's; else this. */
    ZpciDomain host();

    /** {@code endpoint} is about to be registered with it: it is refreshed from now on, as soon as it is. */
    void join(ZpciEndpoint endpoint);

    /** It is not registered with it any more. */
    void leave(ZpciEndpoint endpoint);
}
