package iommufd.api;

/** Against whose limit pinned pages count ({@code IOMMU_OPTION_RLIMIT_MODE}). */
public enum PinAccounting {
    /** All contexts of the user together (mode 0, the default). */
    USER,
    /** The process's own locked memory, as VFIO did it (mode 1). */
    PROCESS
}
