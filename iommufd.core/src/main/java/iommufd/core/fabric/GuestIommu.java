package iommufd.core.fabric;

import iommufd.api.Errno;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.IommufdException;
import iommufd.api.ViommuTable;
import iommufd.api.hardware.HardwareViommu;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * A vIOMMU's part on hardware: the devices, event types and queues a guest's IOMMU has. It moves only to hardware of the same
 * vendor. Changed under a context's lock and the read half of the topology lock, moved under its write half.
 */
public final class GuestIommu {
    private final HardwareRack rack;
    private final SpaceTable parent;
    private final ViommuTable table;
    private final FabricEndpoint origin;
    private final String vendor;
    private final Map<Long, FabricEndpoint> devices = new LinkedHashMap<>();
    private final Map<Integer, HardwareViommu.EventSink> events = new LinkedHashMap<>();
    private final List<GuestQueue> queues = new ArrayList<>();
    private volatile BoundHardware hardware;
    private volatile HardwareViommu viommu;

    private GuestIommu(HardwareRack rack, SpaceTable parent, ViommuTable table, FabricEndpoint origin, String vendor) {
        this.rack = rack;
        this.parent = parent;
        this.table = table;
        this.origin = origin;
        this.vendor = vendor;
    }

    /** A queue in guest memory that hardware reads; pinned by its owner. */
    public static final class GuestQueue {
        private final int type;
        private final int index;
        private final long physicalAddress;
        private final long lengthBytes;
        private HardwareViommu.HardwareQueue onHardware;

        private GuestQueue(int type, int index, long physicalAddress, long lengthBytes) {
            this.type = type;
            this.index = index;
            this.physicalAddress = physicalAddress;
            this.lengthBytes = lengthBytes;
        }
    }

    /** On the hardware of {@code origin}. @throws IommufdException {@link Errno#EINVAL} if the parent lies on another */
    public static GuestIommu create(HardwareRack rack, SpaceTable parent, ViommuTable table, FabricEndpoint origin) {
        Seat seat = origin.seat();
        if (seat.vacant()) {
            throw TranslationTable.noHardware("a vIOMMU");
        }
        if (!parent.on(seat.hardware())) {
            throw new IommufdException(Errno.EINVAL, "device %s is not behind the IOMMU of the vIOMMU's parent"
                    .formatted(origin.description().requesterId()));
        }
        GuestIommu guest = new GuestIommu(rack, parent, table, origin, seat.hardware().vendor());
        guest.viommu = guest.build(seat, parent.guarded());
        guest.hardware = seat.hardware();
        rack.register(guest);
        return guest;
    }

    HardwareViommu build(Seat seat, GuardedDomain parentDomain) {
        return seat.allocateViommu(parentDomain.bare(), table);
    }

    /** Introduces those devices to a successor that have a seat there. */
    void introduceDevices(HardwareViommu successor, Function<FabricEndpoint, Optional<Seat>> seats) {
        devices.forEach((virtualId, endpoint) -> seats.apply(endpoint).ifPresent(seat -> addTo(successor, seat, virtualId)));
    }

    private static void addTo(HardwareViommu successor, Seat seat, long virtualId) {
        seat.ask("vdevice", e -> {
            successor.addDevice(e, virtualId);
            return Boolean.TRUE;
        });
    }

    /** Starts events and queues on the current hardware; call {@link #stopQueues} on the former one before. */
    void startQueues() {
        events.forEach((type, sink) -> hardware.call("events", () -> viommu.openEvents(type, sink)));
        for (GuestQueue queue : queues) {
            queue.onHardware = hardware.call("hardware queue",
                    () -> viommu.allocateQueue(queue.type, queue.index, queue.physicalAddress, queue.lengthBytes));
        }
    }

    /** Stops events and queues; none is read and none arrives on return. Never fails. */
    void stopQueues() {
        if (hardware == null || hardware.severed()) {
            queues.forEach(queue -> queue.onHardware = null);
            return;
        }
        for (GuestQueue queue : queues) {
            HardwareViommu.HardwareQueue held = queue.onHardware;
            queue.onHardware = null;
            if (held != null) {
                hardware.callAnyway("return of a hardware queue", held::close);
            }
        }
        events.keySet().forEach(type -> hardware.callAnyway("end of events", () -> viommu.closeEvents(type)));
    }

    Optional<HardwareViommu> adopt(HardwareViommu successor, BoundHardware owner) {
        Optional<HardwareViommu> former = Optional.ofNullable(viommu);
        viommu = successor;
        hardware = owner;
        return former;
    }

    static void retire(HardwareViommu former, BoundHardware owner) {
        if (!owner.severed()) {
            owner.callAnyway("return of a vIOMMU", former::close);
        }
    }

    /** The hardware leaves. */
    void orphan() {
        BoundHardware leaving = hardware;
        HardwareViommu former = viommu;
        if (leaving == null) {
            return;
        }
        stopQueues();
        hardware = null;
        viommu = null;
        retire(former, leaving);
    }

    /** As {@link iommufd.api.Viommu#allocateVdevice}. */
    public void addDevice(FabricEndpoint endpoint, long virtualId) {
        checkBehind(endpoint);
        addTo(viommu, endpoint.seat(), virtualId);
        devices.put(virtualId, endpoint);
    }

    /** @throws IommufdException {@link Errno#EINVAL} if the endpoint is behind another hardware */
    public void checkBehind(FabricEndpoint endpoint) {
        if (hardware == null || !endpoint.seat().on(hardware)) {
            throw new IommufdException(Errno.EINVAL, "device %s is not behind the vIOMMU's hardware".formatted(endpoint.description().requesterId()));
        }
    }

    /** Undoes {@link #addDevice}. Never fails. */
    public void removeDevice(long virtualId) {
        devices.remove(virtualId);
        if (hardware != null) {
            hardware.callAnyway("removal of a vdevice", () -> viommu.removeDevice(virtualId));
        }
    }

    /** Whether such events exist; they go to {@code sink} from now on. */
    public boolean openEvents(int type, HardwareViommu.EventSink sink) {
        boolean known = held().call("events", () -> viommu.openEvents(type, sink));
        if (known) {
            events.put(type, sink);
        }
        return known;
    }

    /** Undoes {@link #openEvents}. Never fails. */
    public void closeEvents(int type) {
        events.remove(type);
        if (hardware != null) {
            hardware.callAnyway("end of events", () -> viommu.closeEvents(type));
        }
    }

    /** Whether the hardware may have queues of that type. */
    public boolean offersQueues(int type) {
        return held().call("queue types", () -> viommu.offersQueues(type));
    }

    /** Hands a pinned, contiguous queue to the hardware. */
    public GuestQueue openQueue(int type, int index, long physicalAddress, long lengthBytes) {
        GuestQueue queue = new GuestQueue(type, index, physicalAddress, lengthBytes);
        queue.onHardware = held().call("hardware queue", () -> viommu.allocateQueue(type, index, physicalAddress, lengthBytes));
        queues.add(queue);
        return queue;
    }

    /** Whether the hardware needs the queue for another one. */
    public boolean inUse(GuestQueue queue) {
        HardwareViommu.HardwareQueue held = queue.onHardware;
        BoundHardware owner = hardware;
        return held != null && owner != null && owner.call("hardware queue", held::inUse);
    }

    /** Undoes {@link #openQueue}. Never fails. */
    public void closeQueue(GuestQueue queue) {
        queues.remove(queue);
        HardwareViommu.HardwareQueue held = queue.onHardware;
        queue.onHardware = null;
        if (held != null && hardware != null) {
            hardware.callAnyway("return of a hardware queue", held::close);
        }
    }

    /** As {@link iommufd.api.Viommu#invalidate}. */
    public InvalidationResult invalidate(InvalidationEntries entries) {
        BoundHardware owner = hardware;
        HardwareViommu held = viommu;
        if (owner == null || held == null) {
            return InvalidationResult.complete(entries.count());   // nothing is cached where no hardware is
        }
        return rack.watched(owner, "invalidation", () -> held.invalidate(entries));
    }

    private BoundHardware held() {
        BoundHardware held = hardware;
        if (held == null) {
            throw TranslationTable.noHardware("the vIOMMU");
        }
        return held;
    }

    boolean on(BoundHardware other) {
        return hardware == other;
    }

    boolean orphaned() {
        return hardware == null;
    }

    HardwareViommu hardwareViommu() {
        return viommu;
    }

    /** The backend's object. @throws IommufdException {@link Errno#ENODEV} while no hardware serves it */
    public HardwareViommu bare() {
        held();
        return viommu;
    }

    /** As {@link HardwareViommu#reply()}. */
    public byte[] reply() {
        return held().call("reply of a vIOMMU", viommu::reply);
    }

    SpaceTable parent() {
        return parent;
    }

    FabricEndpoint origin() {
        return origin;
    }

    String vendor() {
        return vendor;
    }

    /** Gives up what lies on hardware. Never fails. */
    public void close() {
        rack.unregister(this);
        orphan();
    }
}
