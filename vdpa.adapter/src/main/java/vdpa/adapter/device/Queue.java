package vdpa.adapter.device;

import java.util.Optional;
import vdpa.device.QueueSetup;
import vdpa.device.QueueState;

/** What is known of a queue. Guarded by the session's lock but for what is volatile. */
final class Queue implements AutoCloseable {
    int size;
    long descriptorIova;
    long driverIova;
    long deviceIova;
    /** What the client set, or where the device stopped; empty for the start. */
    Optional<QueueState> state;
    /** The client has enabled it. */
    boolean enabled;
    /** The device uses it: enabled, and the driver is ready. Kicks that come before are of no use. */
    volatile boolean live;
    int busyLoopMicros;
    volatile Eventfd call = Eventfd.NONE;
    volatile Eventfd error = Eventfd.NONE;
    private Eventfd kick = Eventfd.NONE;

    Queue(int mostEntries) {
        reset(mostEntries);
    }

    /** As before the client did anything; eventfds stay. */
    void reset(int mostEntries) {
        size = mostEntries;
        descriptorIova = 0;
        driverIova = 0;
        deviceIova = 0;
        state = Optional.empty();
        enabled = false;
        live = false;
    }

    QueueSetup setup(QueueState start) {
        return new QueueSetup(size, descriptorIova, driverIova, deviceIova, state.orElse(start));
    }

    /** Takes over an eventfd that kicks, in place of the one before. */
    void kick(Eventfd next, Runnable kicked) {
        try {
            next.onSignal(kicked);
        } catch (RuntimeException | Error refused) {
            next.close();
            throw refused;
        }
        kick.close();
        kick = next;
    }

    /** Takes over an eventfd that calls. */
    void call(Eventfd next) {
        Eventfd former = call;
        call = next;
        former.close();
    }

    /** Takes over an eventfd that tells of errors. */
    void error(Eventfd next) {
        Eventfd former = error;
        error = next;
        former.close();
    }

    @Override
    public void close() {
        kick(Eventfd.NONE, () -> { });
        call(Eventfd.NONE);
        error(Eventfd.NONE);
    }
}
