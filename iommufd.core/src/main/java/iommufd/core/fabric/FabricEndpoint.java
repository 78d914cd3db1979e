package iommufd.core.fabric;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.HardwarePort;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A plugged device: its ports, what each of its PASIDs is attached to, and its {@link Seat} on hardware. Seats change under
 * the write half of the topology lock, attachments under the read half and a context's lock.
 */
public final class FabricEndpoint implements DmaEndpoint {
    private final HardwareRack rack;
    private final EndpointDescription description;
    private final EndpointFaults faults;
    /** Guards ports, gate and plug. Nothing is called under it. */
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition opened = lock.newCondition();
    private final List<FabricPort> ports = new ArrayList<>();
    private final Map<Integer, TranslationTable> tables = new ConcurrentHashMap<>();
    private final AtomicInteger pauses = new AtomicInteger();
    private boolean gated = true;
    private volatile boolean unplugged;
    private volatile Seat seat = Seat.none();
    /** The context that owns its group; guarded by the fabric. */
    private Optional<Object> owner = Optional.empty();

    FabricEndpoint(HardwareRack rack, EndpointDescription description) {
        this.rack = rack;
        this.description = description;
        faults = new EndpointFaults(this, rack.faultListeners());
    }

    @Override
    public EndpointDescription description() {
        return description;
    }

    /** Where it is now. */
    public Seat seat() {
        return seat;
    }

    /** What requests with that PASID go through. */
    public Optional<TranslationTable> table(int pasid) {
        return Optional.ofNullable(tables.get(pasid));
    }

    /**
     * Whose business page requests with that PASID are: of the table it is attached to, else of the nested table that requests
     * without PASID go through, because the guest's own PASID table is part of that one.
     */
    Optional<TranslationTable> tableForRequests(int pasid) {
        return table(pasid).or(() -> table(Pasid.NONE).filter(NestedStage.class::isInstance));
    }

    /** All of {@link #table}, in order of PASID. */
    Map<Integer, TranslationTable> tables() {
        return new TreeMap<>(tables);
    }

    EndpointFaults faults() {
        return faults;
    }

    Optional<Object> owner() {
        return owner;
    }

    void own(Optional<Object> next) {
        owner = next;
    }

    boolean unplugged() {
        return unplugged;
    }

    /**
     * Sends requests with {@code pasid} through {@code table}, on hardware if there is any. Hold the topology's read lock.
     *
     * @throws IommufdException as {@link iommufd.api.hardware.HardwareEndpoint#attach}; what was before stays in force
     */
    public void attach(int pasid, TranslationTable table) {
        if (!table.suits(this)) {
            throw new IommufdException(Errno.EINVAL, "the page table lies on another IOMMU than device " + description.requesterId());
        }
        Optional<TranslationTable> before = Optional.ofNullable(tables.put(pasid, table));
        try {
            if (!seat.vacant()) {
                if (table.orphaned() && table instanceof SpaceTable paging) {
                    paging.materialize(seat);
                }
                seat.attach(pasid, table.bare());
            }
        } catch (RuntimeException | Error refused) {
            before.ifPresentOrElse(former -> tables.put(pasid, former), () -> tables.remove(pasid));
            throw refused;
        }
        before.filter(former -> former != table).ifPresent(former -> discardRequests(former, pasid));
    }

    /** Undoes an {@link #attach} over {@code former}. Never fails: hardware that refuses is replaced, by one that obeys. */
    public void restore(int pasid, TranslationTable former) {
        try {
            attach(pasid, former);
        } catch (IommufdException refused) {
            tables.put(pasid, former);
            if (!seat.vacant()) {
                seat.hardware().fail("the former page table could not be attached again", refused);
            }
        }
    }

    /** Blocks requests with {@code pasid}. Never fails. Hold the topology's read lock. */
    public void block(int pasid) {
        seat.block(pasid);
        Optional.ofNullable(tables.remove(pasid)).ifPresent(former -> discardRequests(former, pasid));
    }

    private void discardRequests(TranslationTable former, int pasid) {
        boolean guestPasids = pasid == Pasid.NONE && former instanceof NestedStage;
        former.receiver().ifPresent(receiver -> receiver.discard(this, asked -> asked == pasid || guestPasids && !tables.containsKey(asked), true));
    }

    @Override
    public PageRequestPause pausePageRequests() {
        pauses.incrementAndGet();
        endPageRequests();   // after the count: a request that was not counted out is dropped here, or drops itself
        AtomicBoolean open = new AtomicBoolean(true);
        return () -> {
            if (open.getAndSet(false)) {
                pauses.decrementAndGet();
            }
        };
    }

    /** Whether no request may wait for a page now. */
    boolean pageRequestsPaused() {
        return pauses.get() != 0;
    }

    /** Whoever waits for a page is told that it does not come. */
    void endPageRequests() {
        tables.values().forEach(table -> table.receiver().ifPresent(receiver -> receiver.discard(this, anyPasid -> true, true)));
    }

    /** Nobody answers page requests that went to the former hardware: its ports are closed, devices ask again. */
    void forgetRequests() {
        tables.values().forEach(table -> table.receiver().ifPresent(receiver -> receiver.discard(this, anyPasid -> true, false)));
    }

    @Override
    public DmaPort openPort() {
        return open(Pasid.NONE);
    }

    @Override
    public DmaPort openPort(Pasid pasid) {
        if (pasid.value() >>> description.pasidBits() != 0) {
            throw new IommufdException(Errno.EINVAL, "endpoint %s has PASIDs of %d bits, too few for %d"
                    .formatted(description.requesterId(), description.pasidBits(), pasid.value()));
        }
        return open(pasid.value());
    }

    private FabricPort open(int pasid) {
        rack.topology().readLock().lock();
        try {
            FabricPort port = new FabricPort(this, pasid);
            boolean served = !seat.vacant() && !seat.hardware().failed();
            List<HardwarePort> spare = new ArrayList<>(1);
            if (served) {
                spare.add(seat.openPort(pasid));
            }
            lock.lock();
            try {
                if (unplugged) {
                    throw new IommufdException(Errno.ENODEV, "endpoint %s is unplugged".formatted(description.requesterId()));
                }
                ports.add(port);
                if (!gated && served) {
                    port.connect(spare.removeLast());
                }
            } finally {
                lock.unlock();
                closeUnwanted(spare);
            }
            return port;
        } finally {
            rack.topology().readLock().unlock();
        }
    }

    void closePort(FabricPort port) {
        List<HardwarePort> orphaned = new ArrayList<>(1);
        lock.lock();
        try {
            ports.remove(port);
            addIfPresent(orphaned, port.connect(null));
            opened.signalAll();
        } finally {
            lock.unlock();
        }
        closeUnwanted(orphaned);
    }

    private void closeUnwanted(List<HardwarePort> unwanted) {
        if (!unwanted.isEmpty()) {
            seat.hardware().drain(unwanted);
        }
    }

    private static void addIfPresent(List<HardwarePort> list, HardwarePort port) {
        if (port != null) {
            list.add(port);
        }
    }

    List<FabricPort> ports() {
        lock.lock();
        try {
            return List.copyOf(ports);
        } finally {
            lock.unlock();
        }
    }

    /**
     * From now on new requests wait, unless the endpoint is served by another than {@code expected}.
     *
     * @return ports that requests may still be inside; to be drained
     */
    List<HardwarePort> gate(BoundHardware expected) {
        List<HardwarePort> used = new ArrayList<>();
        lock.lock();
        try {
            if (seat.on(expected)) {
                gated = true;
                ports.forEach(port -> addIfPresent(used, port.connect(null)));
            }
        } finally {
            lock.unlock();
        }
        return used;
    }

    /** The seat's ports are in force; who waits goes on at {@link #wake}. @return ports nobody wants any more; to be closed */
    List<HardwarePort> open(Seat next, Map<FabricPort, HardwarePort> successors) {
        List<HardwarePort> unwanted = new ArrayList<>();
        lock.lock();
        try {
            seat = next;
            gated = next.vacant();
            successors.forEach((port, successor) -> {
                if (port.closed() || unplugged || gated) {
                    unwanted.add(successor);
                } else {
                    addIfPresent(unwanted, port.connect(successor));
                }
            });
        } finally {
            lock.unlock();
        }
        return unwanted;
    }

    /** Requests that wait look again. Apart from {@link #open}, so that devices do not take the CPU from who opens the others. */
    void wake() {
        lock.lock();
        try {
            opened.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Waits until the port has another half than {@code stale}.
     *
     * @return why to give up, if so
     */
    Optional<DmaFault.Kind> awaitPort(FabricPort port, HardwarePort stale) {
        long left = rack.patience().gateNanos();
        lock.lock();
        try {
            while (!port.closed() && !unplugged) {
                HardwarePort now = port.current();
                if (now != null && now != stale) {
                    return Optional.empty();
                }
                if (left <= 0) {
                    return Optional.of(DmaFault.Kind.NO_HARDWARE);
                }
                left = opened.awaitNanos(left);
            }
            return Optional.of(DmaFault.Kind.UNPLUGGED);
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
            return Optional.of(DmaFault.Kind.NO_HARDWARE);
        } finally {
            lock.unlock();
        }
    }

    /** A request threw: the hardware is taken out of service, unless the port was replaced meanwhile. */
    void portBroke(FabricPort port, HardwarePort broken, Throwable thrown) {
        BoundHardware serving;
        lock.lock();
        try {
            serving = port.current() == broken ? seat.hardware() : null;
        } finally {
            lock.unlock();
        }
        if (serving != null) {
            serving.fail("a DMA request of " + description.requesterId() + " threw", thrown);
        }
    }

    /** Remembers its regions, but no hardware serves any more. */
    void vacate() {
        seat.release();
    }

    @Override
    public void close() {
        rack.fabric().unplug(this);
    }

    /** Hold the topology's read lock. */
    void unplug() {
        lock.lock();
        try {
            unplugged = true;
            opened.signalAll();
        } finally {
            lock.unlock();
        }
        closeUnwanted(gate(seat.hardware()));
        seat.release();
        tables.clear();
    }
}
