package vmm.devices.virtio;

import java.util.concurrent.locks.LockSupport;

/** Rests without anything to look at. */
public final class ParkedRest implements Rest {
    private volatile Thread resting = Thread.currentThread();
    private volatile boolean woken;

    @Override
    public boolean await(long nanos) {
        resting = Thread.currentThread();   // before the look at woken, which is set before the look at this
        if (!woken) {
            LockSupport.parkNanos(this, nanos);
        }
        boolean something = woken;
        woken = false;
        return something;
    }

    @Override
    public void wake() {
        woken = true;
        LockSupport.unpark(resting);
    }
}
