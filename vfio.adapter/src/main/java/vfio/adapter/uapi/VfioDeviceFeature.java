package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_device_feature} of {@code linux/vfio.h} (Linux 7.3), native byte order: asks for a feature, gets or
 * sets it; its data follow. Argument of {@code VFIO_DEVICE_FEATURE}.
 */
public final class VfioDeviceFeature {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_device_feature";
    /** Request number: {@code _IO(';', 117)}. */
    public static final int VFIO_DEVICE_FEATURE = 0x3B75;

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static final int ARGSZ_OFFSET = 0;
    /** {@code flags}: which feature, and {@code VFIO_DEVICE_FEATURE_}. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 8;
    /** Through {@code flags}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 8;

    /** Which feature. */
    public static final int VFIO_DEVICE_FEATURE_MASK = 65535;
    /** Gets. */
    public static final int VFIO_DEVICE_FEATURE_GET = 65536;
    /** Sets. */
    public static final int VFIO_DEVICE_FEATURE_SET = 131072;
    /** Only asks. */
    public static final int VFIO_DEVICE_FEATURE_PROBE = 262144;
    /** The token that users of virtual functions need. */
    public static final int VFIO_DEVICE_FEATURE_PCI_VF_TOKEN = 0;
    /** What of migration is supported. */
    public static final int VFIO_DEVICE_FEATURE_MIGRATION = 1;
    /** The migration state. */
    public static final int VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE = 2;
    /** Goes to sleep until it is accessed. */
    public static final int VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY = 3;
    /** Goes to sleep, and tells when it wakes up. */
    public static final int VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP = 4;
    /** Wakes up. */
    public static final int VFIO_DEVICE_FEATURE_LOW_POWER_EXIT = 5;
    /** Records which memory DMA writes. */
    public static final int VFIO_DEVICE_FEATURE_DMA_LOGGING_START = 6;
    /** Stops recording. */
    public static final int VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP = 7;
    /** Tells what was written. */
    public static final int VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT = 8;
    /** How long the state will be. */
    public static final int VFIO_DEVICE_FEATURE_MIG_DATA_SIZE = 9;
    /** Bus mastering of devices without configuration space. */
    public static final int VFIO_DEVICE_FEATURE_BUS_MASTER = 10;
    /** A region as a dma-buf. */
    public static final int VFIO_DEVICE_FEATURE_DMA_BUF = 11;
    /** Understands {@code VFIO_PRECOPY_INFO_REINIT}. */
    public static final int VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2 = 12;

    private VfioDeviceFeature() {}

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static int argsz(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET);
    }

    /** Stores {@code argsz}. */
    public static void argsz(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET, value);
    }

    /** {@code flags}: which feature, and {@code VFIO_DEVICE_FEATURE_}. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }
}
