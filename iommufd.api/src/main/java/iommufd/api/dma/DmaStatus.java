package iommufd.api.dma;

/** How a DMA request ended. */
public enum DmaStatus {
    /** All bytes moved. */
    DONE,
    /**
     * The IOMMU refused a part: a fault record was raised. Of a write, bytes before the refused page have arrived; of a
     * read, the target is filled with zeros.
     */
    FAULTED,
    /** The request never got an answer: endpoint unplugged, memory gone, or no hardware for too long. */
    ABORTED,
    /**
     * The backend's port is closed: nothing moved, try its successor. Only between a backend and the fabric; a device never
     * sees it.
     */
    CLOSED
}
