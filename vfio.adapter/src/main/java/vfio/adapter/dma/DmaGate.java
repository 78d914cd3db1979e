package vfio.adapter.dma;

import iommufd.api.dma.RequesterId;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/** What stands between a device and memory besides the IOMMU: its own command register, and the log. Thread-safe. */
public final class DmaGate {
    private static final VarHandle OPEN = handle("open", boolean.class);
    private static final VarHandle LOG = handle("log", DmaLog.class);

    private final RequesterId requesterId;
    private boolean open;
    private DmaLog log = DmaLog.OFF;

    /** Closed at first. */
    public DmaGate(RequesterId requesterId) {
        this.requesterId = requesterId;
    }

    private static VarHandle handle(String field, Class<?> type) {
        try {
            return MethodHandles.lookup().findVarHandle(DmaGate.class, field, type);
        } catch (ReflectiveOperationException impossible) {
            throw new ExceptionInInitializerError(impossible);
        }
    }

    RequesterId requesterId() {
        return requesterId;
    }

    /** Whether requests may pass. */
    public boolean isOpen() {
        return (boolean) OPEN.getAcquire(this);
    }

    /** Lets requests pass, or not; one that is under way goes on. */
    public void open(boolean now) {
        OPEN.setVolatile(this, now);
    }

    /** Where writes are recorded. */
    public DmaLog log() {
        return (DmaLog) LOG.getAcquire(this);
    }

    /** Records writes from now on elsewhere, or with {@link DmaLog#OFF} not at all. */
    public void log(DmaLog next) {
        LOG.setVolatile(this, next);
    }
}
