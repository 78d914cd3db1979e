package vfio.adapter.interrupt;

import iommufd.api.Errno;
import iommufd.api.IommufdException;

/**
 * A function's INTx line: a level that the device drives. An interrupt masks it, until the client unmasks it; if the level is still
 * high then, the next interrupt comes at once. Thread-safe.
 */
final class InterruptLine {
    private boolean asserted;
    private boolean enabled;
    private boolean masked;
    /** INTx disable of the command register. */
    private boolean disabled;
    private Eventfd trigger = Eventfd.NONE;
    private Eventfd unmask = Eventfd.NONE;

    /** The device drives the level. @return whether it changed */
    synchronized boolean drive(boolean level) {
        boolean changed = asserted != level;
        asserted = level;
        deliver();
        return changed;
    }

    private void deliver() {
        if (asserted && enabled && !masked && !disabled) {
            masked = true;
            trigger.signal();
        }
    }

    synchronized void enable(Eventfd eventfd) {
        enabled = true;
        masked = disabled;
        trigger = eventfd;
        deliver();
    }

    /** Another eventfd, or none, while it is enabled. */
    synchronized void retarget(Eventfd eventfd) {
        trigger.close();
        trigger = eventfd;
    }

    void disable() {
        Eventfd ended;
        synchronized (this) {
            enabled = false;
            ended = unmask;
            unmask = Eventfd.NONE;
            trigger.close();
            trigger = Eventfd.NONE;
        }
        ended.close(); // unlocked: it waits for its listener
    }

    synchronized void mask() {
        masked = true;
    }

    synchronized void unmask() {
        if (masked && !disabled) {
            masked = false;
            deliver();
        }
    }

    /** The client's test: as if the device had raised it, without masking. */
    synchronized void simulate() {
        if (enabled && !disabled) {
            trigger.signal();
        }
    }

    /** INTx disable was set or cleared; it masks and unmasks. */
    synchronized void disabledByCommand(boolean now) {
        disabled = now;
        if (now) {
            masked = true;
        } else {
            unmask();
        }
    }

    /** @throws IommufdException {@link Errno#EBUSY} if there is an eventfd that unmasks */
    void unmaskBy(Eventfd eventfd) {
        synchronized (this) {
            if (unmask.present()) {
                eventfd.close();
                throw new IommufdException(Errno.EBUSY, "another eventfd unmasks the INTx line");
            }
            unmask = eventfd;
        }
        eventfd.onSignal(this::unmask);
    }

    /** No eventfd unmasks any more. */
    void endUnmasking() {
        Eventfd ended;
        synchronized (this) {
            ended = unmask;
            unmask = Eventfd.NONE;
        }
        ended.close();
    }
}
