package iommu.smmuv3.driver;

import iommu.smmuv3.format.SmmuEvent;
import iommufd.api.FaultResponse;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PageResponse;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntPredicate;

/**
 * Stalled requests of one stream that user space was asked for pages for; a group has one request. Each ends with an answer, when
 * what it went through is taken away, or when patience ends. Thread-safe; calls the sink with no lock.
 */
final class StalledAsks {
    private final SmmuDriver driver;
    private final int streamId;
    private final FaultSink faults;
    private final AtomicInteger groups = new AtomicInteger();
    /** By group. */
    private final Map<Integer, Ask> asks = new ConcurrentHashMap<>();

    /** @param tag the unit's token of the request */
    private record Ask(int tag, int pasid, DmaFault fault, ScheduledFuture<?> timeout) {}

    StalledAsks(SmmuDriver driver, int streamId, FaultSink faults) {
        this.driver = driver;
        this.streamId = streamId;
        this.faults = faults;
    }

    /** The event of a stalled request. @param serves whether requests with a PASID, or {@link Pasid#NONE}, go through anything */
    void stalled(long[] record, DmaFault fault, IntPredicate serves) {
        int tag = (int) (record[1] & SmmuEvent.STALL_TAG);
        int pasid = fault.pasid().orElse(Pasid.NONE);
        int group = groups.getAndIncrement() & Integer.MAX_VALUE;
        asks.forEach((older, ask) -> {
            if (ask.tag == tag) {
                take(older);   // its port was closed
            }
        });
        asks.put(group, new Ask(tag, pasid, fault, driver.afterPatience(() -> end(group, false))));
        PageRequest request = new PageRequest(pasid, group, fault.iova() & -(1L << driver.granuleLg2()), fault.access(),
                (record[1] & SmmuEvent.INSTRUCTION) != 0, (record[1] & SmmuEvent.PRIVILEGED) != 0, true);
        if (!serves.test(pasid) || !faults.pageRequest(request)) {
            end(group, false);
        }
    }

    /** Takes an ask away. @return it, or nothing */
    private Ask[] take(int group) {
        Ask ask = asks.remove(group);
        if (ask == null) {
            return new Ask[0];
        }
        ask.timeout.cancel(false);
        return new Ask[] {ask};
    }

    private void end(int group, boolean retry) {
        for (Ask ask : take(group)) {
            if (!retry) {
                faults.unrecoverable(ask.fault);
            }
            driver.commands().resume(streamId, ask.tag, retry);
        }
    }

    /** User space answers; others than what waits are ignored. */
    void respond(PageResponse response) {
        Ask ask = asks.get(response.groupIndex());
        if (ask != null && ask.pasid == response.pasid()) {
            end(response.groupIndex(), response.response() == FaultResponse.SUCCESS);
        }
    }

    /** Requests with that PASID, or {@link Pasid#NONE}, go through nothing any more. */
    void end(int pasid) {
        asks.forEach((group, ask) -> {
            if (ask.pasid == pasid) {
                end(group, false);
            }
        });
    }

    /** All ports are closed: nobody waits. */
    void forgetAll() {
        asks.keySet().forEach(this::take);
    }
}
