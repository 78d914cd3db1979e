package vmm.devices.virtio;

/** Feature bits that belong to no device type (virtio 1.2, §6). */
public final class FeatureBits {
    /** Descriptors may point to tables of descriptors. */
    public static final long INDIRECT_DESCRIPTORS = 1L << 28;
    /** Both sides say at which entry they want to hear of the other. */
    public static final long EVENT_INDEX = 1L << 29;
    /** The device is no legacy device. */
    public static final long VERSION_1 = 1L << 32;
    /** The device sees memory through an IOMMU. */
    public static final long ACCESS_PLATFORM = 1L << 33;
    /** Queues are packed. */
    public static final long RING_PACKED = 1L << 34;
    /** The device uses buffers in the order in which they were made available. */
    public static final long IN_ORDER = 1L << 35;
    /** The driver must order its memory accesses as for hardware. */
    public static final long ORDER_PLATFORM = 1L << 36;

    /** What {@link Virtqueue} knows how to do, beside {@link #IN_ORDER}, which is up to the device that completes. */
    public static final long QUEUE = INDIRECT_DESCRIPTORS | EVENT_INDEX | RING_PACKED;

    private FeatureBits() {}
}
