package iommu.tck;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.DmaAccess;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.hardware.HardwareDomain;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.ReservedRegion;
import iommufd.api.memory.FarMemory;
import iommufd.api.memory.PinnedRuns;
import java.util.ArrayList;
import java.util.List;

/** One IOMMU, its devices, and the memory of one test. Closing it gives everything back and checks that nothing leaked. */
final class Machine implements AutoCloseable {
    private static final int ALL_PASID_BITS = 20;
    /** Where IOVA for tests are looked for first: beyond the 32-bit windows of real machines. */
    private static final long PREFERRED_IOVA = 1L << 36;

    final KitMemory memory;
    final Capabilities capabilities;
    private final boolean ownsMemory;
    private final BackendUnderTest kind;
    private final RunningBackend backend;
    private final List<Device> devices = new ArrayList<>();
    private final List<HardwareDomain> domains = new ArrayList<>();
    private long nextIova;

    Machine(BackendUnderTest kind) {
        this(kind, new KitMemory(), true);
    }

    /** A machine whose IOMMU sits beside another one, over the same memory. */
    Machine(BackendUnderTest kind, Machine neighbour) {
        this(kind, neighbour.memory, false);
    }

    private Machine(BackendUnderTest kind, KitMemory memory, boolean ownsMemory) {
        this.kind = kind;
        this.memory = memory;
        this.ownsMemory = ownsMemory;
        capabilities = kind.capabilities();
        backend = kind.open(memory);
    }

    IommuHardware hardware() {
        return backend.hardware();
    }

    boolean reachesFarMemory() {
        return backend.farMemory().isPresent();
    }

    /** From now on far addresses lead to {@code far}. */
    void connect(FarMemory far) {
        backend.farMemory().orElseThrow().accept(far);
    }

    /** Device {@code index}, which can send any PASID. */
    Device device(int index) {
        return plug(describe(index).withPasidBits(ALL_PASID_BITS));
    }

    /** What device {@code index} says of itself, without PASIDs. */
    EndpointDescription describe(int index) {
        return EndpointDescription.of(kind.requester(index));
    }

    Device plug(EndpointDescription description) {
        Device device = new Device(this, description);
        devices.add(device);
        return device;
    }

    void release(Device device) {
        devices.remove(device);
        device.endpoint.release();
    }

    /** Closes the domain in the end, if {@link #disown} was not called. */
    <D extends HardwareDomain> D own(D domain) {
        domains.add(domain);
        return domain;
    }

    /** Closes a domain now. */
    void close(HardwareDomain domain) {
        domains.remove(domain);
        domain.close();
    }

    /** Maps, and says what. */
    Mapped map(PagingDomain domain, long iova, PinnedRuns runs, DmaAccess access) {
        domain.map(iova, runs, access);
        return new Mapped(iova, runs);
    }

    /** Maps fresh memory that is aligned as its IOVA is. */
    Mapped mapFresh(PagingDomain domain, long iova, long lengthBytes, DmaAccess access) {
        long alignment = Math.min(Long.lowestOneBit(iova | lengthBytes), 2L << 30);
        Mapped mapped = Mapped.of(iova, memory.take(lengthBytes, alignment), lengthBytes);
        domain.map(iova, mapped.runs(), access);
        return mapped;
    }

    /** Free IOVA nobody in this test was given before, outside reserved regions, with unused room on both sides. */
    long iova(Device device, PagingDomain domain, long lengthBytes, long alignment) {
        long start = domain.geometry().aperture().start();
        long last = domain.geometry().aperture().last();
        long room = domain.geometry().smallestPageBytes();
        if (nextIova == 0) {
            boolean roomy = Long.compareUnsigned(last, PREFERRED_IOVA * 8) > 0;
            nextIova = roomy && Long.compareUnsigned(start, PREFERRED_IOVA) < 0 ? PREFERRED_IOVA : start;
        }
        long candidate = alignUp(nextIova + room, alignment);
        ReservedRegion obstacle = obstacle(device, candidate, lengthBytes);
        while (obstacle != null) {
            candidate = alignUp(obstacle.range().last() + 1, alignment);
            obstacle = obstacle(device, candidate, lengthBytes);
        }
        assertThat(Long.compareUnsigned(candidate + lengthBytes - 1, last)).as("IOVA left in the aperture").isNotPositive();
        nextIova = candidate + lengthBytes + room;
        return candidate;
    }

    /** Whether the range is free of reserved regions. */
    boolean isUsable(Device device, long iova, long lengthBytes) {
        return obstacle(device, iova, lengthBytes) == null;
    }

    private static ReservedRegion obstacle(Device device, long iova, long lengthBytes) {
        for (ReservedRegion region : device.endpoint.reservedRegions()) {
            if (region.kind() != ReservedRegion.Kind.SOFTWARE_MSI
                    && Long.compareUnsigned(region.range().start(), iova + lengthBytes - 1) <= 0
                    && Long.compareUnsigned(region.range().last(), iova) >= 0) {
                return region;
            }
        }
        return null;
    }

    private static long alignUp(long address, long alignment) {
        return address + alignment - 1 & -alignment;
    }

    /** Sizes of entries, ascending, that fit into the kit's memory. */
    List<Long> testablePageSizes(PagingDomain domain) {
        List<Long> sizes = new ArrayList<>();
        for (long left = domain.geometry().pageSizes(); left != 0; left &= left - 1) {
            long size = Long.lowestOneBit(left);
            if (size > 0 && size <= 1L << 31) {
                sizes.add(size);
            }
        }
        return sizes;
    }

    /** The next size after the smallest, or the smallest if there is no other. */
    long largePageBytes(PagingDomain domain) {
        List<Long> sizes = testablePageSizes(domain);
        return sizes.size() > 1 ? sizes.get(1) : sizes.getFirst();
    }

    @Override
    public void close() {
        try {
            List.copyOf(devices).forEach(this::release);
            List.copyOf(domains).forEach(this::close);
            backend.close();
            if (ownsMemory) {
                assertThat(memory.tables().bytesInUse()).as("bytes of table frames in use after power off").isZero();
            }
        } finally {
            if (ownsMemory) {
                memory.close();
            }
        }
    }
}
