package iommufd.core.object;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.FaultResponse;
import iommufd.api.IommufdException;
import iommufd.api.OnDemandMapping;
import iommufd.api.OnDemandOptions;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PageResponse;
import iommufd.api.memory.UserMemory;
import iommufd.core.fabric.FabricEndpoint;
import iommufd.core.fabric.PageRequestReceiver;
import iommufd.core.space.IovaSpace;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.IntPredicate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Answers page requests for the parts of one address space that are mapped on demand, or for all of a hypervisor's: one thread per space pins and maps chunks, in
 * the order devices asked, and answers. Thread-safe; its monitor guards regions and groups, and nothing is called under it.
 */
final class DemandPager {
    private static final Logger LOG = LoggerFactory.getLogger(DemandPager.class);
    private static final long IDLE_THREAD_SECONDS = 1;
    /** As of a fault queue: a device that floods is refused. */
    private static final int MAX_GROUPS = 1 << 16;
    private static final int MAX_REQUESTS_OF_GROUP = 512;

    private final IovaSpace space;
    /** By first IOVA, as unsigned numbers. */
    private final TreeMap<Long, DemandRegion> regions = new TreeMap<>(Long::compareUnsigned);
    private final Map<GroupKey, List<PageRequest>> incomplete = new LinkedHashMap<>();
    private final Map<GroupKey, List<PageRequest>> complete = new LinkedHashMap<>();
    private final ThreadPoolExecutor thread;
    private boolean closed;

    private record GroupKey(FabricEndpoint endpoint, int pasid, int groupIndex) {
        void answer(FaultResponse response) {
            endpoint.seat().respond(new PageResponse(pasid, groupIndex, response));
        }
    }

    /** What pages come from. */
    @FunctionalInterface
    interface PageSource {
        /** On the pager's thread. @return whether the page is there */
        boolean serve(PageRequest request);
    }

    DemandPager(IovaSpace space) {
        this.space = space;
        thread = new ThreadPoolExecutor(0, 1, IDLE_THREAD_SECONDS, TimeUnit.SECONDS, new LinkedBlockingQueue<>(),
                Thread.ofPlatform().daemon().inheritInheritableThreadLocals(false).name("iommufd-pager-", 0).factory());
    }

    /** As {@link iommufd.api.Ioas#mapOnDemand}. */
    OnDemandMapping add(long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access, OnDemandOptions options) {
        if (((iova | address | lengthBytes) & UserMemory.PAGE_BYTES - 1) != 0 || lengthBytes == 0) {
            throw new IommufdException(Errno.EINVAL, "0x%x bytes of memory from 0x%x on cannot be mapped on demand at 0x%x: pages are of 0x%x bytes"
                    .formatted(lengthBytes, address, iova, UserMemory.PAGE_BYTES));
        }
        if (Long.compareUnsigned(address + (lengthBytes - 1), address) < 0) {
            throw new IommufdException(Errno.EOVERFLOW, "0x%x bytes from 0x%x on reach beyond 64 bits".formatted(lengthBytes, address));
        }
        if (memory.kind() == UserMemory.Kind.EXPORTED) {
            throw new IommufdException(Errno.EOPNOTSUPP, "exported memory is mapped whole, not on demand");
        }
        DemandRegion region = new DemandRegion(this, space, iova, memory, address, lengthBytes, access, options);
        space.promise(region, iova, lengthBytes);
        synchronized (this) {
            regions.put(iova, region);
        }
        return region;
    }

    /** The region ends; who still waits for a page of it is told so by the next look. */
    synchronized void forget(DemandRegion region) {
        regions.remove(region.iova());
    }

    private synchronized Optional<PageSource> sourceAt(long iova) {
        if (space.shared().isPresent()) {
            return Optional.of(request -> space.shared().get().populate(request.iova(), request.access()));
        }
        Map.Entry<Long, DemandRegion> at = regions.floorEntry(iova);
        return Optional.ofNullable(at).map(Map.Entry::getValue).filter(region -> region.covers(iova)).map(region -> region);
    }

    /** A receiver for one table: what nobody mapped on demand is {@code others}' business. */
    PageRequestReceiver before(Optional<PageRequestReceiver> others) {
        return new PageRequestReceiver() {
            @Override
            public boolean requested(FabricEndpoint endpoint, PageRequest request) {
                return take(endpoint, request, others.isEmpty())
                        .orElseGet(() -> others.map(receiver -> receiver.requested(endpoint, request)).orElse(false));
            }

            @Override
            public void discard(FabricEndpoint endpoint, IntPredicate pasids, boolean answer) {
                DemandPager.this.discard(endpoint, pasids, answer);
                others.ifPresent(receiver -> receiver.discard(endpoint, pasids, answer));
            }
        };
    }

    /**
     * A group is the pager's if its first request is. A page in it that nobody mapped on demand ends it in a refusal.
     *
     * @return whether it will be answered; empty if it is not the pager's
     */
    private synchronized Optional<Boolean> take(FabricEndpoint endpoint, PageRequest request, boolean alone) {
        GroupKey key = new GroupKey(endpoint, request.pasid(), request.groupIndex());
        List<PageRequest> group = incomplete.get(key);
        if (group == null && (closed || sourceAt(request.iova()).isEmpty())) {
            return alone ? Optional.of(false) : Optional.empty();
        }
        if (group == null) {
            if (incomplete.size() + complete.size() >= MAX_GROUPS) {
                return Optional.of(false);
            }
            group = new ArrayList<>(1);
            incomplete.put(key, group);
        }
        if (group.size() == MAX_REQUESTS_OF_GROUP) {
            return Optional.of(false);
        }
        group.add(request);
        if (!request.lastOfGroup()) {
            return Optional.of(true);
        }
        incomplete.remove(key);
        complete.put(key, group);
        try {
            thread.execute(this::serveNext);
        } catch (RejectedExecutionException over) {   // closed meanwhile
            complete.remove(key);
            return Optional.of(false);
        }
        return Optional.of(true);
    }

    /** Serves one group; there are as many calls as groups came, some of which were discarded. */
    private void serveNext() {
        GroupKey key;
        List<PageRequest> group;
        synchronized (this) {
            Iterator<Map.Entry<GroupKey, List<PageRequest>>> oldest = complete.entrySet().iterator();
            if (!oldest.hasNext()) {
                return;
            }
            Map.Entry<GroupKey, List<PageRequest>> next = oldest.next();
            key = next.getKey();
            group = next.getValue();
            oldest.remove();
        }
        boolean there = true;
        for (PageRequest request : group) {
            there = there && sourceAt(request.iova()).map(source -> serve(source, request)).orElse(false);
        }
        key.answer(there ? FaultResponse.SUCCESS : FaultResponse.INVALID);
    }

    private static boolean serve(PageSource source, PageRequest request) {
        try {
            return source.serve(request);
        } catch (RuntimeException broken) {
            LOG.info("a page at 0x{} could not be had", Long.toHexString(request.iova()), broken);
            return false;
        }
    }

    private void discard(FabricEndpoint endpoint, IntPredicate pasids, boolean answer) {
        List<GroupKey> dropped = new ArrayList<>();
        synchronized (this) {
            incomplete.keySet().removeIf(key -> key.endpoint() == endpoint && pasids.test(key.pasid()));
            complete.keySet().removeIf(key -> key.endpoint() == endpoint && pasids.test(key.pasid()) && dropped.add(key));
        }
        if (answer) {
            dropped.forEach(key -> key.answer(FaultResponse.INVALID));
        }
    }

    /** Nothing is mapped on demand any more. Nothing is attached to the space's tables now. */
    void close() {
        List<GroupKey> dropped;
        synchronized (this) {
            closed = true;
            regions.clear();
            dropped = List.copyOf(complete.keySet());
            complete.clear();
            incomplete.clear();
        }
        dropped.forEach(key -> key.answer(FaultResponse.INVALID));
        thread.shutdown();
    }
}
