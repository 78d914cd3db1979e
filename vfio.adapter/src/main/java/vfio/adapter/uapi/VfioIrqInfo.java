package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_irq_info} of {@code linux/vfio.h} (Linux 7.3), native byte order: what a kind of interrupts is.
 * Argument of {@code VFIO_DEVICE_GET_IRQ_INFO}.
 */
public final class VfioIrqInfo {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_irq_info";
    /** Request number: {@code _IO(';', 109)}. */
    public static final int VFIO_DEVICE_GET_IRQ_INFO = 0x3B6D;

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static final int ARGSZ_OFFSET = 0;
    /** {@code flags}: {@code VFIO_IRQ_INFO_}, answered. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code index}: which kind. */
    public static final int INDEX_OFFSET = 8;
    /** {@code count}: vectors, answered. */
    public static final int COUNT_OFFSET = 12;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 16;
    /** Through {@code count}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 16;

    /** Signalled through eventfds. */
    public static final int VFIO_IRQ_INFO_EVENTFD = 1;
    /** Can be masked. */
    public static final int VFIO_IRQ_INFO_MASKABLE = 2;
    /** Masked whenever it is signalled. */
    public static final int VFIO_IRQ_INFO_AUTOMASKED = 4;
    /** All vectors are enabled together. */
    public static final int VFIO_IRQ_INFO_NORESIZE = 8;
    /** The line. */
    public static final int VFIO_PCI_INTX_IRQ_INDEX = 0;
    /** MSI. */
    public static final int VFIO_PCI_MSI_IRQ_INDEX = 1;
    /** MSI-X. */
    public static final int VFIO_PCI_MSIX_IRQ_INDEX = 2;
    /** Unrecoverable errors. */
    public static final int VFIO_PCI_ERR_IRQ_INDEX = 3;
    /** The device is wanted back. */
    public static final int VFIO_PCI_REQ_IRQ_INDEX = 4;
    /** Kinds of a PCI function. */
    public static final int VFIO_PCI_NUM_IRQS = 5;

    private VfioIrqInfo() {}

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static int argsz(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET);
    }

    /** Stores {@code argsz}. */
    public static void argsz(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET, value);
    }

    /** {@code flags}: {@code VFIO_IRQ_INFO_}, answered. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code index}: which kind. */
    public static int index(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, INDEX_OFFSET);
    }

    /** Stores {@code index}. */
    public static void index(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, INDEX_OFFSET, value);
    }

    /** {@code count}: vectors, answered. */
    public static int count(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, COUNT_OFFSET);
    }

    /** Stores {@code count}. */
    public static void count(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, COUNT_OFFSET, value);
    }
}
