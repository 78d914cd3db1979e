package vfio.device;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * How a device's state moves to another host: VFIO's migration version 2 ({@code enum vfio_device_mig_state}), reduced to what a
 * device does. The adapter keeps the states and walks the arcs between them. The configuration space is not part of the state,
 * the client carries it. Calls come one at a time.
 */
@ConsumerType
public interface Migration {
    /** How much a device does. */
    enum Activity {
        /** Everything. */
        RUNNING,
        /** It sends no requests by itself, but accesses to its registers are carried out ({@code RUNNING_P2P}). */
        PASSIVE,
        /** Nothing: its state does not change. Registers keep what clients write until it runs again. */
        STOPPED
    }

    /** Whether it knows {@link Activity#PASSIVE}. */
    default boolean peerToPeer() {
        return false;
    }

    /** Whether {@link #copyRunning()} works. */
    default boolean preCopy() {
        return false;
    }

    /** Lets it do that much from now on; on return nothing more is under way. @throws IommufdException any errno: it is then broken until reset */
    void setActivity(Activity activity);

    /** How long the state is expected to be if {@link #copyStopped()} were called now. */
    long stateBytes();

    /**
     * The state of a stopped device. If it was copied while running before, only what that reader has not given.
     *
     * @return its end is the state's end; the adapter closes it, perhaps before
     */
    ReadableByteChannel copyStopped();

    /**
     * What can be copied while the device runs. Reads that find nothing for now return 0; it has no end.
     *
     * @throws IommufdException {@link Errno#EOPNOTSUPP} unless {@link #preCopy()}
     */
    default ReadableByteChannel copyRunning() {
        throw new IommufdException(Errno.EOPNOTSUPP, "this device's state is copied while it is stopped");
    }

    /** How much {@link #copyRunning()} would give now; 0 if nothing has changed since the last read. */
    default long runningBytes() {
        return 0;
    }

    /**
     * Takes the state that another device gave. Closing ends it: the device then has that state, stopped.
     *
     * @return a write or the close throws {@link IommufdException} with {@link Errno#EINVAL} for what is no state of this device
     */
    WritableByteChannel restore();
}
