package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_pci_hot_reset_info} of {@code linux/vfio.h} (Linux 7.3), native byte order: which devices a hot reset
 * reaches; they follow. Argument of {@code VFIO_DEVICE_GET_PCI_HOT_RESET_INFO}.
 */
public final class VfioPciHotResetInfo {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_pci_hot_reset_info";
    /** Request number: {@code _IO(';', 112)}. */
    public static final int VFIO_DEVICE_GET_PCI_HOT_RESET_INFO = 0x3B70;

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static final int ARGSZ_OFFSET = 0;
    /** {@code flags}: {@code VFIO_PCI_HOT_RESET_FLAG_}, answered. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code count}: devices, answered. */
    public static final int COUNT_OFFSET = 8;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 12;
    /** Through {@code count}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 12;

    /** Devices are named by their numbers in iommufd. */
    public static final int VFIO_PCI_HOT_RESET_FLAG_DEV_ID = 1;
    /** All of them are the caller's. */
    public static final int VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED = 2;

    private VfioPciHotResetInfo() {}

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static int argsz(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET);
    }

    /** Stores {@code argsz}. */
    public static void argsz(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET, value);
    }

    /** {@code flags}: {@code VFIO_PCI_HOT_RESET_FLAG_}, answered. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code count}: devices, answered. */
    public static int count(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, COUNT_OFFSET);
    }

    /** Stores {@code count}. */
    public static void count(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, COUNT_OFFSET, value);
    }
}
