package vfio.adapter.device;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import vfio.adapter.interrupt.Eventfd;

/**
 * Low power as a client asks for it ({@code VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY}). A device of this runtime saves nothing by it, so
 * it never sleeps; the next access only says that it woke up. Thread-safe.
 */
public final class LowPower {
    private volatile boolean entered;
    /** Guarded by {@code this}. */
    private Eventfd wakeup = Eventfd.NONE;

    /** @param tellWakeup taken over @throws IommufdException {@link Errno#EINVAL} if it has been entered */
    public synchronized void enter(Eventfd tellWakeup) {
        if (entered) {
            tellWakeup.close();
            throw new IommufdException(Errno.EINVAL, "the device is in low power already");
        }
        wakeup = tellWakeup;
        entered = true;
    }

    /** Ends it, without telling. */
    public synchronized void exit() {
        entered = false;
        wakeup.close();
        wakeup = Eventfd.NONE;
    }

    /** The client uses the device: one that wants to know is told, and low power ends. */
    public void accessed() {
        if (entered) {
            wake();
        }
    }

    private synchronized void wake() {
        if (wakeup.present()) {
            wakeup.signal();
            exit();
        }
    }
}
