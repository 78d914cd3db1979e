package iommu.smmuv3.driver;

import iommu.smmuv3.format.SmmuEvent;
import iommufd.api.Errno;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.HardwareViommu;
import iommufd.api.hardware.NestedDomain;
import iommufd.api.uapi.IommuVeventArmSmmuv3;
import iommufd.api.uapi.IommuViommuArmSmmuv3Invalidate;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.ConcurrentHashMap;

/** A guest's SMMUv3 over one second stage: its VMID, and the guest's numbers of its devices. Thread-safe. */
final class SmmuViommu implements HardwareViommu {
    /** {@code IOMMU_VIOMMU_TYPE_ARM_SMMUV3}. */
    static final int TYPE = 1;
    /** {@code IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3}. */
    private static final int INVALIDATION_TYPE = 1;
    /** {@code IOMMU_VEVENTQ_TYPE_ARM_SMMUV3}. */
    private static final int EVENT_TYPE = 1;
    /** Commands carried out together; one refused takes those before it in its batch along. */
    private static final int BATCH = 63;

    private final SmmuDriver driver;
    private final SmmuPagingDomain parent;
    private final Map<Long, SmmuEndpoint> devices = new ConcurrentHashMap<>();
    private volatile Optional<EventSink> events = Optional.empty();

    SmmuViommu(SmmuDriver driver, SmmuPagingDomain parent) {
        this.driver = driver;
        this.parent = parent;
    }

    SmmuPagingDomain parent() {
        return parent;
    }

    boolean belongsTo(SmmuDriver other) {
        return driver == other;
    }

    @Override
    public NestedDomain allocateNested(HardwareEndpoint endpoint, NestedTable table) {
        return new SmmuNestedDomain(this, table);
    }

    @Override
    public void addDevice(HardwareEndpoint endpoint, long virtualId) {
        if (endpoint instanceof SmmuEndpoint own) {
            devices.put(virtualId, own);
        }
    }

    @Override
    public void removeDevice(long virtualId) {
        devices.remove(virtualId);
    }

    /** Whether the guest has a number for an endpoint. */
    boolean knows(SmmuEndpoint endpoint) {
        return devices.containsValue(endpoint);
    }

    /** As Linux does it: all are read before the first is carried out, and they go in batches. */
    @Override
    public InvalidationResult invalidate(InvalidationEntries entries) {
        if (entries.dataType() != INVALIDATION_TYPE || entries.entryBytes() < IommuViommuArmSmmuv3Invalidate.SIZE_BYTES) {
            throw new IommufdException(Errno.EINVAL, "entries of type 0x%x and %d bytes are no commands of an SMMUv3"
                    .formatted(entries.dataType(), entries.entryBytes()));
        }
        long[] words = read(entries);
        long[] batch = new long[2 * BATCH];
        int inBatch = 0;
        int done = 0;
        for (int i = 0; i < entries.count(); i++) {
            Optional<GuestCommand> command = GuestCommand.of(words[2 * i], words[2 * i + 1], parent.id(), driver.substreamIdBits() > 0,
                    this::streamOf);
            if (command.isEmpty()) {
                return new InvalidationResult(done, Optional.of(Errno.EIO));
            }
            batch[2 * inBatch] = command.get().word0();
            batch[2 * inBatch + 1] = command.get().word1();
            inBatch++;
            if (inBatch == BATCH || i + 1 == entries.count()) {
                driver.commands().post(batch, inBatch);
                done += inBatch;
                inBatch = 0;
            }
        }
        return InvalidationResult.complete(entries.count());
    }

    private static long[] read(InvalidationEntries entries) {
        long[] words = new long[2 * entries.count()];
        MemorySegment bytes = entries.bytes();
        ValueLayout.OfLong layout = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < entries.count(); i++) {
            MemorySegment entry = bytes.asSlice((long) i * entries.entryBytes(), entries.entryBytes());
            for (long tail = IommuViommuArmSmmuv3Invalidate.SIZE_BYTES; tail < entry.byteSize(); tail++) {
                if (entry.get(ValueLayout.JAVA_BYTE, tail) != 0) {
                    throw new IommufdException(Errno.E2BIG, "a command is not zero behind its two words");
                }
            }
            words[2 * i] = entry.get(layout, IommuViommuArmSmmuv3Invalidate.CMD_OFFSET);
            words[2 * i + 1] = entry.get(layout, IommuViommuArmSmmuv3Invalidate.CMD_OFFSET + Long.BYTES);
        }
        return words;
    }

    private OptionalInt streamOf(long virtualId) {
        SmmuEndpoint endpoint = devices.get(virtualId);
        return endpoint == null ? OptionalInt.empty() : OptionalInt.of(endpoint.streamId());
    }

    @Override
    public boolean openEvents(int type, EventSink sink) {
        if (type != EVENT_TYPE) {
            return false;
        }
        events = Optional.of(sink);
        return true;
    }

    @Override
    public void closeEvents(int type) {
        if (type == EVENT_TYPE) {
            events = Optional.empty();
        }
    }

    /** An event of an endpoint's first stage: the guest hears of it, under its own number for the endpoint. */
    void report(SmmuEndpoint endpoint, long[] record) {
        Optional<EventSink> sink = events;
        if (sink.isEmpty() || !isForGuests(record)) {
            return;
        }
        devices.entrySet().stream().filter(device -> device.getValue() == endpoint).map(Map.Entry::getKey).findFirst().ifPresent(virtualId -> {
            MemorySegment bytes = MemorySegment.ofArray(new byte[IommuVeventArmSmmuv3.SIZE_BYTES]);
            ValueLayout.OfLong layout = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
            bytes.set(layout, 0, record[0] & 0xffff_ffffL | virtualId << SmmuEvent.STREAM_SHIFT);
            for (int word = 1; word < record.length; word++) {
                bytes.set(layout, word * 8L, record[word]);
            }
            sink.get().event(bytes.toArray(ValueLayout.JAVA_BYTE));
        });
    }

    /** Not what concerns the host's tables. */
    private static boolean isForGuests(long[] record) {
        return switch (SmmuEvent.of(record[0])) {
            case C_BAD_STE, F_STREAM_DISABLED, C_BAD_SUBSTREAMID, C_BAD_CD, F_TRANSLATION, F_ADDR_SIZE, F_ACCESS, F_PERMISSION ->
                    (record[1] & SmmuEvent.STAGE2) == 0;
            default -> false;
        };
    }

    @Override
    public boolean offersQueues(int type) {
        return false;
    }

    @Override
    public HardwareQueue allocateQueue(int type, int index, long physicalAddress, long lengthBytes) {
        throw new IommufdException(Errno.EOPNOTSUPP, "a plain SMMUv3 has no queues for guests");
    }

    @Override
    public void close() {
        devices.clear();
        events = Optional.empty();
    }
}
