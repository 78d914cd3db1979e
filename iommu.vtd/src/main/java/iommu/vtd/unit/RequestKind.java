package iommu.vtd.unit;

/** Kinds of requests, by the columns of Table 30. */
enum RequestKind {
    /** With an address to be translated. */
    UNTRANSLATED,
    /** For the translation of an address. */
    TRANSLATION,
    /** With an address that was translated before. */
    TRANSLATED,
    /** For a page that is absent. */
    PAGE;

    /** Whether a device must have been allowed a device-TLB for it. */
    boolean usesDeviceTlb() {
        return this == TRANSLATION || this == TRANSLATED;
    }
}
