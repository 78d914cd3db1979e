package iommu.tck;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.dma.DmaFault;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.PageRequest;
import java.util.Optional;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** Keeps what an IOMMU reports, and page requests if it is told to; answers to those are the test's business. */
final class RecordingFaultSink implements FaultSink {
    private static final long PATIENCE_SECONDS = 3;
    private static final int MOST_KEPT = 10_000;

    private final LinkedBlockingQueue<DmaFault> faults = new LinkedBlockingQueue<>(MOST_KEPT);
    private final LinkedBlockingQueue<PageRequest> pageRequests = new LinkedBlockingQueue<>(MOST_KEPT);
    private volatile Consumer<DmaFault> listener = fault -> { };
    private volatile boolean accepting;

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

    /** Whether somebody will answer page requests; nobody does at first. */
    void acceptPageRequests(boolean accept) {
        accepting = accept;
    }

    /** The oldest page request nobody asked for yet. */
    PageRequest nextPageRequest() throws InterruptedException {
        PageRequest request = pageRequests.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
        assertThat(request).as("page request within %d s", PATIENCE_SECONDS).isNotNull();
        return request;
    }

    /** The same, if there is one. */
    Optional<PageRequest> pageRequestNow() {
        return Optional.ofNullable(pageRequests.poll());
    }

    boolean hasPageRequests() {
        return !pageRequests.isEmpty();
    }

    @Override
    public void unrecoverable(DmaFault fault) {
        listener.accept(fault);
        faults.offer(fault);
    }

    @Override
    public boolean pageRequest(PageRequest request) {
        return accepting && pageRequests.offer(request);
    }
}
