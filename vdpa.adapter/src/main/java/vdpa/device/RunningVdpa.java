package vdpa.device;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.MemorySegment;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * A device in the hands of a client, from open(2) to the last close(2).
 *
 * <p>Its life, as often as the driver likes: {@link #negotiated}, {@link #driverReady}, then {@link #queueReady} for each queue; and
 * {@link #reset}. All calls but {@link #kick} come one at a time, each after the one before has returned. An
 * {@link IommufdException} is the client's errno where the method says so; any other failure of {@link #driverReady} and
 * {@link #queueReady} makes the device one that needs a reset, and is logged.
 */
@ConsumerType
public interface RunningVdpa extends AutoCloseable {
    /**
     * The driver has chosen its features. May come several times, and never comes after {@link #driverReady} without a
     * {@link #reset} between.
     *
     * @param features of those offered, bit n for feature n
     * @throws IommufdException {@link Errno#EINVAL} if they cannot go together
     */
    void negotiated(long features);

    /** The driver is ready ({@code DRIVER_OK}): the device may use queues as they become ready, and call its driver. */
    void driverReady();

    /**
     * A queue may be used from now on, unless the device is suspended, from then on. Buffers may be available already; a kick is not sure
     * to follow. Only between {@link #driverReady} and {@link #reset}.
     *
     * @param queue below {@link VdpaFunction#queues()}
     * @param setup where it is and where to go on
     */
    void queueReady(int queue, QueueSetup setup);

    /**
     * A queue that was made ready must not be used any more. On return no access to it or its buffers is under way, and buffers the
     * device had begun with are either used or will be seen as available again from the returned state on.
     *
     * @return where it would go on
     */
    QueueState queueStopped(int queue);

    /**
     * Where a ready queue would go on. Exact while the device is suspended, else what was true a moment ago.
     */
    QueueState queueState(int queue);

    /**
     * The driver has made buffers available in a queue, or says so. May come at any time, also while another call is under way, for a queue
     * that is not ready, or when there is nothing: then it is ignored. Must be quick and wait for nothing: all kicks share one thread.
     */
    void kick(int queue);

    /**
     * Reads the configuration space; also before features are negotiated.
     *
     * @param offset with the target's length within {@link VdpaFunction#configBytes()}
     * @param target to be filled, on the heap; fields are little-endian
     */
    void readConfig(int offset, MemorySegment target);

    /** Writes the configuration space. What cannot be written is ignored. Arguments as of {@link #readConfig}. */
    default void writeConfig(int offset, MemorySegment source) {}

    /** Changes whenever the configuration space has changed by itself; whoever reads it in parts compares it before and after. */
    default int configGeneration() {
        return 0;
    }

    /**
     * Stops using all queues, keeping everything: on return no access is under way, {@link #queueState} is exact, and buffers the
     * device had begun with are either used or will be seen as available again. The configuration does not change until
     * {@link #resume}. Only called after {@link #driverReady}, of a function that {@link VdpaFunction#suspends()}. Twice is no error.
     *
     * <p>Queues may be stopped and made ready anew, elsewhere or with another state, while the device is suspended.
     *
     * @throws IommufdException any errno; the client gets it and the device goes on
     */
    default void suspend() {
        throw new IommufdException(Errno.EOPNOTSUPP, "this device cannot be suspended");
    }

    /** Goes on as before {@link #suspend}. Not suspended is no error. @throws IommufdException any errno; the client gets it */
    default void resume() {
        throw new IommufdException(Errno.EOPNOTSUPP, "this device cannot be resumed");
    }

    /**
     * Back to the state after {@link VdpaDevice#start}: no queue is ready, no feature negotiated, nothing suspended. On return no access
     * is under way; ports that were opened are closed.
     */
    void reset();

    /** The client is gone. Stops all activity, no access is under way on return; closes ports. Never fails. */
    @Override
    void close();
}
