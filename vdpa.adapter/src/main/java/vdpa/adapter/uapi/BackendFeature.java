package vdpa.adapter.uapi;

/** Features of the transport ({@code VHOST_BACKEND_F_*} of {@code linux/vhost_types.h}), as masks. */
public final class BackendFeature {
    /** Messages of version 2. */
    public static final long IOTLB_MSG_V2 = 1L << 1;
    /** Messages may come in batches. */
    public static final long IOTLB_BATCH = 1L << 2;
    /** Messages name address spaces. */
    public static final long IOTLB_ASID = 1L << 3;
    /** The device can be suspended. */
    public static final long SUSPEND = 1L << 4;
    /** The device can be resumed. */
    public static final long RESUME = 1L << 5;
    /** Queues may be enabled after {@code DRIVER_OK}. */
    public static final long ENABLE_AFTER_DRIVER_OK = 1L << 6;
    /** Rings may be in other groups than buffers. */
    public static final long DESC_ASID = 1L << 7;
    /** Mappings survive a reset. */
    public static final long IOTLB_PERSIST = 1L << 8;
    /** All that there are. */
    public static final long KNOWN =
            IOTLB_MSG_V2 | IOTLB_BATCH | IOTLB_ASID | SUSPEND | RESUME | ENABLE_AFTER_DRIVER_OK | DESC_ASID | IOTLB_PERSIST;

    private BackendFeature() {}
}
