package vmm.devices.virtio;

import java.util.concurrent.locks.LockSupport;

/** Rests without anything to look at. */
public final class ParkedRest implements Rest {
    private volatile Thread resting = Thread.currentThread();
    private volatile boolean woken;

    @Override
    public void await(long nanos) {
        resting = Thread.currentThread();   // before the look at woken, which is set before the look at this
        if (!woken) {
            LockSupport.parkNanos(this, nanos);
        }
        woken = false;
    }

    @Override
    public void wake() {
        woken = true;
        LockSupport.unpark(resting);
    }
}
