package iommufd.core.object;

import iommufd.api.Errno;
import iommufd.api.FaultQueue;
import iommufd.api.FaultRecord;
import iommufd.api.FaultResponse;
import iommufd.api.IommufdException;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PageResponse;
import iommufd.core.fabric.FabricEndpoint;
import iommufd.core.fabric.PageRequestReceiver;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.function.IntPredicate;
import java.util.function.Predicate;

/**
 * Page requests of devices: gathered into groups, delivered whole, answered by cookie. Has a lock of its own, the monitor of
 * {@link #arrival}, because requests come from devices' threads.
 */
final class FaultQueueObject extends ContextObject implements FaultQueue, PageRequestReceiver {
    /** A device that floods is refused; a bound of this project's, far beyond what hardware queues hold. */
    private static final int MAX_GROUPS = 1 << 16;
    private static final int MAX_REQUESTS_OF_GROUP = 512;   // PCIe: outstanding page requests of one function

    private final Arrival arrival = new Arrival();
    private final Map<GroupKey, Group> incomplete = new LinkedHashMap<>();
    private final Deque<Group> delivered = new ArrayDeque<>();
    private final TreeMap<Integer, Group> awaitingAnswer = new TreeMap<>();

    private record GroupKey(FabricEndpoint endpoint, int pasid, int groupIndex) {}

    private record Group(GroupKey key, int deviceId, List<PageRequest> requests) {
        void answer(FaultResponse response) {
            key.endpoint().seat().respond(new PageResponse(key.pasid(), key.groupIndex(), response));
        }
    }

    FaultQueueObject(Context context) {
        super(context);
    }

    @Override
    String kind() {
        return "fault queue";
    }

    @Override
    void release() {
        forget(group -> true).forEach(group -> group.answer(FaultResponse.INVALID));
    }

    @Override
    public boolean requested(FabricEndpoint endpoint, PageRequest request) {
        OptionalInt device = context().deviceId(endpoint);
        if (device.isEmpty()) {
            return false;
        }
        synchronized (arrival) {
            if (destroyed()) {
                return false;
            }
            GroupKey key = new GroupKey(endpoint, request.pasid(), request.groupIndex());
            boolean full = incomplete.size() + delivered.size() + awaitingAnswer.size() >= MAX_GROUPS && !incomplete.containsKey(key);
            if (full) {
                return false;
            }
            Group group = incomplete.computeIfAbsent(key, k -> new Group(k, device.getAsInt(), new ArrayList<>(1)));
            if (group.requests().size() == MAX_REQUESTS_OF_GROUP) {
                return false;
            }
            group.requests().add(request);
            if (!request.lastOfGroup()) {
                return true;
            }
            incomplete.remove(key);
            delivered.add(group);
            arrival.signal();
        }
        arrival.tell();
        return true;
    }

    @Override
    public void discard(FabricEndpoint endpoint, IntPredicate pasids, boolean answer) {
        List<Group> dropped = forget(group -> group.key().endpoint() == endpoint && pasids.test(group.key().pasid()));
        if (answer) {
            dropped.forEach(group -> group.answer(FaultResponse.INVALID));
        }
    }

    /** @return complete groups that were dropped */
    private List<Group> forget(Predicate<Group> which) {
        List<Group> dropped = new ArrayList<>();
        synchronized (arrival) {
            incomplete.values().removeIf(which);   // not complete: the device does not wait for an answer yet
            delivered.stream().filter(which).forEach(dropped::add);
            awaitingAnswer.values().stream().filter(which).forEach(dropped::add);
            delivered.removeAll(dropped);
            awaitingAnswer.values().removeAll(dropped);
        }
        return dropped;
    }

    @Override
    public List<FaultRecord> read(int maxRecords) {
        checkAlive();
        List<FaultRecord> records = new ArrayList<>();
        synchronized (arrival) {
            while (!delivered.isEmpty()) {
                Group group = delivered.getFirst();
                if (records.size() + group.requests().size() > maxRecords) {
                    if (records.isEmpty()) {
                        throw new IommufdException(Errno.EINVAL, "the first group has %d records, more than the %d asked for"
                                .formatted(group.requests().size(), maxRecords));
                    }
                    break;
                }
                delivered.removeFirst();
                int cookie = lowestFreeCookie();
                awaitingAnswer.put(cookie, group);
                group.requests().forEach(request -> records.add(record(group, request, cookie)));
            }
        }
        return records;
    }

    private int lowestFreeCookie() {
        int cookie = 1;
        for (int used : awaitingAnswer.keySet()) {
            if (used != cookie) {
                break;
            }
            cookie++;
        }
        return cookie;
    }

    private static FaultRecord record(Group group, PageRequest request, int cookie) {
        OptionalInt pasid = request.pasid() == Pasid.NONE ? OptionalInt.empty() : OptionalInt.of(request.pasid());
        return new FaultRecord(group.deviceId(), pasid, request.groupIndex(), request.access(), request.execute(), request.privileged(),
                request.lastOfGroup(), request.iova(), 0, cookie);
    }

    @Override
    public void respond(int cookie, FaultResponse response) {
        checkAlive();
        Group group;
        synchronized (arrival) {
            group = awaitingAnswer.remove(cookie);
        }
        if (group == null) {
            throw new IommufdException(Errno.EINVAL, "no group of page requests waits under cookie " + cookie);
        }
        group.answer(response);
    }

    @Override
    public boolean awaitReadable(Duration timeout) throws InterruptedException {
        checkAlive();
        return arrival.await(timeout, () -> !delivered.isEmpty());
    }

    @Override
    public void onReadable(Runnable listener) {
        checkAlive();
        arrival.listen(listener);
    }
}
