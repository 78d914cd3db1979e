package vfio.adapter.interrupt;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.Arrays;
import java.util.function.BooleanSupplier;
import vfio.adapter.config.ConfigSpace;
import vfio.device.Interrupts;
import vfio.device.MsiCapability;
import vfio.device.MsixCapability;
import vfio.device.PciFunction;

/**
 * The interrupts of a running function. One mode is in force at a time, as the client enables it; errors and requests to let go of
 * the device have a channel each. Thread-safe: the device's side is free of locks but for the line.
 */
public final class PciInterrupts implements Interrupts, AutoCloseable {
    private static final Eventfd[] NO_VECTORS = {};

    private final ConfigSpace config;
    private final BooleanSupplier mayMaster;
    private final boolean hasLine;
    private final int msiVectors;
    private final int msixVectors;
    private final InterruptLine line = new InterruptLine();
    private final SingleTrigger error = new SingleTrigger();
    private final SingleTrigger request = new SingleTrigger();
    private volatile Mode mode = Mode.NONE;
    /** Replaced as a whole; written under {@code this}. */
    private volatile Eventfd[] vectors = NO_VECTORS;
    /** Vectors that were allocated when MSI was enabled, which has no more. Guarded by {@code this}. */
    private int allocated;

    /** @param mayMaster whether the function may send messages now */
    public PciInterrupts(PciFunction function, ConfigSpace config, BooleanSupplier mayMaster) {
        this.config = config;
        this.mayMaster = mayMaster;
        hasLine = function.interruptPin();
        msiVectors = function.capability(MsiCapability.class).map(MsiCapability::vectors).orElse(0);
        msixVectors = function.capability(MsixCapability.class).map(MsixCapability::vectors).orElse(0);
    }

    /** How many vectors the function has in a mode. */
    public int count(Mode of) {
        return switch (of) {
            case NONE -> 0;
            case INTX -> hasLine ? 1 : 0;
            case MSI -> msiVectors;
            case MSIX -> msixVectors;
        };
    }

    // The device's side.

    @Override
    public Mode mode() {
        return mode;
    }

    @Override
    public void message(int vector) {
        Eventfd[] now = vectors;
        if (vector >= 0 && vector < now.length && mayMaster.getAsBoolean()) {
            now[vector].signal();
        }
    }

    @Override
    public void line(boolean asserted) {
        if (hasLine && line.drive(asserted)) {
            config.lineAsserted(asserted);
        }
    }

    @Override
    public void error() {
        error.signal();
    }

    // The client's side.

    /** Errors. */
    public SingleTrigger errorTrigger() {
        return error;
    }

    /** The device is wanted back. */
    public SingleTrigger requestTrigger() {
        return request;
    }

    /** Enables the line. @throws IommufdException {@link Errno#EINVAL} if messages are enabled */
    public synchronized void enableLine(Eventfd trigger) {
        if (mode == Mode.INTX) {
            line.retarget(trigger);
            return;
        }
        if (mode != Mode.NONE) {
            trigger.close();
            throw new IommufdException(Errno.EINVAL, mode + " is enabled; disable it before INTx");
        }
        line.enable(trigger);
        mode = Mode.INTX;
    }

    /** @throws IommufdException {@link Errno#EINVAL} unless the line is enabled */
    private void requireLine() {
        if (mode != Mode.INTX) {
            throw new IommufdException(Errno.EINVAL, "INTx is not enabled");
        }
    }

    /** Masks the line. @throws IommufdException {@link Errno#EINVAL} unless it is enabled */
    public synchronized void maskLine() {
        requireLine();
        line.mask();
    }

    /** Unmasks the line. @throws IommufdException {@link Errno#EINVAL} unless it is enabled */
    public synchronized void unmaskLine() {
        requireLine();
        line.unmask();
    }

    /** Unmasks whenever the eventfd is signalled; {@link Eventfd#NONE} ends that. */
    public synchronized void unmaskLineBy(Eventfd eventfd) {
        if (eventfd.present()) {
            line.unmaskBy(eventfd);
        } else {
            line.endUnmasking();
        }
    }

    /** The client's test of the line. */
    public synchronized void simulateLine() {
        requireLine();
        line.simulate();
    }

    /** INTx disable in the command register. */
    public void lineDisabled(boolean disabled) {
        line.disabledByCommand(disabled);
    }

    /** Whether nothing, or that mode, is enabled. */
    public boolean isFreeFor(Mode wanted) {
        return mode == Mode.NONE || mode == wanted;
    }

    /**
     * Says whom the vectors from {@code start} on tell, and enables the mode if none is.
     *
     * @param eventfds taken over
     * @throws IommufdException {@link Errno#EINVAL} if another mode is enabled, or for vectors that MSI did not get when it was enabled
     */
    public synchronized void setMessages(Mode wanted, int start, Eventfd[] eventfds) {
        boolean enabling = mode == Mode.NONE;
        int end = start + eventfds.length;
        boolean fits = wanted == Mode.MSIX || enabling || end <= allocated;
        if (!isFreeFor(wanted) || !fits) {
            closeAll(eventfds);
            if (mode == wanted) {
                clear(start, end);
            }
            throw new IommufdException(Errno.EINVAL, fits ? mode + " is enabled; disable it before " + wanted : "MSI was enabled with %d vectors".formatted(allocated));
        }
        if (enabling) {
            enable(wanted, end);
        }
        Eventfd[] old = vectors;
        Eventfd[] next = old.clone();
        System.arraycopy(eventfds, 0, next, start, eventfds.length);
        vectors = next;
        closeAll(Arrays.copyOfRange(old, start, end));
    }

    /** After a failure in the middle of {@link #setMessages} Linux leaves none of the range. */
    public synchronized void clear(int start, int end) {
        Eventfd[] old = vectors;
        Eventfd[] next = old.clone();
        Arrays.fill(next, Math.min(start, next.length), Math.min(end, next.length), Eventfd.NONE);
        vectors = next;
        closeAll(Arrays.copyOfRange(old, Math.min(start, old.length), Math.min(end, old.length)));
    }

    private void enable(Mode wanted, int count) {
        Eventfd[] none = new Eventfd[count(wanted)];
        Arrays.fill(none, Eventfd.NONE);
        vectors = none;
        allocated = count;
        mode = wanted;
        if (wanted == Mode.MSI) {
            config.msiEnabled(true, count);
        } else {
            config.msixEnabled(true);
        }
    }

    /** The client's test of a vector. */
    public void simulateMessage(int vector) {
        Eventfd[] now = vectors;
        if (vector < now.length) {
            now[vector].signal();
        }
    }

    /** Disables whatever is enabled. */
    public synchronized void disable() {
        switch (mode) {
            case NONE -> { }
            case INTX -> line.disable();
            case MSI -> config.msiEnabled(false, 0);
            case MSIX -> config.msixEnabled(false);
        }
        mode = Mode.NONE;
        Eventfd[] old = vectors;
        vectors = NO_VECTORS;
        closeAll(old);
    }

    private static void closeAll(Eventfd[] eventfds) {
        for (Eventfd eventfd : eventfds) {
            eventfd.close();
        }
    }

    /** Tells nobody any more. */
    @Override
    public void close() {
        disable();
        error.set(Eventfd.NONE);
        request.set(Eventfd.NONE);
    }
}
