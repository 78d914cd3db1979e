package vfio.adapter.device;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Devices that one bus reset reaches: those of a bus behind a bridge. A device of a root bus is alone, and no bus reset reaches it.
 * Its lock orders opens, closes, attachments and hot resets of its devices.
 */
public final class ResetSet {
    private final boolean resettable;
    private final ReentrantLock lock = new ReentrantLock();
    /** Guarded by {@link #lock}. */
    private final List<AdaptedDevice> devices = new ArrayList<>();

    /** @param resettable whether there is a bridge that can reset the bus */
    ResetSet(boolean resettable) {
        this.resettable = resettable;
    }

    /** Whether there is a bridge that can reset the bus. */
    public boolean isResettable() {
        return resettable;
    }

    /** Orders what its devices do. */
    public ReentrantLock lock() {
        return lock;
    }

    /** Its devices, while the lock is held. */
    public List<AdaptedDevice> devices() {
        assert lock.isHeldByCurrentThread();
        return List.copyOf(devices);
    }

    void add(AdaptedDevice device) {
        lock.lock();
        try {
            devices.add(device);
        } finally {
            lock.unlock();
        }
    }

    void remove(AdaptedDevice device) {
        lock.lock();
        try {
            devices.remove(device);
        } finally {
            lock.unlock();
        }
    }
}
