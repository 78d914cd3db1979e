package vdpa.adapter.uapi;

/** Bits of the device status (virtio 1.3, §2.1). */
public final class VirtioStatus {
    /** The driver is set up. */
    public static final int DRIVER_OK = 4;
    /** Features are negotiated. */
    public static final int FEATURES_OK = 8;
    /** The device cannot go on until it is reset. */
    public static final int NEEDS_RESET = 0x40;

    private VirtioStatus() {}
}
