package vfio.adapter.interrupt;

import iommufd.api.Errno;
import iommufd.api.IommufdException;

/**
 * A function's INTx line: a level that the device drives. An interrupt masks it, until the client unmasks it; if the level is still
 * high then, the next interrupt comes at once. Thread-safe; clients are told outside of the monitor, which a device waits for.
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
    boolean drive(boolean level) {
        boolean changed;
        Eventfd told;
        synchronized (this) {
            changed = asserted != level;
            asserted = level;
            told = due();
        }
        told.signal();
        return changed;
    }

    /** Whom to tell of an interrupt, once the monitor is free again. */
    private Eventfd due() {
        assert Thread.holdsLock(this);
        if (!asserted || !enabled || masked || disabled) {
            return Eventfd.NONE;
        }
        masked = true;
        return trigger;
    }

    void enable(Eventfd eventfd) {
        Eventfd told;
        synchronized (this) {
            enabled = true;
            masked = disabled;
            trigger = eventfd;
            told = due();
        }
        told.signal();
    }

    /** Another eventfd, or none, while it is enabled. */
    void retarget(Eventfd eventfd) {
        Eventfd ended;
        synchronized (this) {
            ended = trigger;
            trigger = eventfd;
        }
        ended.close();
    }

    void disable() {
        Eventfd endedUnmask;
        Eventfd endedTrigger;
        synchronized (this) {
            enabled = false;
            endedUnmask = unmask;
            unmask = Eventfd.NONE;
            endedTrigger = trigger;
            trigger = Eventfd.NONE;
        }
        endedTrigger.close();
        endedUnmask.close();
    }

    synchronized void mask() {
        masked = true;
    }

    void unmask() {
        Eventfd told = Eventfd.NONE;
        synchronized (this) {
            if (masked && !disabled) {
                masked = false;
                told = due();
            }
        }
        told.signal();
    }

    /** The client's test: as if the device had raised it, without masking. */
    void simulate() {
        Eventfd told;
        synchronized (this) {
            told = enabled && !disabled ? trigger : Eventfd.NONE;
        }
        told.signal();
    }

    /** INTx disable was set or cleared; it masks and unmasks. */
    void disabledByCommand(boolean now) {
        synchronized (this) {
            disabled = now;
            masked |= now;
        }
        if (!now) {
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
