package iommu.tck;

import static iommufd.api.DmaAccess.READ_WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.memory.PinnedRuns;
import org.junit.jupiter.api.Test;

/** Every single frame allocation fails once: the caller sees {@code ENOMEM}, everything is as before, and a retry succeeds. */
abstract class ExhaustionContract extends Contract {
    private static final int MOST_FRAMES = 500;

    @Test
    void probeFailsWithoutATrace() {
        Device[] probed = new Device[1];
        failEach(() -> probed[0] = machine.device(0), () -> { });
        Device device = probed[0];
        PagingDomain domain = device.attachNewDomain();
        long page = domain.geometry().smallestPageBytes();
        traffic.passesThroughout(device.port(),
                machine.mapFresh(domain, machine.iova(device, domain, page, page), page, READ_WRITE));
    }

    @Test
    void allocatePagingFailsWithoutATrace() {
        Device device = machine.device(0);
        PagingOptions everything = new PagingOptions(false, machine.capabilities.dirtyTracking(),
                machine.capabilities.pasidBits() > 0);
        for (PagingOptions options : new PagingOptions[] {PagingOptions.PLAIN, everything}) {
            failEach(() -> device.newDomain(options), () -> { });
        }
    }

    @Test
    void mapFailsWithoutATrace() {
        assertThat(mapFails(false)).as("frame allocations that failed").isPositive();
    }

    @Test
    void mapSmallestFailsWithoutATrace() {
        assertThat(mapFails(true)).as("frame allocations that failed").isPositive();
    }

    private int mapFails(boolean smallest) {
        Device device = machine.device(0);
        HardwarePort port = device.port();
        // What an endpoint needs for being attached at all may stay with it.
        PagingDomain earlier = device.attachNewDomain();
        device.endpoint.block(Pasid.NONE);
        machine.close(earlier);
        long start = machine.memory.tables().bytesInUse();
        for (int n = 1; ; n++) {
            assertThat(n).isLessThan(MOST_FRAMES);
            machine.memory.rewind();
            PagingDomain domain = device.attachNewDomain();
            long page = domain.geometry().smallestPageBytes();
            long large = machine.largePageBytes(domain);
            long iova = machine.iova(device, domain, 8 * large, 4 * large);
            Mapped present = machine.mapFresh(domain, iova, page, READ_WRITE);
            PinnedRuns runs = new PinnedRuns(2);
            runs.add(machine.memory.take(2 * large, large), large);
            runs.add(machine.memory.take(4 * large, large) + page, 2 * large);
            Mapped wanted = new Mapped(iova + 4 * large - page, runs);
            traffic.passesThroughout(port, present);

            long before = machine.memory.tables().bytesInUse();
            boolean failed = failsAt(n, () -> map(domain, wanted, smallest));
            if (failed) {
                assertThat(machine.memory.tables().bytesInUse()).as("bytes of table frames after failure %d", n)
                        .isBetween(before, before + machine.capabilities.keptTableBytes());
                for (long place = wanted.iova(); place < wanted.lastIova(); place += page) {
                    assertThat(domain.translate(place)).as("translation of 0x%x", place).isEqualTo(PagingDomain.UNMAPPED);
                }
                Traffic.isRefused(port, wanted.iova());
                Traffic.isRefused(port, wanted.lastIova() - 7);
                map(domain, wanted, smallest);
            }
            traffic.passesThroughout(port, present);
            traffic.passesThroughout(port, wanted);
            assertThat(domain.unmap(iova, wanted.lastIova())).isEqualTo(page + wanted.lengthBytes());
            device.endpoint.block(Pasid.NONE);
            machine.close(domain);
            assertThat(machine.memory.tables().bytesInUse()).as("bytes of table frames after closing the table").isEqualTo(start);
            if (!failed) {
                return n - 1;
            }
        }
    }

    @Test
    void attachFailsAndTheFormerAttachmentServesOn() {
        assertFailedAttachChangesNothing(Pasid.NONE);
    }

    @Test
    void attachOfAPasidFailsAndTheFormerAttachmentServesOn() {
        assumeTrue(machine.capabilities.pasidBits() > 0, "no PASIDs");
        assertFailedAttachChangesNothing((1 << machine.capabilities.pasidBits()) - 1);
    }

    private void assertFailedAttachChangesNothing(int pasid) {
        Device device = machine.device(0);
        PagingOptions options = new PagingOptions(false, false, machine.capabilities.pasidBits() > 0);
        PagingDomain former = device.attachNewDomain(options);
        PagingDomain next = device.newDomain(options);
        long page = former.geometry().smallestPageBytes();
        long iova = machine.iova(device, former, page, page);
        Mapped formerMapped = machine.mapFresh(former, iova, page, READ_WRITE);
        Mapped nextMapped = machine.mapFresh(next, iova, page, READ_WRITE);
        HardwarePort plain = device.port();
        traffic.passesThroughout(plain, formerMapped);
        failEach(() -> device.endpoint.attach(pasid, next), () -> {
            traffic.passesThroughout(plain, formerMapped);
            if (pasid != Pasid.NONE) {
                Traffic.isRefused(device.port(pasid), iova);
            }
        });
        traffic.passesThroughout(device.port(pasid), nextMapped);
        failEach(() -> device.endpoint.attach(pasid, former), () -> traffic.passesThroughout(device.port(pasid), nextMapped));
        traffic.passesThroughout(device.port(pasid), formerMapped);
    }

    @Test
    void dirtyTrackingFailsToStartWithoutATrace() {
        assumeTrue(machine.capabilities.dirtyTracking(), "no dirty tracking");
        Device device = machine.device(0);
        PagingDomain domain = device.attachNewDomain(new PagingOptions(false, true, false));
        long page = domain.geometry().smallestPageBytes();
        Mapped mapped = machine.mapFresh(domain, machine.iova(device, domain, page, page), page, READ_WRITE);
        DirtyTracking tracking = domain.dirtyTracking().orElseThrow();
        HardwarePort port = device.port();
        failEach(() -> tracking.setEnabled(true), () -> traffic.passesThroughout(port, mapped));
        traffic.writeArrives(port, mapped, mapped.iova(), 8);
        long[] reported = {0};
        tracking.read(mapped.iova(), mapped.lastIova(), true, (iova, length) -> reported[0] += length);
        assertThat(reported[0]).isEqualTo(page);
    }

    @Test
    void unmapNeedsNoMemory() {
        Device device = machine.device(0);
        PagingDomain domain = device.attachNewDomain();
        long page = domain.geometry().smallestPageBytes();
        long large = machine.largePageBytes(domain);
        long iova = machine.iova(device, domain, 4 * large, large);
        machine.mapFresh(domain, iova, large, READ_WRITE);
        machine.mapFresh(domain, iova + large + page, page, READ_WRITE);
        machine.memory.tables().failAllocation(1);
        assertThat(domain.unmap(iova, iova + 4 * large - 1)).isEqualTo(large + page);
        device.endpoint.block(Pasid.NONE);
        machine.close(domain);
        device.release();
        machine.memory.tables().stopFailing();
    }

    private static void map(PagingDomain domain, Mapped wanted, boolean smallest) {
        if (smallest) {
            domain.mapSmallest(wanted.iova(), wanted.runs(), READ_WRITE);
        } else {
            domain.map(wanted.iova(), wanted.runs(), READ_WRITE);
        }
    }

    /** Lets allocation 1, 2, … of the attempt fail until it succeeds. @return how many failed */
    private int failEach(Runnable attempt, Runnable afterFailure) {
        for (int n = 1; n < MOST_FRAMES; n++) {
            long before = machine.memory.tables().bytesInUse();
            if (!failsAt(n, attempt)) {
                return n - 1;
            }
            assertThat(machine.memory.tables().bytesInUse()).as("bytes of table frames after failure %d", n)
                    .isEqualTo(before);
            afterFailure.run();
        }
        throw new AssertionError("more than " + MOST_FRAMES + " allocations");
    }

    private boolean failsAt(int n, Runnable attempt) {
        KitTables tables = machine.memory.tables();
        tables.failAllocation(n);
        try {
            attempt.run();
            assertThat(tables.stopFailing()).as("allocation %d failed, yet the call succeeded", n).isTrue();
            return false;
        } catch (IommufdException refused) {
            tables.stopFailing();
            assertThat(refused.errno()).isEqualTo(Errno.ENOMEM);
            return true;
        }
    }
}
