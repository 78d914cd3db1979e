package vfio.adapter.migration;

import java.util.Optional;
import vfio.device.Migration.Activity;

/** {@code enum vfio_device_mig_state}, in the order of its numbers. */
public enum DeviceState {
    /** Broken until reset. */
    ERROR(Activity.STOPPED),
    /** Does nothing. */
    STOP(Activity.STOPPED),
    /** Does everything. */
    RUNNING(Activity.RUNNING),
    /** Does nothing, its state is read. */
    STOP_COPY(Activity.STOPPED),
    /** Does nothing, its state is written. */
    RESUMING(Activity.STOPPED),
    /** Sends nothing. */
    RUNNING_P2P(Activity.PASSIVE),
    /** Does everything, its state is read. */
    PRE_COPY(Activity.RUNNING),
    /** Sends nothing, its state is read. */
    PRE_COPY_P2P(Activity.PASSIVE);

    private final Activity activity;

    DeviceState(Activity activity) {
        this.activity = activity;
    }

    /** The state of that number. */
    public static Optional<DeviceState> of(int number) {
        return number >= 0 && number < values().length ? Optional.of(values()[number]) : Optional.empty();
    }

    /** What the device does in it. */
    Activity activity() {
        return activity;
    }

    /** Whether the device's state is read in it. */
    boolean isSaving() {
        return this == STOP_COPY || isPreCopy();
    }

    /** Whether the device's state is read while it may still change. */
    boolean isPreCopy() {
        return this == PRE_COPY || this == PRE_COPY_P2P;
    }

    /** Whether only devices that can be passive have it. */
    boolean isPassive() {
        return activity == Activity.PASSIVE;
    }
}
