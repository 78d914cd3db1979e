package vmm.devices.virtio;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.MemorySegment;

/**
 * A type of virtio device in the hands of a client: what {@link RunningVirtio} does not know. Calls come one at a time unless it
 * says otherwise.
 */
public interface DeviceModel extends AutoCloseable {
    /** Threads that serve its queues. */
    int lanes();

    /** The thread of a queue. */
    int lane(int queue);

    /** How that thread rests. */
    default Rest rest(int lane) {
        return new ParkedRest();
    }

    /** Tells how to wake a thread, and that the configuration has changed. Called once, before all others. */
    void connect(Lanes wake, Runnable configChanged);

    /** The driver has chosen. @throws IommufdException {@link Errno#EINVAL} if the features cannot go together */
    void negotiated(long features);

    /** A queue works from now on. The server is its thread's. */
    QueueServer server(ActiveQueue queue);

    /** A queue does not work any more. */
    default void stopped(int queue) { }

    /** Reads the configuration space. Any thread. */
    void readConfig(int offset, MemorySegment target);

    /** Counts its changes. Any thread. */
    int configGeneration();

    /** The configuration must not change until this is called again with false. */
    default void freeze(boolean frozen) { }

    /** A thread had nothing to do; about once a second. On that thread. */
    default void rested(int lane) { }

    /** As when the device was started. No queue works. */
    void reset();

    /** The client is gone. Never fails. */
    @Override
    void close();

    /** How to wake a thread that rests. Quick, from any thread. */
    @FunctionalInterface
    interface Lanes {
        /** There may be something to do. */
        void wake(int lane);
    }
}
