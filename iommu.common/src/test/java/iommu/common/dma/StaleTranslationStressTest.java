package iommu.common.dma;

import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.HostMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.OptionalInt;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The protocol of {@link InvalidationLog} and {@link TranslatingPort} under fire: one-level "tables" of 64 pages, two devices
 * that write all the time, and an invalidator that after each unmap poisons the page and expects the poison to stay. The same
 * run with the wait left out must fail, or the test would prove nothing.
 */
class StaleTranslationStressTest {
    private static final long TABLE = 1L << 37;
    private static final long PAGES_BASE = TABLE + (2L << 20);
    private static final int PAGES = 64;
    private static final long POISON = 0x0dead0dead0dead0L;
    private static final long RUN_NANOS = 1_200_000_000L;
    private static final long TIMEOUT_NANOS = 5_000_000_000L;

    /** A word, and a page and a word of the next one. */
    @ParameterizedTest
    @ValueSource(longs = {8, 4096 + 8})
    @Timeout(30)
    void noWriteLandsAfterTheWait(long lengthBytes) throws Exception {
        assertThat(staleWrites(true, lengthBytes)).isZero();
    }

    @ParameterizedTest
    @ValueSource(longs = {8, 4096 + 8})
    @Timeout(60)
    void withoutTheWaitWritesDoLand(long lengthBytes) throws Exception {
        long stale = 0;
        for (int attempt = 0; attempt < 20 && stale == 0; attempt++) {
            stale = staleWrites(false, lengthBytes);
        }
        assertThat(stale).as("the stress catches a missing wait").isPositive();
    }

    private static long staleWrites(boolean waitForPorts, long lengthBytes) throws InterruptedException {
        HostMemory.backAnonymous(TABLE, 4L << 20, false);
        for (int page = 0; page < PAGES; page++) {
            PhysicalWords.set(TABLE + page * 8L, PAGES_BASE + page * 4096L | 3);
        }
        InvalidationLog log = new InvalidationLog();
        AtomicLong moved = new AtomicLong();
        AtomicLong running = new AtomicLong(1);
        Thread[] devices = new Thread[2];
        for (int i = 0; i < devices.length; i++) {
            OneLevelPort port = new OneLevelPort(log);
            port.open();
            long seed = i + 1;
            devices[i] = Thread.ofPlatform().start(() -> device(port, running, moved, seed, lengthBytes));
        }
        long stale = 0;
        long deadlineNanos = System.nanoTime() + RUN_NANOS;
        for (int page = 0; System.nanoTime() - deadlineNanos < 0; page = page + 1 & PAGES - 1) {
            long entry = TABLE + page * 8L;
            long address = PAGES_BASE + page * 4096L;
            PhysicalWords.set(entry, 0);
            log.publish(0, 0, page * 4096L, page * 4096L + 4095);
            if (waitForPorts) {
                assertThat(log.awaitQuiescence(TIMEOUT_NANOS)).isTrue();
            }
            PhysicalWords.set(address, POISON);
            for (int look = 0; look < 200; look++) {
                Thread.onSpinWait();
                if (PhysicalWords.getAcquire(address) != POISON) {
                    stale++;
                    break;
                }
            }
            PhysicalWords.setRelease(entry, address | 3);
        }
        running.set(0);
        for (Thread device : devices) {
            device.join();
        }
        assertThat(moved.get()).as("bytes were moving").isPositive();
        return stale;
    }

    private static void device(OneLevelPort port, AtomicLong running, AtomicLong moved, long seed, long lengthBytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(lengthBytes, 8);
            long state = seed;
            long done = 0;
            while (running.get() != 0) {
                state = state * 6364136223846793005L + 1442695040888963407L;
                long iova = (state >>> 33) % (PAGES - 1) * 4096;
                if (port.write(iova, bytes, 0, lengthBytes) == DmaStatus.DONE) {
                    done++;
                }
            }
            moved.addAndGet(done);
        }
    }

    /** The smallest unit there is: an array of page entries. */
    private static final class OneLevelPort extends TranslatingPort {
        OneLevelPort(InvalidationLog log) {
            super(log, new FarPath());
        }

        @Override
        protected long walk(long iova, int accessBit) {
            long entry = PhysicalWords.getAcquire(TABLE + (iova >>> 12) * 8);
            if ((entry & accessBit) == 0) {
                return REFUSED;
            }
            long physicalAddress = entry & ~4095L | iova & 4095;
            iotlb.remember(iova, physicalAddress, 12, 3);
            return physicalAddress;
        }

        @Override
        protected DmaFault fault(long iova, int accessBit) {
            return new DmaFault("test", new RequesterId(1), OptionalInt.empty(), iova, DmaAccess.WRITE,
                    DmaFault.Kind.TRANSLATION, 0, "not mapped");
        }

        @Override
        protected DmaFault abort(long iova, int accessBit) {
            return fault(iova, accessBit);
        }

        @Override
        protected void forget(int kind, long tag, long first, long last) {
            iotlb.forget(first, last);
        }

        @Override
        protected void forgetEverything() {
            iotlb.forgetEverything();
        }
    }
}
