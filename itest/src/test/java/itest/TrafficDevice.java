package itest;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.Semaphore;

/**
 * A device of {@link DmaTraffic}: a port and a thread. It writes blocks stamped with a sequence number at places drawn at
 * random, compares the memory from the processor's side, and reads older blocks back. Its thread writes the counters.
 */
final class TrafficDevice {
    private static final int PAGE_BYTES = DmaTraffic.PAGE_BYTES;
    /** More than a page, one beside the other: blocks straddle pages. */
    private static final int BLOCK_BYTES = PAGE_BYTES + PAGE_BYTES / 2;
    private static final long STRIDE = 0x9E3779B97F4A7C15L;

    private final String name;
    private final DmaPort port;
    private final MemorySegment ram;
    private final long baseIova;
    private final long ramOffset;
    private final long[] sequences;
    private final long deviceStamp;
    private final SplittableRandom random;
    private final Semaphore mayRun = new Semaphore(1);
    private final long[] words = new long[BLOCK_BYTES / Long.BYTES];
    private final MemorySegment block = Arena.ofAuto().allocate(BLOCK_BYTES, Long.BYTES);
    private final MemorySegment readBack = Arena.ofAuto().allocate(BLOCK_BYTES, Long.BYTES);
    private final BitSet written = new BitSet();
    private Thread thread;
    private volatile boolean stopping;
    private volatile long checkedBytes;
    private volatile long corruptedBytes;
    private volatile long failedRequests;
    private volatile long requestBegan;
    private volatile Optional<DmaFault> firstFailure = Optional.empty();
    private volatile Optional<Throwable> died = Optional.empty();

    TrafficDevice(int number, DmaPort port, MemorySegment ram, long baseIova, long ramOffset, long lengthBytes) {
        this.name = "device " + number;
        this.port = port;
        this.ram = ram;
        this.baseIova = baseIova;
        this.ramOffset = ramOffset;
        this.sequences = new long[(int) (lengthBytes / BLOCK_BYTES)];
        this.deviceStamp = (long) (number + 1) << 56;
        this.random = new SplittableRandom(number);
    }

    void start() {
        thread = Thread.ofPlatform().daemon().name("itest-" + name).start(this::run);
    }

    private void run() {
        long sequence = 0;
        try {
            while (!stopping) {
                mayRun.acquire();
                try {
                    writeAndCheck(++sequence);
                    readAndCheck();
                } finally {
                    mayRun.release();
                }
            }
        } catch (InterruptedException | RuntimeException | Error thrown) {
            died = Optional.of(thrown);
        } finally {
            requestBegan = 0;
        }
    }

    private void writeAndCheck(long sequence) {
        int place = random.nextInt(sequences.length);
        fill(sequence);
        // A write that fails may have arrived in part: the place is then written again before it counts.
        sequences[place] = 0;
        written.set((int) (offset(place) / PAGE_BYTES), (int) ((offset(place) + BLOCK_BYTES - 1) / PAGE_BYTES) + 1);
        requestBegan = System.nanoTime();
        DmaStatus status = port.write(baseIova + offset(place), block, 0, BLOCK_BYTES);
        requestBegan = 0;
        if (answered(status)) {
            sequences[place] = sequence;
            compare(ram, offset(place));
        }
    }

    private void readAndCheck() {
        int place = random.nextInt(sequences.length);
        if (sequences[place] == 0) {
            return;
        }
        requestBegan = System.nanoTime();
        DmaStatus status = port.read(baseIova + offset(place), readBack, 0, BLOCK_BYTES);
        requestBegan = 0;
        if (answered(status)) {
            fill(sequences[place]);
            compare(readBack, 0);
        }
    }

    @SuppressWarnings("NonAtomicOperationOnVolatileField")   // one thread writes
    private boolean answered(DmaStatus status) {
        if (status == DmaStatus.DONE) {
            return true;
        }
        failedRequests++;
        if (firstFailure.isEmpty()) {
            firstFailure = port.lastFault();
        }
        return false;
    }

    private void fill(long sequence) {
        long base = (deviceStamp | sequence) * STRIDE;
        for (int i = 0; i < words.length; i++) {
            words[i] = base ^ i * STRIDE;
        }
        MemorySegment.copy(words, 0, block, JAVA_LONG, 0, words.length);
    }

    @SuppressWarnings("NonAtomicOperationOnVolatileField")   // one thread writes
    private void compare(MemorySegment found, long offset) {
        if (MemorySegment.mismatch(found, offset, offset + BLOCK_BYTES, block, 0, BLOCK_BYTES) >= 0) {
            for (int i = 0; i < BLOCK_BYTES; i++) {
                if (found.get(JAVA_BYTE, offset + i) != block.get(JAVA_BYTE, i)) {
                    corruptedBytes++;
                }
            }
        }
        checkedBytes += BLOCK_BYTES;
    }

    /** Compares all memory this device wrote. Only once it stopped. */
    void compareMemory() {
        for (int place = 0; place < sequences.length; place++) {
            if (sequences[place] != 0) {
                fill(sequences[place]);
                compare(ram, offset(place));
            }
        }
    }

    /** Adds the pages written since the last call. Only while paused or stopped. */
    void takeWrittenPages(BitSet pages) {
        pages.or(written);
        written.clear();
    }

    void pause() {
        mayRun.acquireUninterruptibly();
    }

    void resume() {
        mayRun.release();
    }

    void requestStop() {
        stopping = true;
    }

    void stop() {
        stopping = true;
        Await.until(this + " to stop", () -> thread == null || !thread.isAlive());
    }

    long checkedBytes() {
        return checkedBytes;
    }

    long corruptedBytes() {
        return corruptedBytes;
    }

    long failedRequests() {
        return failedRequests;
    }

    Optional<DmaFault> firstFailure() {
        return firstFailure;
    }

    /** What ended its thread. */
    Optional<Throwable> died() {
        return died;
    }

    /** How long the request it is in has gone on; 0 if it is in none. */
    long requestNanos() {
        long began = requestBegan;
        return began == 0 ? 0 : System.nanoTime() - began;
    }

    private long offset(int place) {
        return ramOffset + (long) place * BLOCK_BYTES;
    }

    @Override
    public String toString() {
        return "%s: %d bytes checked, %d corrupted, %d requests failed%s".formatted(name, checkedBytes, corruptedBytes, failedRequests,
                died.map(thrown -> ", broke of " + thrown).orElse(""));
    }
}
