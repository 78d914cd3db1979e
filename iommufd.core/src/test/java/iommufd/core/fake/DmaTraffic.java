package iommufd.core.fake;

import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.ScatterList;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;

/**
 * One device queue that writes a changing pattern to its own IOVA range, reads it back and compares every byte, for as long as
 * it is open. Whatever goes wrong is kept for {@link #close}.
 */
public final class DmaTraffic implements AutoCloseable {
    private final Thread thread;
    private final AtomicLong rounds = new AtomicLong();
    private final AtomicReference<String> failure = new AtomicReference<>();
    private volatile boolean stop;

    public DmaTraffic(DmaPort port, long iova, int bytes) {
        thread = Thread.ofPlatform().daemon().start(() -> {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment sent = arena.allocate(bytes, 8);
                MemorySegment received = arena.allocate(bytes, 8);
                ScatterList list = new ScatterList(2);
                for (long round = 1; !stop && failure.get() == null; round++) {
                    for (long at = 0; at < bytes; at += 8) {
                        sent.set(ValueLayout.JAVA_LONG, at, round * 0x9E3779B97F4A7C15L + at);
                    }
                    check(port.write(iova, sent, 0, bytes), "write");
                    list.clear().add(iova, bytes / 2).add(iova + bytes / 2, bytes - bytes / 2);
                    check(port.read(list, received, 0), "read");
                    long mismatch = sent.mismatch(received);
                    if (mismatch >= 0) {
                        failure.compareAndSet(null, "byte " + mismatch + " of round " + round + " differs");
                    }
                    rounds.incrementAndGet();
                    LockSupport.parkNanos(20_000);   // a device, not a load test
                }
            } catch (RuntimeException | Error broken) {
                failure.compareAndSet(null, broken.toString());
            }
        });
    }

    private void check(DmaStatus status, String what) {
        if (status != DmaStatus.DONE) {
            failure.compareAndSet(null, what + " ended as " + status);
        }
    }

    /** Waits until that many more rounds are over. */
    public void awaitRounds(int more) {
        long wanted = rounds.get() + more;
        while (rounds.get() < wanted && failure.get() == null) {
            LockSupport.parkNanos(100_000);
        }
    }

    public long rounds() {
        return rounds.get();
    }

    @Override
    public void close() {
        stop = true;
        try {
            thread.join(20_000);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        if (thread.isAlive() || failure.get() != null) {
            throw new AssertionError(thread.isAlive() ? "DMA hangs" : failure.get());
        }
    }
}
