package iommufd.core.space;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import iommufd.api.ContextOwner;
import iommufd.api.DmaAccess;
import iommufd.api.IovaRange;
import iommufd.api.PinAccounting;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.DomainGeometry;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.PinnedRuns;
import iommufd.core.memory.HostPhysicalMemory;
import java.lang.management.ManagementFactory;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Once warm, mapping and unmapping leaves no garbage. */
class MapUnmapAllocationTest {
    private static final long HUGE = 2L << 20;
    private static final int ROUNDS = 20_000;

    /** A page table that only counts. */
    private static final class CountingDomain implements PagingDomain {
        long mapped;

        @Override
        public DomainGeometry geometry() {
            return new DomainGeometry(new IovaRange(0, (1L << 48) - 1), 0x40201000L);
        }

        @Override
        public void map(long iova, PinnedRuns runs, DmaAccess access) {
            mapped += runs.totalBytes();
        }

        @Override
        public void mapSmallest(long iova, PinnedRuns runs, DmaAccess access) {
            map(iova, runs, access);
        }

        @Override
        public long unmap(long iova, long lastIova) {
            mapped -= lastIova - iova + 1;
            return lastIova - iova + 1;
        }

        @Override
        public long translate(long iova) {
            return UNMAPPED;
        }

        @Override
        public Optional<DirtyTracking> dirtyTracking() {
            return Optional.empty();
        }

        @Override
        public void close() { }
    }

    @Test
    void oneHugePageAtAFixedAddress() {
        measure((space, ram) -> {
            space.mapAt(HUGE, ram, HUGE, HUGE, DmaAccess.READ_WRITE);
            space.unmap(HUGE, HUGE);
        });
    }

    @Test
    void oneHugePageWhereverThereIsAHole() {
        measure((space, ram) -> space.unmap(space.map(ram, 0, HUGE, DmaAccess.READ_WRITE), HUGE));
    }

    @Test
    void severalSmallPagesUnmappedTogether() {
        measure((space, ram) -> {
            for (int i = 0; i < 8; i++) {
                space.mapAt(HUGE + i * 4096, ram, i * 4096, 4096, DmaAccess.READ);
            }
            space.unmap(HUGE, HUGE);
        });
    }

    private interface Round {
        void run(IovaSpace space, GuestRam ram);
    }

    private static void measure(Round round) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        try (HostPhysicalMemory physical = new HostPhysicalMemory(1L << 25); GuestRam ram = physical.allocateGuestRam(4 * HUGE, true)) {
            PinLimits limits = new PinLimits();
            IovaSpace space = new IovaSpace(limits.chargeFor(ContextOwner.runtime(), PinAccounting.USER));
            CountingDomain domain = new CountingDomain();
            space.addDomain(domain);
            space.mapAt(1L << 40, ram, 0, HUGE, DmaAccess.READ);
            long allocated = Long.MAX_VALUE;
            for (int attempt = 0; attempt < 10 && allocated >= ROUNDS; attempt++) {
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < ROUNDS; i++) {
                    round.run(space, ram);
                }
                allocated = threads.getCurrentThreadAllocatedBytes() - before;
            }
            assertThat(allocated).as("bytes in %d rounds", ROUNDS).isLessThan(ROUNDS);
            assertThat(domain.mapped).isEqualTo(HUGE);
            space.removeDomain(domain);
            space.close();
            assertThat(limits.pagesOfUser(0)).isZero();
        }
    }
}
