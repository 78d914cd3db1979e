package iommu.mock.hardware;

import iommu.common.table.TablePool;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.memory.TableMemory;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** The mock IOMMU, and the bus segment behind it on which mock devices are. Thread-safe. */
public final class MockBackend implements IommuHardware {
    /** Name and vendor. */
    public static final String NAME = "mock";
    /** No machine has so many segments: nothing else is plugged in there. */
    private static final int SEGMENT = 0xfffe;
    private static final int DEVICES = 1 << 16;

    private final TablePool pool;
    private final Map<RequesterId, MockDevice> devices = new HashMap<>();
    private final Set<RequesterId> probed = new HashSet<>();

    /** @param memory where page tables live */
    public MockBackend(TableMemory memory) {
        pool = new TablePool(memory);
    }

    /**
     * A new device, not plugged in yet; {@link #remove} it at last.
     *
     * @throws IommufdException {@link Errno#ENOSPC} if the bus is full
     */
    public synchronized MockDevice addDevice(boolean dirtyTracking, boolean pasids) {
        for (int number = 0; number < DEVICES; number++) {
            RequesterId requesterId = new RequesterId(SEGMENT << 16 | number);
            if (!devices.containsKey(requesterId)) {
                MockDevice device = new MockDevice(requesterId, dirtyTracking, pasids);
                devices.put(requesterId, device);
                return device;
            }
        }
        throw new IommufdException(Errno.ENOSPC, "there are %d mock devices already".formatted(DEVICES));
    }

    /** Frees a device's place on the bus. */
    public synchronized void remove(MockDevice device) {
        devices.remove(device.description().requesterId(), device);
    }

    /** The device with that number on the bus. */
    public synchronized Optional<MockDevice> device(RequesterId requesterId) {
        return Optional.ofNullable(devices.get(requesterId));
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public String vendor() {
        return NAME;
    }

    @Override
    public synchronized HardwareEndpoint probe(EndpointDescription description, FaultSink faults) {
        RequesterId requesterId = description.requesterId();
        MockDevice device = device(requesterId)
                .orElseThrow(() -> new IommufdException(Errno.ENODEV, "%s is no mock device".formatted(requesterId)));
        if (!probed.add(requesterId)) {
            throw new IommufdException(Errno.EBUSY, "the mock IOMMU has %s already".formatted(requesterId));
        }
        MockEndpoint endpoint = new MockEndpoint(pool, device, faults, () -> released(requesterId));
        device.seatedAt(Optional.of(endpoint));
        return endpoint;
    }

    private synchronized void released(RequesterId requesterId) {
        probed.remove(requesterId);
    }
}
