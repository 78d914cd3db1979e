package iommu.vtd.driver;

import iommu.common.table.TablePool;
import iommu.common.unit.InterruptHandling;
import iommu.common.unit.PhysicalWords;
import iommu.vtd.format.PageRequestDescriptor;
import iommu.vtd.format.RegisterAccess;
import iommu.vtd.format.Registers;
import iommufd.api.DmaAccess;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.PageRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The handler of the page request event: takes requests out of the queue and hands them to endpoints (§7.6). Thread-safe. */
final class PageRequestEvents implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(PageRequestEvents.class);
    private static final int FRAME_LG2 = 12;
    private static final int QUEUE_BYTES = 1 << FRAME_LG2;
    /** Requests before a flood is left to a thread of its own. */
    private static final int MAX_REQUESTS = 32;

    private final ReentrantLock lock = new ReentrantLock();
    private final RegisterAccess registers;
    private final TablePool pool;
    private final String hardware;
    private final IntFunction<Optional<VtdEndpoint>> endpoints;
    private final long queue;
    private final InterruptHandling handling;

    private record Taken(int sourceId, PageRequest request) {}

    /** Sets the queue up. @param endpoints finds an endpoint by source-id */
    PageRequestEvents(RegisterAccess registers, TablePool pool, String hardware, IntFunction<Optional<VtdEndpoint>> endpoints) {
        this.registers = registers;
        this.pool = pool;
        this.hardware = hardware;
        this.endpoints = endpoints;
        queue = pool.allocate(FRAME_LG2);
        registers.write(Registers.PQH, 8, 0);
        registers.write(Registers.PQT, 8, 0);
        registers.write(Registers.PQA, 8, queue);
        handling = new InterruptHandling(hardware + "-page-requests", this::takeSome);
    }

    /** Hands over what is queued. */
    void handle() {
        handling.raised();
    }

    /** @return whether more may be queued */
    private boolean takeSome() {
        List<Taken> taken = new ArrayList<>();
        boolean more;
        lock.lock();
        try {
            int status = (int) registers.read(Registers.PRS, 4);
            if ((status & Registers.PAGE_REQUEST_OVERFLOW) != 0) {
                LOG.debug("{}: page requests were discarded", hardware);
            }
            registers.write(Registers.PRS, 4, status);   // before the look at the tail: what comes after it raises the event again
            long tail = registers.read(Registers.PQT, 8);
            long head = registers.read(Registers.PQH, 8);
            for (; head != tail && taken.size() < MAX_REQUESTS; head = head + PageRequestDescriptor.BYTES & QUEUE_BYTES - 1) {
                taken.add(decode(queue + head));
            }
            registers.write(Registers.PQH, 8, head);
            more = head != tail;
        } finally {
            lock.unlock();
        }
        for (Taken each : taken) {
            endpoints.apply(each.sourceId).ifPresent(endpoint -> endpoint.pageRequested(each.request));
        }
        return more;
    }

    private static Taken decode(long slot) {
        long first = PhysicalWords.get(slot);
        long second = PhysicalWords.get(slot + 8);
        boolean write = PageRequestDescriptor.write(second);
        DmaAccess access = !write ? DmaAccess.READ : PageRequestDescriptor.read(second) ? DmaAccess.READ_WRITE : DmaAccess.WRITE;
        int pasid = PageRequestDescriptor.pasid(first);
        return new Taken(PageRequestDescriptor.sourceId(first), new PageRequest(pasid < 0 ? Pasid.NONE : pasid,
                PageRequestDescriptor.group(second), second & PageRequestDescriptor.ADDRESS, access, PageRequestDescriptor.execute(first),
                PageRequestDescriptor.privileged(first), PageRequestDescriptor.last(second)));
    }

    /** Waits for the end of a flood; no endpoint is behind the unit any more. */
    @Override
    public void close() {
        handling.close();
        pool.free(queue, FRAME_LG2);
    }
}
