package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_device_feature_migration} of {@code linux/vfio.h} (Linux 7.3), native byte order: what of migration is
 * supported.
 */
public final class VfioDeviceFeatureMigration {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_device_feature_migration";

    /** {@code flags}: {@code VFIO_MIGRATION_}. */
    public static final int FLAGS_OFFSET = 0;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 8;

    /** The state of a stopped device. */
    public static final int VFIO_MIGRATION_STOP_COPY = 1;
    /** Devices that send nothing but take requests. */
    public static final int VFIO_MIGRATION_P2P = 2;
    /** The state of a running device. */
    public static final int VFIO_MIGRATION_PRE_COPY = 4;

    private VfioDeviceFeatureMigration() {}

    /** {@code flags}: {@code VFIO_MIGRATION_}. */
    public static long flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, long value) {
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, FLAGS_OFFSET, value);
    }
}
