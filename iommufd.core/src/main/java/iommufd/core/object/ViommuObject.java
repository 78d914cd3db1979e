package iommufd.core.object;

import iommufd.api.BoundDevice;
import iommufd.api.Errno;
import iommufd.api.EventQueue;
import iommufd.api.FaultQueue;
import iommufd.api.HwQueue;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.IommufdException;
import iommufd.api.NestedHwpt;
import iommufd.api.NestedTable;
import iommufd.api.PagingHwpt;
import iommufd.api.Vdevice;
import iommufd.api.Viommu;
import iommufd.core.fabric.GuestIommu;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** A guest's IOMMU, and who is what in it. */
final class ViommuObject extends ContextObject implements Viommu {
    /** Type 0 of every vendor-defined object means "none". */
    private static final int TYPE_DEFAULT = 0;

    private final PagingHwptObject parent;
    private final GuestIommu guest;
    private final Map<Long, VdeviceObject> vdevices = new HashMap<>();
    private final Map<Integer, EventQueueObject> eventQueues = new HashMap<>();
    private final Map<Long, HwQueueObject> hwQueues = new HashMap<>();

    ViommuObject(PagingHwptObject parent, GuestIommu guest) {
        super(parent.context());
        this.parent = parent;
        this.guest = guest;
        parent.hold();
    }

    @Override
    String kind() {
        return "vIOMMU";
    }

    @Override
    void release() {
        guest.close();
        parent.letGo();
    }

    GuestIommu guest() {
        return guest;
    }

    PagingHwptObject parentObject() {
        return parent;
    }

    @Override
    public PagingHwpt parent() {
        return parent;
    }

    @Override
    public Vdevice allocateVdevice(BoundDevice device, long virtualId) {
        return context().control(() -> {
            checkAlive();
            DeviceObject known = context().own(device);
            guest.checkBehind(known.fabricEndpoint());
            if (known.vdevice().isPresent()) {
                throw new IommufdException(Errno.EEXIST, "%s is %s already".formatted(known, known.vdevice().get()));
            }
            if (vdevices.containsKey(virtualId)) {
                throw new IommufdException(Errno.EEXIST, "the guest knows another device as 0x%x".formatted(virtualId));
            }
            guest.addDevice(known.fabricEndpoint(), virtualId);
            return context().publish(new VdeviceObject(this, known, virtualId));
        });
    }

    @Override
    public NestedHwpt allocateNestedHwpt(BoundDevice device, NestedTable table, Optional<FaultQueue> faults, boolean pasid) {
        return context().control(() -> {
            checkAlive();
            return context().nested(context().own(device), parent, Optional.of(this), table, faults, pasid);
        });
    }

    @Override
    public EventQueue allocateEventQueue(int type, int depth) {
        return openEventQueue(type, depth, true);
    }

    /** @param knownOnly whether the hardware must know the type; if not, a queue of an unknown type stays empty */
    EventQueueObject openEventQueue(int type, int depth, boolean knownOnly) {
        return context().control(() -> {
            checkAlive();
            refuseDefault(type, "event queue");
            if (depth < 1 || depth > EventQueueObject.MAX_DEPTH) {
                throw new IommufdException(Errno.EINVAL, "an event queue has a depth of 1 to %d, not %d".formatted(EventQueueObject.MAX_DEPTH, depth));
            }
            if (eventQueues.containsKey(type)) {
                throw new IommufdException(Errno.EEXIST, "%s has an event queue of type %d already".formatted(this, type));
            }
            EventQueueObject queue = new EventQueueObject(this, type, depth);
            if (!guest.openEvents(type, queue) && knownOnly) {
                throw new IommufdException(Errno.EOPNOTSUPP, "the hardware knows no events of type " + type);
            }
            eventQueues.put(type, queue);
            hold();
            return context().publish(queue);
        });
    }

    @Override
    public HwQueue allocateHwQueue(int type, int index, long baseIova, long lengthBytes) {
        return context().control(() -> {
            checkAlive();
            refuseDefault(type, "hardware queue");
            if (lengthBytes == 0) {
                throw new IommufdException(Errno.EINVAL, "a hardware queue of length 0");
            }
            if (Long.compareUnsigned(baseIova + lengthBytes - 1, baseIova) < 0) {
                throw new IommufdException(Errno.EOVERFLOW, "a hardware queue of 0x%x bytes at 0x%x passes the end of the address space"
                        .formatted(lengthBytes, baseIova));
            }
            if (!guest.offersQueues(type)) {
                throw new IommufdException(Errno.EOPNOTSUPP, "the hardware has no queues of type " + type);
            }
            HwQueueObject queue = HwQueueObject.open(this, type, index, baseIova, lengthBytes, () -> checkFree(type, index));
            hwQueues.put(queueKey(type, index), queue);
            hold();
            context().publish(queue).numberAccess();
            return queue;
        });
    }

    private void checkFree(int type, int index) {
        if (hwQueues.containsKey(queueKey(type, index))) {
            throw new IommufdException(Errno.EEXIST, "%s has a hardware queue %d of type %d already".formatted(this, index, type));
        }
    }

    private static long queueKey(int type, int index) {
        return (long) type << 32 | Integer.toUnsignedLong(index);
    }

    private static void refuseDefault(int type, String what) {
        if (type == TYPE_DEFAULT) {
            throw new IommufdException(Errno.EOPNOTSUPP, "type 0 is no " + what);
        }
    }

    @Override
    public InvalidationResult invalidate(InvalidationEntries entries) {
        checkAlive();
        NestedHwptObject.check(entries);
        return guest.invalidate(entries);
    }

    void add(VdeviceObject vdevice) {
        vdevices.put(vdevice.virtualId(), vdevice);
        hold();
    }

    void remove(VdeviceObject vdevice) {
        vdevices.remove(vdevice.virtualId());
        guest.removeDevice(vdevice.virtualId());
        letGo();
    }

    void remove(EventQueueObject queue) {
        eventQueues.remove(queue.type());
        guest.closeEvents(queue.type());
        letGo();
    }

    void remove(HwQueueObject queue) {
        hwQueues.remove(queueKey(queue.type(), queue.index()));
        letGo();
    }
}
