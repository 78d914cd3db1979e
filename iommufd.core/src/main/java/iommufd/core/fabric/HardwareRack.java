package iommufd.core.fabric;

import iommufd.api.Errno;
import iommufd.api.HardwareSwap;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaFaultListener;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.IommuHardware;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The deployed IOMMUs: which of them serves whom, and what happens when one comes, goes or breaks. Thread-safe.
 */
public final class HardwareRack implements HardwareSwap, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(HardwareRack.class);

    private volatile Patience patience;
    private volatile boolean dirtyPages = true;
    private final CallWatch watch;
    private final Fabric fabric = new Fabric(this);
    private final List<DmaFaultListener> faultListeners = new CopyOnWriteArrayList<>();
    private final ReentrantReadWriteLock topology = new ReentrantReadWriteLock();
    /** In order of arrival; changed under the write lock. */
    private final List<BoundHardware> bound = new CopyOnWriteArrayList<>();
    /** What lies on hardware, in order of creation; guarded by itself. */
    private final Set<SpaceTable> tables = new LinkedHashSet<>();
    private final Set<NestedStage> nestedStages = new LinkedHashSet<>();
    private final Set<GuestIommu> guests = new LinkedHashSet<>();
    /** Name of the hardware the latest swap chose; goes before any ranking. */
    private volatile String preferred = "";

    public HardwareRack(Patience patience) {
        this.patience = patience;
        watch = new CallWatch(() -> this.patience.callNanos());
    }

    /** Read: attachments may change. Write: endpoints may change hardware. */
    public ReentrantReadWriteLock topology() {
        return topology;
    }

    /** The fabric in front of this hardware. */
    public Fabric fabric() {
        return fabric;
    }

    /** Who is told of failed DMA; may be changed at any time. */
    public List<DmaFaultListener> faultListeners() {
        return faultListeners;
    }

    Patience patience() {
        return patience;
    }

    /** From now on. */
    public void setPatience(Patience next) {
        patience = next;
    }

    /** Whether page tables are split to the smallest entries while they track dirty pages. */
    boolean dirtyPages() {
        return dirtyPages;
    }

    /** From the next start of tracking on. */
    public void setDirtyPages(boolean precise) {
        dirtyPages = precise;
    }

    CallWatch watch() {
        return watch;
    }

    /** Takes a hardware in. Endpoints that have none move there. */
    public void add(IommuHardware hardware, int ranking) {
        topology.writeLock().lock();
        try {
            BoundHardware added = new BoundHardware(hardware, ranking, this::patience, this::replaceSoon);
            bound.add(added);
            LOG.debug("hardware {} of vendor {} is bound", added.name(), added.vendor());
            adoptOrphans();
        } finally {
            topology.writeLock().unlock();
        }
    }

    /** Its service ranking changed; whom it serves does not. */
    public void rank(IommuHardware hardware, int ranking) {
        find(hardware).ifPresent(known -> known.rank(ranking));
    }

    /**
     * Lets a hardware go while it still works: its endpoints move to the best remaining one, or wait. Holds nothing of it on
     * return.
     */
    public void remove(IommuHardware hardware) {
        topology.writeLock().lock();
        try {
            find(hardware).ifPresent(leaving -> {
                bound.remove(leaving);
                leave(leaving);
                leaving.vacate();
                LOG.debug("hardware {} is gone", leaving.name());
            });
        } finally {
            topology.writeLock().unlock();
        }
    }

    private Optional<BoundHardware> find(IommuHardware hardware) {
        return bound.stream().filter(known -> known.is(hardware)).findFirst();
    }

    /** Those that work, the best first. */
    private List<BoundHardware> candidates() {
        List<BoundHardware> working = new ArrayList<>(bound);
        working.removeIf(BoundHardware::failed);
        working.sort(Comparator.comparing((BoundHardware h) -> !h.name().equals(preferred))
                .thenComparing(Comparator.comparingInt(BoundHardware::ranking).reversed()));
        return working;
    }

    @Override
    public SwapReport swap(String fromName, String toName) {
        topology.writeLock().lock();
        try {
            BoundHardware from = named(fromName);
            BoundHardware to = named(toName);
            if (from == to) {
                throw new IommufdException(Errno.EINVAL, "hardware " + fromName + " serves already");
            }
            SwapReport report = move(from, to);
            preferred = toName;
            return report;
        } finally {
            topology.writeLock().unlock();
        }
    }

    private BoundHardware named(String name) {
        return bound.stream().filter(h -> h.name().equals(name)).findFirst().orElseThrow(() -> new IommufdException(Errno.ENODEV,
                "no hardware %s is deployed; there are %s".formatted(name, bound)));
    }

    /** All or nothing. */
    private SwapReport move(BoundHardware from, BoundHardware to) {
        try (Relocation relocation = Relocation.between(this, from, to)) {
            return relocation.run();
        }
    }

    /** Everything on {@code leaving} goes elsewhere or becomes an orphan. */
    private void leave(BoundHardware leaving) {
        assert topology.isWriteLockedByCurrentThread();
        if (!leaving.failed()) {
            for (BoundHardware successor : candidates()) {
                try {
                    LOG.debug("{}", move(leaving, successor));
                    return;
                } catch (IommufdException refused) {
                    LOG.info("hardware {} cannot take over from {}: {}", successor, leaving, refused.getMessage());
                }
            }
        }
        orphan(leaving);
        adoptOrphans();
    }

    /** Its endpoints wait from now on; nothing lies on it any more. */
    private void orphan(BoundHardware leaving) {
        quiesce(leaving);
        List<FabricEndpoint> endpoints = endpointsOn(leaving);
        endpoints.forEach(FabricEndpoint::forgetRequests);
        guests().stream().filter(guest -> guest.on(leaving)).forEach(GuestIommu::stopQueues);
        endpoints.forEach(FabricEndpoint::vacate);
        nestedStages().stream().filter(stage -> stage.on(leaving)).forEach(stage -> stage.orphan(leaving));
        guests().stream().filter(guest -> guest.on(leaving)).forEach(GuestIommu::orphan);
        tables().stream().filter(table -> table.on(leaving)).forEach(SpaceTable::orphan);
    }

    /** On return none of the hardware's DMA goes on. Takes no lock a map may hold. */
    void quiesce(BoundHardware hardware) {
        synchronized (hardware) {   // who comes second waits until the first has drained
            List<HardwarePort> used = new ArrayList<>();
            endpointsOn(hardware).forEach(endpoint -> used.addAll(endpoint.gate(hardware)));
            if (!hardware.failed()) {
                hardware.drainHere(used, watch);
            }
            if (hardware.failed()) {
                hardware.drain(used);
                hardware.sever();
            }
        }
    }

    private void adoptOrphans() {
        assert topology.isWriteLockedByCurrentThread();
        for (FabricEndpoint endpoint : fabric.all()) {
            if (endpoint.seat().vacant()) {
                seat(endpoint);
            }
        }
        // What nothing is attached to, of devices that are served again.
        tables().stream().filter(TranslationTable::orphaned).filter(table -> !table.origin().seat().vacant())
                .forEach(table -> adopt(List.of(table), List.of(), List.of(), table.origin()));
        guests().stream().filter(GuestIommu::orphaned).filter(guest -> !guest.origin().seat().vacant())
                .forEach(guest -> adopt(List.of(), List.of(guest), List.of(), guest.origin()));
        nestedStages().stream().filter(TranslationTable::orphaned).filter(stage -> !stage.origin().seat().vacant())
                .forEach(stage -> adopt(List.of(), List.of(), List.of(stage), stage.origin()));
    }

    private void adopt(List<SpaceTable> orphans, List<GuestIommu> guestOrphans, List<NestedStage> stageOrphans, FabricEndpoint origin) {
        BoundHardware to = origin.seat().hardware();
        try (Relocation relocation = Relocation.ofUnattached(this, orphans, guestOrphans, stageOrphans, to)) {
            relocation.run();
        } catch (IommufdException refused) {
            LOG.info("hardware {} does not take an orphan of {}: {}", to, origin.description().requesterId(), refused.getMessage());
        }
    }

    /** Finds hardware for an endpoint that has none; without any that accepts it, it waits. */
    void seat(FabricEndpoint endpoint) {
        for (BoundHardware candidate : candidates()) {
            try (Relocation relocation = Relocation.of(this, endpoint, candidate)) {
                relocation.run();
                return;
            } catch (IommufdException refused) {
                LOG.debug("hardware {} does not take {}: {}", candidate, endpoint.description().requesterId(), refused.getMessage());
            }
        }
    }

    /** The thread that noticed may be a device's, or hold locks: another one moves everybody away. */
    private void replaceSoon(BoundHardware broken) {
        Thread.ofPlatform().daemon().inheritInheritableThreadLocals(false).name("iommufd-recovery").start(() -> {
            quiesce(broken);   // at once, however long control calls under way may take
            topology.writeLock().lock();
            try {
                orphan(broken);
                adoptOrphans();
            } catch (RuntimeException | Error unexpected) {
                LOG.error("endpoints of failed hardware {} could not be moved", broken, unexpected);
            } finally {
                topology.writeLock().unlock();
            }
        });
    }

    /** Runs a hot call of a backend on this thread, watched. */
    <T> T watched(BoundHardware hardware, String what, Supplier<T> request) {
        int place = watch.enter(hardware);
        try {
            return request.get();
        } catch (IommufdException refused) {
            throw refused;
        } catch (RuntimeException | Error broken) {
            throw hardware.fail(what + " threw", broken);
        } finally {
            watch.exit(place);
        }
    }

    List<FabricEndpoint> endpointsOn(BoundHardware hardware) {
        return fabric.all().stream().filter(endpoint -> endpoint.seat().on(hardware)).toList();
    }

    void register(SpaceTable table) {
        synchronized (tables) {
            tables.add(table);
        }
    }

    void unregister(SpaceTable table) {
        synchronized (tables) {
            tables.remove(table);
        }
    }

    void register(NestedStage stage) {
        synchronized (nestedStages) {
            nestedStages.add(stage);
        }
    }

    void unregister(NestedStage stage) {
        synchronized (nestedStages) {
            nestedStages.remove(stage);
        }
    }

    void register(GuestIommu guest) {
        synchronized (guests) {
            guests.add(guest);
        }
    }

    void unregister(GuestIommu guest) {
        synchronized (guests) {
            guests.remove(guest);
        }
    }

    List<SpaceTable> tables() {
        synchronized (tables) {
            return List.copyOf(tables);
        }
    }

    List<NestedStage> nestedStages() {
        synchronized (nestedStages) {
            return List.copyOf(nestedStages);
        }
    }

    List<GuestIommu> guests() {
        synchronized (guests) {
            return List.copyOf(guests);
        }
    }

    @Override
    public List<HardwareState> hardware() {
        List<HardwareState> states = new ArrayList<>();
        List<BoundHardware> order = candidates();
        for (BoundHardware known : order) {
            int endpoints = endpointsOn(known).size();
            boolean serving = endpoints > 0 || known == order.getFirst();
            states.add(state(known, endpoints, serving ? HardwareState.State.SERVING : HardwareState.State.STANDBY));
        }
        bound.stream().filter(BoundHardware::failed).forEach(broken -> states.add(state(broken, 0, HardwareState.State.FAILED)));
        return states;
    }

    private HardwareState state(BoundHardware known, int endpoints, HardwareState.State state) {
        int domains = (int) (tables().stream().filter(table -> table.on(known)).count()
                + nestedStages().stream().filter(stage -> stage.on(known)).count());
        return new HardwareState(known.name(), known.vendor(), state, endpoints, domains);
    }

    /** Lets all hardware go. */
    @Override
    public void close() {
        topology.writeLock().lock();
        try {
            List<BoundHardware> all = List.copyOf(bound);
            bound.clear();
            for (BoundHardware leaving : all) {
                orphan(leaving);
                leaving.vacate();
            }
        } finally {
            topology.writeLock().unlock();
            watch.close();
        }
    }
}
