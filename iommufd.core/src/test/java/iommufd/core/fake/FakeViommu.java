package iommufd.core.fake;

import iommufd.api.Errno;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.ViommuTable;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.HardwareViommu;
import iommufd.api.hardware.NestedDomain;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** A vIOMMU of type 1, with events of type 1 and queues of type 1, index 0 to 3. */
public final class FakeViommu implements HardwareViommu {
    public final Map<Long, FakeEndpoint> devices = new ConcurrentHashMap<>();
    public final Map<Integer, EventSink> events = new ConcurrentHashMap<>();
    public final Map<Integer, Long> queues = new ConcurrentHashMap<>();
    private final FakeHardware hardware;
    private final FakePagingDomain parent;

    FakeViommu(FakeHardware hardware, FakePagingDomain parent, ViommuTable table) {
        if (table.type() != 1) {
            throw new IommufdException(Errno.EOPNOTSUPP, "unknown vIOMMU type " + table.type());
        }
        table.bytes();
        this.hardware = hardware;
        this.parent = parent;
        synchronized (hardware.viommus) {
            hardware.viommus.add(this);
        }
    }

    @Override
    public NestedDomain allocateNested(HardwareEndpoint endpoint, NestedTable table) {
        hardware.sabotage.refusable("allocateNested");
        if (((FakeEndpoint) endpoint).released()) {
            throw new IllegalArgumentException("released endpoint");
        }
        return FakeNestedDomain.of(hardware, parent, table);
    }

    @Override
    public void addDevice(HardwareEndpoint endpoint, long virtualId) {
        hardware.sabotage.refusable("addDevice");
        if (((FakeEndpoint) endpoint).hardware != hardware) {
            throw new IllegalArgumentException("a foreign endpoint");
        }
        devices.put(virtualId, (FakeEndpoint) endpoint);
    }

    @Override
    public void removeDevice(long virtualId) {
        devices.remove(virtualId);
    }

    @Override
    public InvalidationResult invalidate(InvalidationEntries entries) {
        return InvalidationResult.complete(entries.count());
    }

    @Override
    public boolean openEvents(int type, EventSink sink) {
        hardware.sabotage.refusable("openEvents");
        if (type == 1) {
            events.put(type, sink);
        }
        return type == 1;
    }

    @Override
    public void closeEvents(int type) {
        events.remove(type);
    }

    @Override
    public boolean offersQueues(int type) {
        return type == 1;
    }

    @Override
    public HardwareQueue allocateQueue(int type, int index, long physicalAddress, long lengthBytes) {
        hardware.sabotage.refusable("allocateQueue");
        if (type != 1) {
            throw new IommufdException(Errno.EOPNOTSUPP, "unknown queue type " + type);
        }
        if (index < 0 || index > 3) {
            throw new IommufdException(Errno.EINVAL, "bad queue index " + index);
        }
        queues.put(index, physicalAddress);
        return () -> queues.remove(index);
    }

    @Override
    public void close() {
        synchronized (hardware.viommus) {
            hardware.viommus.remove(this);
        }
    }
}
