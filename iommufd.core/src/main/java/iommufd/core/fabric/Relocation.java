package iommufd.core.fabric;

import iommufd.api.Errno;
import iommufd.api.HardwareSwap.SwapReport;
import iommufd.api.IommufdException;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.HardwareDomain;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.HardwareViommu;
import iommufd.api.hardware.NestedDomain;
import iommufd.core.space.IovaSpace;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;

/**
 * One move of endpoints to a hardware. Everything that can fail or takes long happens before the first gate closes, while the
 * former hardware still serves: probes, page tables filled, endpoints attached, ports opened. The pause is left with closing
 * and exchanging ports. Dirty pages of the former tables are taken over after it, under the tables' dirty locks; readers of
 * dirty bitmaps wait for that, DMA does not.
 *
 * <p>Runs under the topology's write lock, or under its read lock for an endpoint nobody else knows yet.
 */
final class Relocation implements AutoCloseable {
    private static final long REST_NANOS = 1_000_000;

    private final HardwareRack rack;
    private final Optional<BoundHardware> from;
    private final BoundHardware to;
    private final List<FabricEndpoint> endpoints;
    private final List<SpaceTable> tables;
    private final List<GuestIommu> guests;
    private final List<NestedStage> nestedStages;

    private final Map<FabricEndpoint, Seat> seats = new LinkedHashMap<>();
    private final Map<SpaceTable, GuardedDomain> domains = new IdentityHashMap<>();
    private final Map<GuestIommu, HardwareViommu> viommus = new IdentityHashMap<>();
    private final Map<NestedStage, NestedDomain> nested = new IdentityHashMap<>();
    private final Map<FabricEndpoint, Map<FabricPort, HardwarePort>> ports = new HashMap<>();
    /** Undoes what was prepared, last first; emptied by success. */
    private final Deque<Runnable> undo = new ArrayDeque<>();

    private Relocation(HardwareRack rack, Optional<BoundHardware> from, BoundHardware to, List<FabricEndpoint> endpoints,
            List<SpaceTable> tables, List<GuestIommu> guests, List<NestedStage> nestedStages) {
        this.rack = rack;
        this.from = from;
        this.to = to;
        this.endpoints = endpoints;
        this.tables = new ArrayList<>(tables);
        this.guests = guests;
        this.nestedStages = nestedStages;
    }

    /** Everything on {@code from}, all or nothing. */
    static Relocation between(HardwareRack rack, BoundHardware from, BoundHardware to) {
        return new Relocation(rack, Optional.of(from), to, rack.endpointsOn(from),
                rack.tables().stream().filter(table -> table.on(from)).toList(),
                rack.guests().stream().filter(guest -> guest.on(from)).toList(),
                rack.nestedStages().stream().filter(stage -> stage.on(from)).toList());
    }

    /** One endpoint that no hardware serves, with the orphaned tables it is attached to. */
    static Relocation of(HardwareRack rack, FabricEndpoint endpoint, BoundHardware to) {
        Set<TranslationTable> attached = new LinkedHashSet<>(endpoint.tables().values());
        return new Relocation(rack, Optional.empty(), to, List.of(endpoint),
                attached.stream().map(TranslationTable::paging).distinct().filter(TranslationTable::orphaned).toList(),
                attached.stream().filter(NestedStage.class::isInstance).flatMap(stage -> ((NestedStage) stage).guest().stream())
                        .distinct().filter(GuestIommu::orphaned).toList(),
                attached.stream().filter(TranslationTable::orphaned).filter(NestedStage.class::isInstance)
                        .map(NestedStage.class::cast).toList());
    }

    /** Orphaned things nothing is attached to, of endpoints that {@code to} serves. */
    static Relocation ofUnattached(HardwareRack rack, List<SpaceTable> tables, List<GuestIommu> guests, List<NestedStage> stages,
            BoundHardware to) {
        return new Relocation(rack, Optional.empty(), to, List.of(), tables, guests, stages);
    }

    SwapReport run() {
        long started = System.nanoTime();
        refuseForeignFormats();
        prepare();
        long prefilled = System.nanoTime();
        long paused = exchange();
        return new SwapReport(from.map(BoundHardware::name).orElse(""), to.name(), endpoints.size(),
                tables.size() + nestedStages.size(), tables.stream().mapToLong(table -> table.space().mappedBytes()).sum(),
                prefilled - started, paused);
    }

    private void refuseForeignFormats() {
        boolean foreign = nestedStages.stream().anyMatch(stage -> !stage.vendor().equals(to.vendor()))
                || guests.stream().anyMatch(guest -> !guest.vendor().equals(to.vendor()));
        if (foreign) {
            throw new IommufdException(Errno.EBUSY, ("nested page tables or vIOMMUs are in a format that %s (vendor %s) does not read; "
                    + "destroy them first, or deploy hardware of their vendor").formatted(to.name(), to.vendor()));
        }
    }

    private void prepare() {
        endpoints.forEach(this::seat);
        tables.removeIf(table -> seatFor(table).isEmpty());   // nobody there to make them: they become orphans
        tables.forEach(this::fill);
        guests.forEach(this::prepare);
        rack.guests().stream().filter(guest -> guest.on(to)).forEach(guest ->
                guest.introduceDevices(guest.hardwareViommu(), endpoint -> Optional.ofNullable(seats.get(endpoint))));
        nestedStages.forEach(this::prepare);
        endpoints.forEach(this::attachAndOpenPorts);
    }

    private void seat(FabricEndpoint endpoint) {
        Seat seat = Seat.take(to, endpoint.description(), endpoint.faults());
        undo.push(seat::release);
        seats.put(endpoint, seat);
        endpoint.table(Pasid.NONE).ifPresent(table -> {
            IovaSpace space = table.paging().space();
            space.reserve(seat, seat.reservedRanges());
            undo.push(() -> space.unreserve(seat));
        });
    }

    /** Any endpoint can make a table; best is one that uses it. */
    private Optional<Seat> seatFor(SpaceTable table) {
        return seats.keySet().stream().filter(endpoint -> endpoint.tables().containsValue(table)).findFirst()
                .or(() -> Optional.of(table.origin()).filter(seats::containsKey))
                .or(() -> seats.keySet().stream().findFirst())
                .map(seats::get)
                .or(() -> Optional.of(table.origin().seat()).filter(seat -> seat.on(to)))
                .or(() -> rack.endpointsOn(to).stream().findFirst().map(FabricEndpoint::seat));
    }

    private void fill(SpaceTable table) {
        Seat seat = seatFor(table).orElseThrow();
        AtomicReference<GuardedDomain> late = new AtomicReference<>();
        AtomicBoolean settled = new AtomicBoolean();   // by the builder that it is built, or by us that it came too late
        GuardedDomain built;
        try {
            built = to.call("filling of a page table", () -> {
                GuardedDomain filled = table.build(seat);
                late.set(filled);
                if (!settled.compareAndSet(false, true)) {
                    table.retire(filled);
                }
                return filled;
            });
        } catch (IommufdException refused) {
            if (!settled.compareAndSet(false, true)) {
                table.retire(late.get());
            }
            throw refused;
        }
        undo.push(() -> table.retire(built));
        table.trackOn(built);
        domains.put(table, built);
    }

    private void prepare(GuestIommu guest) {
        HardwareViommu built = guest.build(seatOf(guest.origin()), domainOf(guest.parent()));
        undo.push(() -> GuestIommu.retire(built, to));
        guest.introduceDevices(built, endpoint -> Optional.of(seatOf(endpoint)).filter(seat -> seat.on(to)));
        viommus.put(guest, built);
    }

    private void prepare(NestedStage stage) {
        Optional<HardwareViommu> viommu = stage.guest().map(guest -> viommus.getOrDefault(guest, guest.hardwareViommu()));
        NestedDomain built = stage.build(seatOf(stage.origin()), domainOf(stage.parent()), viommu);
        undo.push(() -> NestedStage.retire(built, to));
        nested.put(stage, built);
    }

    private void attachAndOpenPorts(FabricEndpoint endpoint) {
        Seat seat = seats.get(endpoint);
        undo.push(seat::release);   // before the tables it is attached to are given back
        endpoint.tables().forEach((pasid, table) -> seat.attach(pasid, hardwareDomain(table)));
        Map<FabricPort, HardwarePort> opened = new LinkedHashMap<>();
        for (FabricPort port : endpoint.ports()) {
            opened.put(port, seat.openPort(port.pasid()));
        }
        ports.put(endpoint, opened);
        undo.push(() -> to.drain(List.copyOf(opened.values())));
    }

    private HardwareDomain hardwareDomain(TranslationTable table) {
        if (table instanceof SpaceTable paging && domains.containsKey(paging)) {
            return domains.get(paging).bare();
        }
        if (table instanceof NestedStage stage && nested.containsKey(stage)) {
            return nested.get(stage);
        }
        if (!table.on(to)) {
            throw new IommufdException(Errno.EINVAL, "a page table lies on hardware other than " + to.name());
        }
        return table.bare();
    }

    private Seat seatOf(FabricEndpoint endpoint) {
        if (seats.containsKey(endpoint)) {
            return seats.get(endpoint);
        }
        return endpoint.seat().on(to) || seats.isEmpty() ? endpoint.seat() : seats.values().iterator().next();
    }

    private GuardedDomain domainOf(SpaceTable table) {
        return domains.containsKey(table) ? domains.get(table) : table.guarded();
    }

    /** The pause. @return how long it was */
    private long exchange() {
        List<SpaceTable> tracked = tables.stream().filter(SpaceTable::tracking).toList();
        tracked.forEach(table -> table.dirtyLock().lock());
        try {
            // Filling tables used this thread's share of the CPU up; devices must not preempt it between the gates.
            LockSupport.parkNanos(REST_NANOS);
            long closed = System.nanoTime();
            from.ifPresent(rack::quiesce);
            guests.forEach(GuestIommu::stopQueues);
            endpoints.forEach(FabricEndpoint::forgetRequests);
            Former former = publish();
            try {
                guests.forEach(GuestIommu::startQueues);
            } catch (IommufdException refused) {
                to.fail("guest queues could not be started", refused);   // whoever comes next starts them again
            }
            Map<FabricEndpoint, Seat> left = new LinkedHashMap<>();
            List<HardwarePort> unwanted = new ArrayList<>();
            for (FabricEndpoint endpoint : endpoints) {
                left.put(endpoint, endpoint.seat());
                unwanted.addAll(endpoint.open(seats.get(endpoint), ports.get(endpoint)));
            }
            long pauseNanos = System.nanoTime() - closed;
            endpoints.forEach(FabricEndpoint::wake);
            undo.clear();
            to.drain(unwanted);
            giveBack(former, left);
            return pauseNanos;
        } finally {
            tracked.forEach(table -> table.dirtyLock().unlock());
        }
    }

    /** What lay on the former hardware. */
    private record Former(Map<SpaceTable, GuardedDomain> domains, List<HardwareViommu> viommus, List<NestedDomain> nested) {}

    private Former publish() {
        Former former = new Former(new LinkedHashMap<>(), new ArrayList<>(), new ArrayList<>());
        domains.forEach((table, built) -> table.adopt(built, to).ifPresent(old -> former.domains().put(table, old)));
        viommus.forEach((guest, built) -> guest.adopt(built, to).ifPresent(former.viommus()::add));
        nested.forEach((stage, built) -> stage.adopt(built, to).ifPresent(former.nested()::add));
        return former;
    }

    private void giveBack(Former former, Map<FabricEndpoint, Seat> left) {
        former.domains().forEach((table, old) -> {
            if (table.tracking()) {
                table.harvest(old);
            }
        });
        left.forEach((endpoint, seat) -> {
            endpoint.table(Pasid.NONE).ifPresent(table -> table.paging().space().unreserve(seat));
            seat.release();
        });
        from.ifPresent(hardware -> {
            former.nested().forEach(old -> NestedStage.retire(old, hardware));
            former.viommus().forEach(old -> GuestIommu.retire(old, hardware));
        });
        former.domains().forEach(SpaceTable::retire);
        from.ifPresent(hardware -> rack.tables().stream().filter(table -> table.on(hardware)).forEach(SpaceTable::orphan));
    }

    /** Undoes a preparation that did not end in an exchange. */
    @Override
    public void close() {
        while (!undo.isEmpty()) {
            undo.pop().run();
        }
    }
}
