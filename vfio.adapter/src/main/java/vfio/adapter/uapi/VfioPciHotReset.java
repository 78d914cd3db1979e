package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_pci_hot_reset} of {@code linux/vfio.h} (Linux 7.3), native byte order: resets a bus; descriptors of
 * groups follow. Argument of {@code VFIO_DEVICE_PCI_HOT_RESET}.
 */
public final class VfioPciHotReset {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_pci_hot_reset";
    /** Request number: {@code _IO(';', 113)}. */
    public static final int VFIO_DEVICE_PCI_HOT_RESET = 0x3B71;

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static final int ARGSZ_OFFSET = 0;
    /** {@code flags}: must be 0. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code count}: descriptors. */
    public static final int COUNT_OFFSET = 8;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 12;
    /** Through {@code count}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 12;

    private VfioPciHotReset() {}

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static int argsz(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET);
    }

    /** Stores {@code argsz}. */
    public static void argsz(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET, value);
    }

    /** {@code flags}: must be 0. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code count}: descriptors. */
    public static int count(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, COUNT_OFFSET);
    }

    /** Stores {@code count}. */
    public static void count(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, COUNT_OFFSET, value);
    }
}
