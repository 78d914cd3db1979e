package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_device_feature_mig_state} of {@code linux/vfio.h} (Linux 7.3), native byte order: the migration state.
 */
public final class VfioDeviceFeatureMigState {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_device_feature_mig_state";

    /** {@code device_state}: {@code VFIO_DEVICE_STATE_}. */
    public static final int DEVICE_STATE_OFFSET = 0;
    /** {@code data_fd}: descriptor of the data, or -1. */
    public static final int DATA_FD_OFFSET = 4;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 8;

    /** Broken until reset. */
    public static final int VFIO_DEVICE_STATE_ERROR = 0;
    /** Stopped. */
    public static final int VFIO_DEVICE_STATE_STOP = 1;
    /** Running. */
    public static final int VFIO_DEVICE_STATE_RUNNING = 2;
    /** Stopped, its state is read. */
    public static final int VFIO_DEVICE_STATE_STOP_COPY = 3;
    /** Stopped, its state is written. */
    public static final int VFIO_DEVICE_STATE_RESUMING = 4;
    /** Sends nothing, takes requests. */
    public static final int VFIO_DEVICE_STATE_RUNNING_P2P = 5;
    /** Running, its state is read. */
    public static final int VFIO_DEVICE_STATE_PRE_COPY = 6;
    /** As {@link #VFIO_DEVICE_STATE_RUNNING_P2P}, its state is read. */
    public static final int VFIO_DEVICE_STATE_PRE_COPY_P2P = 7;

    private VfioDeviceFeatureMigState() {}

    /** {@code device_state}: {@code VFIO_DEVICE_STATE_}. */
    public static int deviceState(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, DEVICE_STATE_OFFSET);
    }

    /** Stores {@code device_state}. */
    public static void deviceState(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, DEVICE_STATE_OFFSET, value);
    }

    /** {@code data_fd}: descriptor of the data, or -1. */
    public static int dataFd(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, DATA_FD_OFFSET);
    }

    /** Stores {@code data_fd}. */
    public static void dataFd(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, DATA_FD_OFFSET, value);
    }
}
