package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_device_feature_mig_data_size} of {@code linux/vfio.h} (Linux 7.3), native byte order: how long the
 * state will be.
 */
public final class VfioDeviceFeatureMigDataSize {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_device_feature_mig_data_size";

    /** {@code stop_copy_length}: bytes. */
    public static final int STOP_COPY_LENGTH_OFFSET = 0;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 8;

    private VfioDeviceFeatureMigDataSize() {}

    /** {@code stop_copy_length}: bytes. */
    public static long stopCopyLength(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, STOP_COPY_LENGTH_OFFSET);
    }

    /** Stores {@code stop_copy_length}. */
    public static void stopCopyLength(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, STOP_COPY_LENGTH_OFFSET, value);
    }
}
