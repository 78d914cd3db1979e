package iommu.mock.hardware;

import iommufd.api.Errno;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.ViommuTable;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.HardwareViommu;
import iommufd.api.hardware.NestedDomain;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/** A vIOMMU: knows devices by the guest's numbers, and two queues of which the second needs the first. Guarded by itself. */
public final class MockViommu implements HardwareViommu {
    /** IOMMU_TEST_HW_QUEUE_MAX. */
    private static final int QUEUES = 2;
    private static final int OUT_DATA_OFFSET = 4;
    private static final int DEVICE_OFFSET = 4;
    private static final int CACHE_OFFSET = 8;

    private final byte[] reply;
    private final Map<Long, MockEndpoint> devices = new HashMap<>();
    private final MockQueue[] queues = new MockQueue[QUEUES];
    private Optional<EventSink> events = Optional.empty();

    MockViommu(ViommuTable table) {
        if (table.type() != VendorData.VIOMMU) {
            throw new IommufdException(Errno.EOPNOTSUPP, "the mock IOMMU has no vIOMMU of type 0x%x".formatted(table.type()));
        }
        reply = table.lengthBytes() == 0 ? new byte[0] : looped(table);
    }

    /** What came in goes out. There is no region to map: offset and length stay 0. */
    private static byte[] looped(ViommuTable passed) {
        MemorySegment struct = VendorData.struct(passed, VendorData.VIOMMU_MIN_BYTES, VendorData.VIOMMU_BYTES);
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, OUT_DATA_OFFSET, VendorData.int32(struct, 0));
        return Arrays.copyOf(struct.toArray(ValueLayout.JAVA_BYTE), (int) passed.lengthBytes());
    }

    @Override
    public byte[] reply() {
        return reply.clone();
    }

    @Override
    public NestedDomain allocateNested(HardwareEndpoint endpoint, NestedTable table) {
        return new MockNested(table, Optional.of(this));
    }

    @Override
    public synchronized void addDevice(HardwareEndpoint endpoint, long virtualId) {
        devices.put(virtualId, (MockEndpoint) endpoint);
    }

    @Override
    public synchronized void removeDevice(long virtualId) {
        devices.remove(virtualId);
    }

    /** The guest's number of a device. */
    synchronized OptionalLong virtualId(MockEndpoint endpoint) {
        return devices.entrySet().stream().filter(device -> device.getValue() == endpoint).mapToLong(Map.Entry::getKey).findFirst();
    }

    /** As Linux does it: all entries are read before the first is carried out, and shorter ones are filled with zeros. */
    @Override
    public synchronized InvalidationResult invalidate(InvalidationEntries entries) {
        if (entries.dataType() != VendorData.VIOMMU_INVALIDATION) {
            throw new IommufdException(Errno.EINVAL, "the mock vIOMMU knows no invalidation of type 0x%x".formatted(entries.dataType()));
        }
        MemorySegment[] requests = new MemorySegment[entries.count()];
        for (int i = 0; i < requests.length; i++) {
            requests[i] = request(entries.bytes().asSlice((long) i * entries.entryBytes(), entries.entryBytes()));
        }
        for (int i = 0; i < requests.length; i++) {
            Optional<Errno> refusal = invalidate(requests[i]);
            if (refusal.isPresent()) {
                return new InvalidationResult(i, refusal);
            }
        }
        return InvalidationResult.complete(entries.count());
    }

    private static MemorySegment request(MemorySegment entry) {
        for (long i = VendorData.VIOMMU_INVALIDATION_BYTES; i < entry.byteSize(); i++) {
            if (entry.get(ValueLayout.JAVA_BYTE, i) != 0) {
                throw new IommufdException(Errno.E2BIG, "an invalidation request is not zero behind what the mock IOMMU knows");
            }
        }
        byte[] known = new byte[VendorData.VIOMMU_INVALIDATION_BYTES];
        MemorySegment.copy(entry, 0, MemorySegment.ofArray(known), 0, Math.min(known.length, entry.byteSize()));
        return MemorySegment.ofArray(known);
    }

    private Optional<Errno> invalidate(MemorySegment request) {
        int flags = VendorData.int32(request, 0);
        int cache = VendorData.int32(request, CACHE_OFFSET);
        if ((flags & ~VendorData.INVALIDATE_ALL) != 0) {
            return Optional.of(Errno.EOPNOTSUPP);
        }
        MockEndpoint endpoint = devices.get(Integer.toUnsignedLong(VendorData.int32(request, DEVICE_OFFSET)));
        if (Integer.compareUnsigned(cache, MockDevice.CACHES) >= 0 || endpoint == null) {
            return Optional.of(Errno.EINVAL);
        }
        if (flags == VendorData.INVALIDATE_ALL) {
            endpoint.device().invalidateAll();
        } else {
            endpoint.device().invalidate(cache);
        }
        return Optional.empty();
    }

    @Override
    public synchronized boolean openEvents(int type, EventSink sink) {
        if (type != VendorData.EVENT) {
            return false;
        }
        events = Optional.of(sink);
        return true;
    }

    @Override
    public synchronized void closeEvents(int type) {
        events = type == VendorData.EVENT ? Optional.empty() : events;
    }

    /** Something happened to the device of that number. @throws IommufdException {@link Errno#EOPNOTSUPP} if nobody listens */
    void report(long virtualId) {
        EventSink sink;
        synchronized (this) {
            sink = events.orElseThrow(() -> new IommufdException(Errno.EOPNOTSUPP, "the mock vIOMMU has no event queue"));
        }
        byte[] record = new byte[Integer.BYTES];
        MemorySegment.ofArray(record).set(ValueLayout.JAVA_INT_UNALIGNED, 0, (int) virtualId);
        sink.event(record);
    }

    @Override
    public boolean offersQueues(int type) {
        return type == VendorData.QUEUE;
    }

    @Override
    public synchronized HardwareQueue allocateQueue(int type, int index, long physicalAddress, long lengthBytes) {
        if (type != VendorData.QUEUE) {
            throw new IommufdException(Errno.EOPNOTSUPP, "the mock vIOMMU has no queues of type 0x%x".formatted(type));
        }
        if (Integer.compareUnsigned(index, QUEUES) >= 0) {
            throw new IommufdException(Errno.EINVAL, "the mock vIOMMU has queues 0 and 1, not " + Integer.toUnsignedString(index));
        }
        if (queues[index] != null) {
            throw new IommufdException(Errno.EEXIST, "queue %d is in use".formatted(index));
        }
        if (index > 0 && queues[index - 1] == null) {
            throw new IommufdException(Errno.EIO, "queue %d needs queue %d, which there is not".formatted(index, index - 1));
        }
        queues[index] = new MockQueue(index);
        return queues[index];
    }

    @Override
    public void close() {
        // nothing but numbers
    }

    private final class MockQueue implements HardwareQueue {
        private final int index;

        MockQueue(int index) {
            this.index = index;
        }

        @Override
        public boolean inUse() {
            synchronized (MockViommu.this) {
                return index + 1 < QUEUES && queues[index + 1] != null;
            }
        }

        @Override
        public void close() {
            synchronized (MockViommu.this) {
                queues[index] = null;
            }
        }
    }
}
