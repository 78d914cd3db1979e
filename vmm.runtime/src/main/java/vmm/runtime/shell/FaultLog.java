package vmm.runtime.shell;

import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaFaultListener;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.osgi.service.component.annotations.Component;

/** Remembers the latest failed DMA requests, for people. Thread-safe. */
@Component(service = {FaultLog.class, DmaFaultListener.class})
public final class FaultLog implements DmaFaultListener {
    /** Faults that are remembered. */
    static final int CAPACITY = 32;

    private final Deque<Entry> latest = new ArrayDeque<>(CAPACITY);
    private long total;

    /** A fault and when it was heard of. */
    record Entry(Instant time, DmaFault fault) {}

    @Override
    public synchronized void faulted(DmaFault fault) {
        total++;
        if (latest.size() == CAPACITY) {
            latest.removeFirst();
        }
        latest.addLast(new Entry(Instant.now(), fault));
    }

    /** The latest faults, the oldest first. */
    synchronized List<Entry> latest() {
        return List.copyOf(latest);
    }

    /** Faults since the bundle started. */
    synchronized long total() {
        return total;
    }
}
