package iommu.tck;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.dma.DmaFault;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.PageRequest;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** Keeps what an IOMMU reports. Answers no page request. */
final class RecordingFaultSink implements FaultSink {
    private static final long PATIENCE_SECONDS = 3;
    private static final int MOST_KEPT = 10_000;

    private final LinkedBlockingQueue<DmaFault> faults = new LinkedBlockingQueue<>(MOST_KEPT);
    private volatile Consumer<DmaFault> listener = fault -> { };

    /** Calls {@code consumer} from inside each report. */
    void onFault(Consumer<DmaFault> consumer) {
        listener = consumer;
    }

    /** The oldest report nobody asked for yet; backends may report from a thread of their own. */
    DmaFault next() throws InterruptedException {
        DmaFault fault = faults.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
        assertThat(fault).as("fault reported to the sink within %d s", PATIENCE_SECONDS).isNotNull();
        return fault;
    }

    /** Whether all reports were asked for. */
    boolean isEmpty() {
        return faults.isEmpty();
    }

    @Override
    public void unrecoverable(DmaFault fault) {
        listener.accept(fault);
        faults.offer(fault);
    }

    @Override
    public boolean pageRequest(PageRequest request) {
        return false;
    }
}
