package vmm.devices.virtio.net;

/** Feature bits of network devices (virtio 1.2, §5.1.3). */
final class NetFeature {
    static final long CSUM = 1L << 0;
    static final long GUEST_CSUM = 1L << 1;
    static final long CTRL_GUEST_OFFLOADS = 1L << 2;
    static final long MTU = 1L << 3;
    static final long MAC = 1L << 5;
    static final long GUEST_TSO4 = 1L << 7;
    static final long GUEST_TSO6 = 1L << 8;
    static final long GUEST_ECN = 1L << 9;
    static final long GUEST_UFO = 1L << 10;
    static final long HOST_TSO4 = 1L << 11;
    static final long HOST_TSO6 = 1L << 12;
    static final long HOST_ECN = 1L << 13;
    static final long MERGEABLE_BUFFERS = 1L << 15;
    static final long STATUS = 1L << 16;
    static final long CTRL_VQ = 1L << 17;
    static final long CTRL_RX = 1L << 18;
    static final long CTRL_RX_EXTRA = 1L << 20;
    static final long MULTI_QUEUE = 1L << 22;
    static final long CTRL_MAC = 1L << 23;

    /** What a receiver can be left with. */
    static final long GUEST_OFFLOADS = GUEST_CSUM | GUEST_TSO4 | GUEST_TSO6 | GUEST_ECN | GUEST_UFO;
    private static final long GUEST_TSO = GUEST_TSO4 | GUEST_TSO6 | GUEST_ECN;
    private static final long HOST_TSO = HOST_TSO4 | HOST_TSO6 | HOST_ECN;
    private static final long CONTROL = CTRL_RX | CTRL_RX_EXTRA | CTRL_MAC | MULTI_QUEUE | CTRL_GUEST_OFFLOADS;

    private NetFeature() {}

    /** Whether these can be chosen together (virtio 1.2, §5.1.3.1), but for what {@link #effective} lets pass. */
    static boolean consistent(long features) {
        return ((features & GUEST_TSO) == 0 || (features & GUEST_CSUM) != 0)
                && ((features & HOST_TSO) == 0 || (features & CSUM) != 0);
    }

    /**
     * What a choice comes to. Orders that no queue could carry are not to be had; to choose them all the same is what DPDK does whose
     * driver has a control queue of its own in front of a device.
     */
    static long effective(long features) {
        return (features & CTRL_VQ) != 0 ? features : features & ~CONTROL;
    }
}
