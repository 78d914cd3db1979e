package iommu.tck;

import static iommufd.api.DmaAccess.READ_WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Two IOMMUs over one memory take turns behind a device that never stops, as when the engine exchanges hardware. */
abstract class SwapContract extends Contract {
    private static final int PAGES = 16;
    private static final int SWAPS = 20;
    private static final long TIMEOUT_NANOS = TimeUnit.SECONDS.toNanos(2);

    private Machine neighbour;
    private Mapped mapped;
    private long page;
    private PagingOptions options;

    /** One IOMMU's side of the device. */
    private record Side(Machine machine, Device device, PagingDomain domain, HardwarePort port) {
        void leave() {
            device.release();
            machine.close(domain);
        }
    }

    @BeforeEach
    final void openNeighbour() {
        options = new PagingOptions(false, machine.capabilities.dirtyTracking(), false);
        neighbour = new Machine(backend(), machine);
        Device probe = machine.device(0);
        PagingDomain any = probe.newDomain();
        page = any.geometry().smallestPageBytes();
        long iova = machine.iova(probe, any, PAGES * page, page);
        mapped = Mapped.of(iova, machine.memory.take(PAGES * page, page), PAGES * page);
        machine.close(any);
        probe.release();
    }

    @AfterEach
    final void closeNeighbour() {
        neighbour.close();
    }

    @Test
    void twoIommusServeTheSameMemorySideBySide() {
        Side one = enter(machine);
        Side two = enter(neighbour);
        traffic.passesThroughout(one.port, mapped);
        traffic.passesThroughout(two.port, mapped);
        one.domain.unmap(mapped.iova(), mapped.lastIova());
        Traffic.isRefused(one.port, mapped.iova());
        traffic.passesThroughout(two.port, mapped);
        one.leave();
        traffic.passesThroughout(two.port, mapped);
    }

    @Test
    void everyRequestIsServedExactlyOnceWhileHardwareIsExchanged() {
        Side serving = enter(machine);
        PortFront front = new PortFront(serving.port);
        long[] sent = {0};
        try (DmaThread thread = DmaThread.repeat(() -> {
            assertThat(front.fetchAndAdd(mapped.iova() + 8 * (sent[0] % 512), 1)).isEqualTo(DmaStatus.DONE);
            sent[0]++;
        })) {
            for (int swap = 0; swap < SWAPS; swap++) {
                thread.awaitRounds(20);
                Side next = enter(swap % 2 == 0 ? neighbour : machine);
                assertThat(serving.port.close(TIMEOUT_NANOS)).as("drained").isTrue();
                LockSupport.parkNanos(100_000);   // so that a request meets the closed port
                front.switchTo(next.port);
                serving.leave();
                serving = next;
            }
            thread.awaitRounds(20);
        }
        long arrived = 0;
        for (int word = 0; word < 512; word++) {
            arrived += Traffic.longAt(mapped.physicalAddress(mapped.iova() + 8L * word));
        }
        assertThat(arrived).as("additions that arrived").isEqualTo(sent[0]);
    }

    @Test
    void noWrittenPageIsForgottenWhileHardwareIsExchanged() {
        assumeTrue(machine.capabilities.dirtyTracking(), "no dirty tracking");
        Side serving = enter(machine);
        PortFront front = new PortFront(serving.port);
        for (int swap = 0; swap < SWAPS; swap++) {
            BitSet written = new BitSet();
            BitSet reported = new BitSet();
            // What the former IOMMU saw written is not written again, so that nobody but it can report it.
            AtomicInteger firstPage = new AtomicInteger();
            SplittableRandom random = new SplittableRandom(swap);
            MemorySegment bytes = MemorySegment.ofArray(new byte[8]);
            try (DmaThread thread = DmaThread.repeat(() -> {
                int index = firstPage.get() + random.nextInt(PAGES / 2);
                assertThat(front.write(mapped.iova() + index * page, bytes, 0, 8)).isEqualTo(DmaStatus.DONE);
                written.set(index);
            })) {
                thread.awaitRounds(4 + swap % 8);
                Side next = enter(swap % 2 == 0 ? neighbour : machine);
                assertThat(serving.port.close(TIMEOUT_NANOS)).as("drained").isTrue();
                firstPage.set(PAGES / 2);
                harvest(serving, reported);
                front.switchTo(next.port);
                serving.leave();
                serving = next;
                thread.awaitRounds(2);
            }
            harvest(serving, reported);
            assertThat(reported).as("pages reported by either IOMMU in exchange %d", swap).isEqualTo(written);
        }
    }

    private Side enter(Machine where) {
        Device device = where.device(0);
        PagingDomain domain = device.newDomain(options);
        domain.mapSmallest(mapped.iova(), mapped.runs(), READ_WRITE);
        domain.dirtyTracking().ifPresent(tracking -> tracking.setEnabled(true));
        device.attach(domain);
        return new Side(where, device, domain, device.port());
    }

    private void harvest(Side side, BitSet reported) {
        DirtyTracking tracking = side.domain.dirtyTracking().orElseThrow();
        tracking.read(mapped.iova(), mapped.lastIova(), true, (iova, length) ->
                reported.set((int) ((iova - mapped.iova()) / page), (int) ((iova + length - mapped.iova()) / page)));
    }
}
