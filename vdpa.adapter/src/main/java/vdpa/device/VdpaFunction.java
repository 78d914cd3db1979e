package vdpa.device;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import java.util.Collections;
import java.util.List;

/**
 * A vDPA device as its maker describes it.
 *
 * @param address how its DMA requests are known on the bus; unique among all devices
 * @param deviceId virtio device id: 1 network, 2 block
 * @param vendorId virtio vendor id
 * @param features offered, bit n for feature n; {@link VirtioFeature#VERSION_1} and {@link VirtioFeature#ACCESS_PLATFORM} are added
 * @param maxQueueSize most entries of a queue, a power of two up to 32768
 * @param configBytes size of the configuration space, with fields that depend on features
 * @param queueGroups the group of each queue: groups are what a client gives address spaces to
 * @param descriptorGroups the group of each queue's ring, or empty if rings and buffers of a queue are always in one address space
 * @param addressSpaces how many the client may fill, at least 1; address spaces but the first need PASIDs of the IOMMU
 * @param iovas what the device can address; an IOMMU may be able to less
 * @param suspends whether {@link RunningVdpa#suspend} and {@link RunningVdpa#resume} work
 * @param enablesLate whether queues may also be enabled after {@code DRIVER_OK} ({@code VHOST_BACKEND_F_ENABLE_AFTER_DRIVER_OK})
 * @param notificationPages whether clients may kick by a store to a page, which the device polls
 */
public record VdpaFunction(RequesterId address, int deviceId, int vendorId, long features, int maxQueueSize, int configBytes,
        List<Integer> queueGroups, List<Integer> descriptorGroups, int addressSpaces, IovaRange iovas, boolean suspends,
        boolean enablesLate, boolean notificationPages) {
    /** Most entries of any queue: what 15 bits can count. */
    public static final int QUEUE_SIZE_LIMIT = 1 << 15;
    /** Most address spaces. */
    public static final int ADDRESS_SPACE_LIMIT = 1 << 8;
    private static final IovaRange ALL = new IovaRange(0, -1L);

    /** @throws IommufdException {@link Errno#EINVAL} if it has no queue, a size is out of range, or there are not as many rings as queues */
    public VdpaFunction {
        queueGroups = List.copyOf(queueGroups);
        descriptorGroups = List.copyOf(descriptorGroups);
        features |= VirtioFeature.VERSION_1 | VirtioFeature.ACCESS_PLATFORM;
        require(!queueGroups.isEmpty(), address, "it has no queue");
        require(descriptorGroups.isEmpty() || descriptorGroups.size() == queueGroups.size(), address, "not every queue's ring has a group");
        require(maxQueueSize > 0 && maxQueueSize <= QUEUE_SIZE_LIMIT && Integer.bitCount(maxQueueSize) == 1, address,
                "queues of " + maxQueueSize + " entries");
        require(addressSpaces > 0 && addressSpaces <= ADDRESS_SPACE_LIMIT, address, addressSpaces + " address spaces");
        require(configBytes >= 0, address, configBytes + " bytes of configuration");
        require(Collections.min(queueGroups) >= 0 && descriptorGroups.stream().allMatch(group -> group >= 0), address, "a negative group");
    }

    private static void require(boolean holds, RequesterId address, String otherwise) {
        if (!holds) {
            throw new IommufdException(Errno.EINVAL, "%s cannot be described like this: %s".formatted(address, otherwise));
        }
    }

    /** Starts a description of a device with one queue of up to 256 entries, one group and one address space. */
    public static Builder at(RequesterId address, int deviceId) {
        return new Builder(address, deviceId);
    }

    /** Number of queues. */
    public int queues() {
        return queueGroups.size();
    }

    /** Number of groups: one more than the highest that a queue or ring is in. */
    public int groups() {
        int highest = Collections.max(queueGroups);
        return 1 + (descriptorGroups.isEmpty() ? highest : Math.max(highest, Collections.max(descriptorGroups)));
    }

    /** Group of a queue's buffers, and of its ring unless {@link #descriptorGroup} says otherwise. */
    public int queueGroup(int queue) {
        return queueGroups.get(queue);
    }

    /** Group of a queue's ring. */
    public int descriptorGroup(int queue) {
        return descriptorGroups.isEmpty() ? queueGroup(queue) : descriptorGroups.get(queue);
    }

    /** What it says of itself when it is plugged in: address space n, but the first, is PASID n. Alone in its IOMMU group. */
    public EndpointDescription endpoint() {
        return EndpointDescription.of(address).withPasidBits(Integer.SIZE - Integer.numberOfLeadingZeros(addressSpaces - 1));
    }

    /** Collects a description. Not thread-safe. */
    public static final class Builder {
        private final RequesterId address;
        private final int deviceId;
        private int vendorId;
        private long features;
        private int maxQueueSize = 256;
        private int configBytes;
        private List<Integer> queueGroups = List.of(0);
        private List<Integer> descriptorGroups = List.of();
        private int addressSpaces = 1;
        private IovaRange iovas = ALL;
        private boolean suspends;
        private boolean enablesLate;
        private boolean notificationPages;

        private Builder(RequesterId address, int deviceId) {
            this.address = address;
            this.deviceId = deviceId;
        }

        /** Virtio vendor id. */
        public Builder vendor(int id) {
            vendorId = id;
            return this;
        }

        /** Features it offers, besides those that all do. */
        public Builder features(long mask) {
            features = mask;
            return this;
        }

        /** That many queues, all in group 0, of at most that many entries. */
        public Builder queues(int count, int maxSize) {
            queueGroups = Collections.nCopies(count, 0);
            maxQueueSize = maxSize;
            return this;
        }

        /** Size of the configuration space. */
        public Builder config(int bytes) {
            configBytes = bytes;
            return this;
        }

        /** The group of each queue, after {@link #queues}; for instance the control queue apart from the others. */
        public Builder groups(List<Integer> ofQueues) {
            queueGroups = ofQueues;
            return this;
        }

        /** The group of each queue's ring. */
        public Builder descriptorGroups(List<Integer> ofRings) {
            descriptorGroups = ofRings;
            return this;
        }

        /** How many address spaces groups may be in. */
        public Builder addressSpaces(int count) {
            addressSpaces = count;
            return this;
        }

        /** What it can address. */
        public Builder iovas(IovaRange range) {
            iovas = range;
            return this;
        }

        /** It can be suspended and resumed. */
        public Builder suspends() {
            suspends = true;
            return this;
        }

        /** Queues may be enabled after {@code DRIVER_OK}. */
        public Builder enablesLate() {
            enablesLate = true;
            return this;
        }

        /** Clients may kick by a store. */
        public Builder notificationPages() {
            notificationPages = true;
            return this;
        }

        /** The description. */
        public VdpaFunction build() {
            return new VdpaFunction(address, deviceId, vendorId, features, maxQueueSize, configBytes, queueGroups, descriptorGroups,
                    addressSpaces, iovas, suspends, enablesLate, notificationPages);
        }
    }
}
