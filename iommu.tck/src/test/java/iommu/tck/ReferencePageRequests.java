package iommu.tck;

import iommufd.api.DmaAccess;
import iommufd.api.FaultResponse;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PageResponse;
import java.time.Duration;
import java.util.List;
import java.util.TreeMap;
import java.util.function.Predicate;

/** What the devices' threads of one {@link ReferenceEndpoint} wait for, by group index. Its monitor guards it. */
final class ReferencePageRequests {
    static final Duration TIMEOUT = Duration.ofSeconds(3);
    private static final int GROUPS = 512;

    private final ReferenceBackend backend;
    private final FaultSink sink;
    private final TreeMap<Integer, Wait> waits = new TreeMap<>();
    private int nextGroup;

    private enum End { OPEN, AGAIN, OVER }

    private static final class Wait {
        final ReferencePort port;
        final int pasid;
        End end = End.OPEN;

        Wait(ReferencePort port, int pasid) {
            this.port = port;
            this.pasid = pasid;
        }
    }

    ReferencePageRequests(ReferenceBackend backend, FaultSink sink) {
        this.backend = backend;
        this.sink = sink;
    }

    /** @return whether to look at the table again */
    boolean ask(ReferencePort port, int pasid, List<Long> pages, DmaAccess access) {
        Wait wait = new Wait(port, pasid);
        int group = begin(wait);
        try {
            int told = backend.has(Defect.PAGE_REQUESTS_WITHOUT_PASID) ? -1 : pasid;
            boolean heard = true;
            for (int i = 0; i < pages.size(); i++) {
                heard &= sink.pageRequest(new PageRequest(told, group, pages.get(i), access, false, false, i == pages.size() - 1));
            }
            return (heard || backend.has(Defect.UNHEARD_PAGE_REQUESTS_WAIT)) && await(wait);
        } finally {
            end(group);
        }
    }

    private synchronized int begin(Wait wait) {
        while (waits.containsKey(nextGroup)) {
            nextGroup = (nextGroup + 1) % GROUPS;
        }
        int group = nextGroup;
        nextGroup = (nextGroup + 1) % GROUPS;
        waits.put(group, wait);
        if (wait.port.isClosed() && !backend.has(Defect.CLOSE_LEAVES_WAITS)) {
            wait.end = End.OVER;
        }
        return group;
    }

    private synchronized boolean await(Wait wait) {
        long deadlineNanos = System.nanoTime() + TIMEOUT.toNanos();
        try {
            while (wait.end == End.OPEN) {
                long leftMillis = (deadlineNanos - System.nanoTime()) / 1_000_000;
                if (leftMillis <= 0 && !backend.has(Defect.PAGE_REQUESTS_WAIT_FOR_EVER)) {
                    return false;
                }
                wait(Math.max(1, leftMillis));
            }
            return wait.end == End.AGAIN;
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private synchronized void end(int group) {
        waits.remove(group);
    }

    synchronized void answer(PageResponse response) {
        Wait wait = waits.get(response.groupIndex());
        if (backend.has(Defect.ANSWERS_OF_ANY_GROUP) && !waits.isEmpty()) {
            wait = waits.firstEntry().getValue();
        }
        if (backend.has(Defect.ANSWERS_IN_ORDER_ONLY) && wait != null && wait != waits.firstEntry().getValue()) {
            return;
        }
        boolean fits = wait != null && (wait.pasid == response.pasid() || backend.has(Defect.ANSWERS_OF_ANY_GROUP));
        if (fits && wait.end == End.OPEN) {
            boolean again = response.response() == FaultResponse.SUCCESS || backend.has(Defect.INVALID_ANSWERS_TRIED_AGAIN);
            wait.end = again ? End.AGAIN : End.OVER;
            notifyAll();
        }
    }

    /** The table of that PASID changed: who waits looks again. */
    synchronized void again(int pasid) {
        end(wait -> wait.pasid == pasid, End.AGAIN);
    }

    /** The port is closed. */
    synchronized void leave(ReferencePort port) {
        end(wait -> wait.port == port, End.OVER);
    }

    private void end(Predicate<Wait> which, End how) {
        waits.values().stream().filter(wait -> wait.end == End.OPEN).filter(which).forEach(wait -> wait.end = how);
        notifyAll();
    }
}
