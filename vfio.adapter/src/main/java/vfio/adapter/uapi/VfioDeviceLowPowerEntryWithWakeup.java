package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_device_low_power_entry_with_wakeup} of {@code linux/vfio.h} (Linux 7.3), native byte order: whom to
 * tell when the device wakes up.
 */
public final class VfioDeviceLowPowerEntryWithWakeup {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_device_low_power_entry_with_wakeup";

    /** {@code wakeup_eventfd}: descriptor. */
    public static final int WAKEUP_EVENTFD_OFFSET = 0;
    /** {@code reserved}: unused. */
    public static final int RESERVED_OFFSET = 4;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 8;

    private VfioDeviceLowPowerEntryWithWakeup() {}

    /** {@code wakeup_eventfd}: descriptor. */
    public static int wakeupEventfd(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, WAKEUP_EVENTFD_OFFSET);
    }

    /** Stores {@code wakeup_eventfd}. */
    public static void wakeupEventfd(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, WAKEUP_EVENTFD_OFFSET, value);
    }

    /** {@code reserved}: unused. */
    public static int reserved(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET);
    }

    /** Stores {@code reserved}. */
    public static void reserved(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, RESERVED_OFFSET, value);
    }
}
