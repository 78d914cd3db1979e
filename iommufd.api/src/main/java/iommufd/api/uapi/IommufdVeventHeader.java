package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct iommufd_vevent_header} of {@code linux/iommufd.h} (Linux 7.3), native byte order. Stands before every
 * event, as read from an event queue.
 */
public final class IommufdVeventHeader {
    /** Name of the struct in C. */
    public static final String STRUCT = "iommufd_vevent_header";

    /** {@code flags}: {@link #IOMMU_VEVENTQ_FLAG_LOST_EVENTS}. */
    public static final int FLAGS_OFFSET = 0;
    /** {@code sequence}: counts events, lost ones included. */
    public static final int SEQUENCE_OFFSET = 4;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 8;

    /** Events were lost; nothing follows the header. */
    public static final int IOMMU_VEVENTQ_FLAG_LOST_EVENTS = 1 << 0;

    private IommufdVeventHeader() {}

    /** {@code flags}: {@link #IOMMU_VEVENTQ_FLAG_LOST_EVENTS}. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code sequence}: counts events, lost ones included. */
    public static int sequence(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, SEQUENCE_OFFSET);
    }

    /** Stores {@code sequence}. */
    public static void sequence(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, SEQUENCE_OFFSET, value);
    }
}
