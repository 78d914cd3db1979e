package iommufd.core.object;

import iommufd.api.Access;
import iommufd.api.AccessClient;
import iommufd.api.BoundDevice;
import iommufd.api.ContextOwner;
import iommufd.api.Errno;
import iommufd.api.FaultQueue;
import iommufd.api.HardwareInfo;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.IommufdObject;
import iommufd.api.NestedHwpt;
import iommufd.api.NestedTable;
import iommufd.api.PagingHwpt;
import iommufd.api.PinAccounting;
import iommufd.api.Viommu;
import iommufd.api.ViommuTable;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.memory.StageTwoTable;
import iommufd.core.fabric.FabricEndpoint;
import iommufd.core.fabric.GuestIommu;
import iommufd.core.fabric.HardwareRack;
import iommufd.core.fabric.NestedStage;
import iommufd.core.fabric.SpaceTable;
import iommufd.core.space.IovaSpace;
import iommufd.core.space.PinCharge;
import iommufd.core.space.PinLimits;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** One open {@code /dev/iommu}. Control calls run one at a time, beside mapping and DMA. */
public final class Context implements IommufdContext {
    private final HardwareRack rack;
    private final PinLimits limits;
    private final Consumer<Context> onClose;
    /** Guards what is not volatile; taken inside the topology's read lock. */
    private final ReentrantLock lock = new ReentrantLock();
    private final TreeMap<Integer, Slot> slots = new TreeMap<>();
    private final PublishedObjects published = new PublishedObjects();
    private final Map<Integer, DeviceGroup> groups = new HashMap<>();
    private final Map<FabricEndpoint, Integer> deviceIds = new ConcurrentHashMap<>();
    private ContextOwner owner;
    private PinAccounting accounting = PinAccounting.USER;
    private PinCharge charge;
    /** Everybody who mapped here; few. */
    private final Map<ContextOwner, PinLimits.Payer> charges = new HashMap<>();
    private Optional<IoasObject> vfioIoas = Optional.empty();
    private volatile boolean closed;

    /** A number: of an object, or taken for ever by one that is gone. */
    private record Slot(Optional<ContextObject> object) {}

    /** @param onClose told once, at the end of {@link #close} */
    public Context(HardwareRack rack, PinLimits limits, ContextOwner owner, Consumer<Context> onClose) {
        this.rack = rack;
        this.limits = limits;
        this.owner = owner;
        this.onClose = onClose;
        PinLimits.Payer payer = limits.chargeFor(owner, accounting, owner::lockedMemoryLimitBytes);
        charges.put(owner, payer);
        charge = payer;
    }

    /** Runs a control call: hardware stays where it is and no other call of this context runs. */
    <T> T control(Supplier<T> call) {
        rack.topology().readLock().lock();
        lock.lock();
        try {
            checkOpen();
            return call.get();
        } finally {
            lock.unlock();
            rack.topology().readLock().unlock();
        }
    }

    /** As {@link #control}. */
    void run(Runnable call) {
        control(() -> {
            call.run();
            return Boolean.TRUE;
        });
    }

    void assertLocked() {
        assert lock.isHeldByCurrentThread() : "the context's lock must be held";
    }

    void checkOpen() {
        if (closed) {
            throw new IommufdException(Errno.EBADF, "the context is closed");
        }
    }

    boolean closed() {
        return closed;
    }

    HardwareRack rack() {
        return rack;
    }

    int lowestFreeId() {
        assertLocked();
        int id = 1;
        for (int taken : slots.keySet()) {
            if (taken != id) {
                break;
            }
            id++;
        }
        return id;
    }

    <T extends ContextObject> T publish(T object) {
        assertLocked();
        slots.put(object.id(), new Slot(Optional.of(object)));
        published.put(object.id(), object);
        return object;
    }

    void withdraw(ContextObject object) {
        slots.remove(object.id());
        published.remove(object.id());
    }

    void bury(ContextObject object) {
        slots.put(object.id(), new Slot(Optional.empty()));
        published.remove(object.id());
    }

    void checkOwn(ContextObject object) {
        if (object.context() != this) {
            throw new IommufdException(Errno.ENOENT, object + " belongs to another context");
        }
        object.checkAlive();
    }

    private <T extends ContextObject> T own(Class<T> type, IommufdObject object) {
        if (!type.isInstance(object)) {
            throw new IommufdException(Errno.ENOENT, object + " belongs to another service");
        }
        T known = type.cast(object);
        checkOwn(known);
        return known;
    }

    IoasObject own(Ioas ioas) {
        return own(IoasObject.class, ioas);
    }

    DeviceObject own(BoundDevice device) {
        return own(DeviceObject.class, device);
    }

    private Optional<FaultQueueObject> own(Optional<FaultQueue> queue) {
        return queue.map(known -> own(FaultQueueObject.class, known));
    }

    /** Number of the device that has the endpoint bound. Takes no lock. */
    OptionalInt deviceId(FabricEndpoint endpoint) {
        Integer id = deviceIds.get(endpoint);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }

    @Override
    public Ioas allocateIoas(StageTwoTable table) {
        return control(() -> publish(new IoasObject(this, charge, Optional.of(table))));
    }

    @Override
    public Ioas allocateIoas() {
        return control(() -> publish(new IoasObject(this, charge)));
    }

    @Override
    public BoundDevice bind(DmaEndpoint wanted) {
        return control(() -> {
            FabricEndpoint endpoint = rack.fabric().claim(wanted, this);
            if (endpoint.seat().vacant()) {
                rack.fabric().release(endpoint);
                throw new IommufdException(Errno.ENODEV, "no deployed IOMMU hardware serves endpoint " + endpoint.description().requesterId());
            }
            DeviceGroup group = groups.computeIfAbsent(endpoint.description().group(), number -> new DeviceGroup(this, number));
            DeviceObject device = publish(new DeviceObject(this, endpoint, group));
            deviceIds.put(endpoint, device.id());
            return device;
        });
    }

    void unbind(DeviceObject device) {
        deviceIds.remove(device.fabricEndpoint());
        rack.fabric().release(device.fabricEndpoint());
        int number = device.fabricEndpoint().description().group();
        if (deviceIds.keySet().stream().noneMatch(endpoint -> endpoint.description().group() == number)) {
            groups.remove(number);
        }
    }

    @Override
    public PagingHwpt allocateHwpt(BoundDevice device, Ioas ioas, HwptOptions options) {
        return allocateHwpt(device, ioas, options, Optional.empty());
    }

    /** @param data in the vendor's format, if it shapes the table */
    PagingHwpt allocateHwpt(BoundDevice device, Ioas ioas, HwptOptions options, Optional<NestedTable> data) {
        return control(() -> {
            DeviceObject known = own(device);
            IoasObject space = own(ioas);
            boolean tracks = known.hardwareInfo().capabilities().contains(HardwareInfo.Capability.DIRTY_TRACKING);
            if (options.dirtyTracking() && !tracks) {
                throw new IommufdException(Errno.EOPNOTSUPP, "the IOMMU in front of %s cannot track dirty pages".formatted(known));
            }
            if (options.nestParent() && options.faults().isPresent()) {
                throw new IommufdException(Errno.EOPNOTSUPP, "a nest parent has no fault queue; give one to its nested HWPTs");
            }
            Optional<FaultQueueObject> faults = own(options.faults());
            SpaceTable table = SpaceTable.create(rack, space.space(),
                    new PagingOptions(options.nestParent(), options.dirtyTracking(), options.pasid()), data, known.fabricEndpoint(),
                    Optional.of(space.faultReceiver(faults)));
            return publish(new PagingHwptObject(space, table, false, faults));
        });
    }

    @Override
    public NestedHwpt allocateNestedHwpt(BoundDevice device, PagingHwpt parent, NestedTable table, Optional<FaultQueue> faults, boolean pasid) {
        return control(() -> nested(own(device), own(PagingHwptObject.class, parent), Optional.empty(), table, faults, pasid));
    }

    NestedHwpt nested(DeviceObject device, PagingHwptObject parent, Optional<ViommuObject> viommu, NestedTable table,
            Optional<FaultQueue> faults, boolean pasid) {
        assertLocked();
        if (table.lengthBytes() == 0) {
            throw new IommufdException(Errno.EOPNOTSUPP, "a nested HWPT without its vendor's data");
        }
        if (!parent.canCarryNested()) {
            throw new IommufdException(Errno.EINVAL, parent + " was not allocated as a nest parent");
        }
        Optional<FaultQueueObject> queue = own(faults);
        NestedStage stage = NestedStage.create(rack, parent.table(), viommu.map(ViommuObject::guest), table, device.fabricEndpoint(),
                queue.map(known -> known));
        return publish(new NestedHwptObject(parent, viommu, stage, pasid, queue));
    }

    @Override
    public FaultQueue allocateFaultQueue() {
        return control(() -> publish(new FaultQueueObject(this)));
    }

    @Override
    public Access createAccess(AccessClient client) {
        return control(() -> publish(new AccessObject(this, client)));
    }

    @Override
    public Viommu allocateViommu(BoundDevice device, PagingHwpt parent, ViommuTable table) {
        return control(() -> {
            DeviceObject known = own(device);
            if (table.type() == 0) {
                throw new IommufdException(Errno.EOPNOTSUPP, "type 0 is no vIOMMU");
            }
            PagingHwptObject stage = own(PagingHwptObject.class, parent);
            if (!stage.canCarryNested()) {
                throw new IommufdException(Errno.EINVAL, stage + " was not allocated as a nest parent");
            }
            return publish(new ViommuObject(stage, GuestIommu.create(rack, stage.table(), table, known.fabricEndpoint())));
        });
    }

    @Override
    public IommufdObject object(int id) {
        checkOpen();
        return published.get(id) instanceof IommufdObject object ? object : noObject(id);
    }

    /** @throws IommufdException {@link Errno#ENOENT} */
    ContextObject find(int id) {
        return peek(id).orElseGet(() -> noObject(id));
    }

    Optional<ContextObject> peek(int id) {
        assertLocked();
        return Optional.ofNullable(slots.get(id)).flatMap(Slot::object);
    }

    private static <T> T noObject(int id) {
        throw new IommufdException(Errno.ENOENT, "no object has the number " + id);
    }

    /** Who pays for what {@code payer} maps: always the same for the same payer. */
    PinCharge chargeFor(ContextOwner payer) {
        return control(() -> payer(payer));
    }

    /** The same, whose limit is looked up there from now on. */
    PinCharge chargeFor(ContextOwner payer, LongSupplier limitBytes) {
        return control(() -> {
            PinLimits.Payer charged = payer(payer);
            charged.limitBy(limitBytes);
            return charged;
        });
    }

    private PinLimits.Payer payer(ContextOwner payer) {
        return charges.computeIfAbsent(payer, p -> limits.chargeFor(p, accounting, p::lockedMemoryLimitBytes));
    }

    @Override
    public PinAccounting pinAccounting() {
        return control(() -> accounting);
    }

    @Override
    public void setPinAccounting(PinAccounting next) {
        run(() -> {
            if (!owner.sysResource()) {
                throw new IommufdException(Errno.EPERM, "changing who is charged for pinned memory needs CAP_SYS_RESOURCE");
            }
            checkNoObjects();
            account(next);
        });
    }

    /** @throws IommufdException {@link Errno#EBUSY} */
    void checkNoObjects() {
        if (!slots.isEmpty()) {
            throw new IommufdException(Errno.EBUSY, "who is charged for pinned memory can only be changed before the first object exists");
        }
    }

    /** Charges by that rule from now on. Nothing is pinned. */
    void account(PinAccounting next) {
        assertLocked();
        accounting = next;
        charges.clear();
        charge = chargeFor(owner);
    }

    @Override
    public void changeProcess(ContextOwner newOwner) {
        run(() -> {
            PinCharge next = chargeFor(newOwner);
            IovaSpace.recharge(objects().filter(IoasObject.class::isInstance).map(ioas -> ((IoasObject) ioas).space()).toList(), next);
            owner = newOwner;
            charge = next;
        });
    }

    private Stream<ContextObject> objects() {
        return slots.values().stream().flatMap(slot -> slot.object().stream());
    }

    @Override
    public Optional<Ioas> vfioIoas() {
        return control(() -> vfioIoas.map(ioas -> ioas));
    }

    @Override
    public void setVfioIoas(Optional<Ioas> ioas) {
        run(() -> vfioIoas = ioas.map(this::own));
    }

    void forgetVfioIoas(IoasObject ioas) {
        vfioIoas = vfioIoas.filter(set -> set != ioas);
    }

    @Override
    public void close() {
        rack.topology().readLock().lock();
        lock.lock();
        try {
            if (closed) {
                return;
            }
            closed = true;
            boolean progress = true;
            while (progress) {
                List<ContextObject> leaves = objects().filter(ContextObject::unused).toList();
                leaves.stream().filter(leaf -> !leaf.destroyed()).forEach(ContextObject::end);
                progress = !leaves.isEmpty();
            }
            assert objects().findAny().isEmpty() : "objects hold each other: " + slots;
            slots.clear();
        } finally {
            lock.unlock();
            rack.topology().readLock().unlock();
        }
        onClose.accept(this);
    }
}
