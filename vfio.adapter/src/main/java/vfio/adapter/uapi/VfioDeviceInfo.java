package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_device_info} of {@code linux/vfio.h} (Linux 7.3), native byte order: what a device has. Argument of
 * {@code VFIO_DEVICE_GET_INFO}.
 */
public final class VfioDeviceInfo {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_device_info";
    /** Request number: {@code _IO(';', 107)}. */
    public static final int VFIO_DEVICE_GET_INFO = 0x3B6B;

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static final int ARGSZ_OFFSET = 0;
    /** {@code flags}: {@code VFIO_DEVICE_FLAGS_}, answered. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code num_regions}: regions, answered. */
    public static final int NUM_REGIONS_OFFSET = 8;
    /** {@code num_irqs}: kinds of interrupts, answered. */
    public static final int NUM_IRQS_OFFSET = 12;
    /** {@code cap_offset}: where capabilities begin, answered. */
    public static final int CAP_OFFSET_OFFSET = 16;
    /** {@code pad}: unused. */
    public static final int PAD_OFFSET = 20;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 24;
    /** Through {@code num_irqs}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 16;

    /** It can be reset. */
    public static final int VFIO_DEVICE_FLAGS_RESET = 1;
    /** It is a PCI function. */
    public static final int VFIO_DEVICE_FLAGS_PCI = 2;
    /** There are capabilities. */
    public static final int VFIO_DEVICE_FLAGS_CAPS = 128;

    private VfioDeviceInfo() {}

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static int argsz(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET);
    }

    /** Stores {@code argsz}. */
    public static void argsz(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET, value);
    }

    /** {@code flags}: {@code VFIO_DEVICE_FLAGS_}, answered. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code num_regions}: regions, answered. */
    public static int numRegions(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, NUM_REGIONS_OFFSET);
    }

    /** Stores {@code num_regions}. */
    public static void numRegions(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, NUM_REGIONS_OFFSET, value);
    }

    /** {@code num_irqs}: kinds of interrupts, answered. */
    public static int numIrqs(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, NUM_IRQS_OFFSET);
    }

    /** Stores {@code num_irqs}. */
    public static void numIrqs(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, NUM_IRQS_OFFSET, value);
    }

    /** {@code cap_offset}: where capabilities begin, answered. */
    public static int capOffset(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, CAP_OFFSET_OFFSET);
    }

    /** Stores {@code cap_offset}. */
    public static void capOffset(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, CAP_OFFSET_OFFSET, value);
    }

    /** {@code pad}: unused. */
    public static int pad(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, PAD_OFFSET);
    }

    /** Stores {@code pad}. */
    public static void pad(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, PAD_OFFSET, value);
    }
}
