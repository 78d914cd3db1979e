package vdpa.device;

/** Feature bits that any virtio device may have (virtio 1.3, §6), as masks. Those of one device type are its model's. */
public final class VirtioFeature {
    /** Descriptors may point at tables of descriptors. §2.7.5.3 */
    public static final long INDIRECT_DESC = 1L << 28;
    /** Both sides say at which index they want to be told. §2.7.10 */
    public static final long EVENT_IDX = 1L << 29;
    /** Virtio 1.0 and later. Every function offers it. */
    public static final long VERSION_1 = 1L << 32;
    /** The device reaches memory through an IOMMU. Every function offers it, and no driver can do without. */
    public static final long ACCESS_PLATFORM = 1L << 33;
    /** Packed queues. §2.8 */
    public static final long RING_PACKED = 1L << 34;
    /** Buffers are used in the order in which they were made available. */
    public static final long IN_ORDER = 1L << 35;
    /** Memory is accessed as platforms order it. */
    public static final long ORDER_PLATFORM = 1L << 36;
    /** Kicks carry data. §4.1.5.2; only of use with {@link VdpaFunction#notificationPages()}: an eventfd carries none */
    public static final long NOTIFICATION_DATA = 1L << 38;

    private VirtioFeature() {}
}
