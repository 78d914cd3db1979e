package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_irq_set} of {@code linux/vfio.h} (Linux 7.3), native byte order: sets up interrupts; data follow.
 * Argument of {@code VFIO_DEVICE_SET_IRQS}.
 */
public final class VfioIrqSet {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_irq_set";
    /** Request number: {@code _IO(';', 110)}. */
    public static final int VFIO_DEVICE_SET_IRQS = 0x3B6E;

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static final int ARGSZ_OFFSET = 0;
    /** {@code flags}: one of {@code VFIO_IRQ_SET_DATA_} and one of {@code VFIO_IRQ_SET_ACTION_}. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code index}: which kind. */
    public static final int INDEX_OFFSET = 8;
    /** {@code start}: first vector. */
    public static final int START_OFFSET = 12;
    /** {@code count}: vectors. */
    public static final int COUNT_OFFSET = 16;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 20;
    /** Through {@code count}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 20;

    /** No data: do it. */
    public static final int VFIO_IRQ_SET_DATA_NONE = 1;
    /** A byte for each vector: do it unless 0. */
    public static final int VFIO_IRQ_SET_DATA_BOOL = 2;
    /** A descriptor for each vector, -1 for none. */
    public static final int VFIO_IRQ_SET_DATA_EVENTFD = 4;
    /** Masks. */
    public static final int VFIO_IRQ_SET_ACTION_MASK = 8;
    /** Unmasks. */
    public static final int VFIO_IRQ_SET_ACTION_UNMASK = 16;
    /** Triggers, or says what is to be signalled. */
    public static final int VFIO_IRQ_SET_ACTION_TRIGGER = 32;
    /** All kinds of data. */
    public static final int VFIO_IRQ_SET_DATA_TYPE_MASK = 7;
    /** All actions. */
    public static final int VFIO_IRQ_SET_ACTION_TYPE_MASK = 56;

    private VfioIrqSet() {}

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static int argsz(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET);
    }

    /** Stores {@code argsz}. */
    public static void argsz(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET, value);
    }

    /** {@code flags}: one of {@code VFIO_IRQ_SET_DATA_} and one of {@code VFIO_IRQ_SET_ACTION_}. */
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

    /** {@code start}: first vector. */
    public static int start(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, START_OFFSET);
    }

    /** Stores {@code start}. */
    public static void start(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, START_OFFSET, value);
    }

    /** {@code count}: vectors. */
    public static int count(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, COUNT_OFFSET);
    }

    /** Stores {@code count}. */
    public static void count(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, COUNT_OFFSET, value);
    }
}
