package bench;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaStatus;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A device that writes to 64 pages of its own in turn, without a pause, through a port of its own. */
final class DmaThread {
    static final long LENGTH_BYTES = 64 * 4096;

    private static final int PAGES = 64;
    private static final long PAGE = 4096;
    private static final int BATCH = 256;

    private final Port port;
    private final long iova;
    private final long writeBytes;
    private final MemorySegment source = Arena.global().allocate(PAGE, PAGE);
    private volatile boolean stop;
    private volatile long writes;
    private long allocatedBytes;
    private Thread thread;

    /** What a device and a unit's port have in common. */
    @FunctionalInterface
    interface Port {
        DmaStatus write(long iova, MemorySegment source, long sourceOffset, long lengthBytes);
    }

    /** @param iova where {@link #LENGTH_BYTES} are mapped */
    DmaThread(Port port, long iova, long writeBytes) {
        this.port = port;
        this.iova = iova;
        this.writeBytes = writeBytes;
    }

    /** A device of the rig with memory of its own. */
    static DmaThread on(Rig rig, int number, long writeBytes) {
        long iova = (16L + number) << 32;
        var runs = new PinnedRuns(1);
        runs.add(rig.ram(LENGTH_BYTES, false).physicalAddress(), LENGTH_BYTES);
        rig.domain().mapSmallest(iova, runs, DmaAccess.READ_WRITE);
        return new DmaThread(rig.openPort()::write, iova, writeBytes);
    }

    void start() {
        stop = false;
        writes = 0;
        thread = Thread.ofPlatform().daemon().start(this::run);
        while (writes == 0) {
            Thread.onSpinWait();
        }
    }

    private void run() {
        long allocatedBefore = Samples.allocatedBytes();
        long done = 0;
        while (!stop) {
            for (int i = 0; i < BATCH; i++) {
                if (port.write(iova + (i & PAGES - 1) * PAGE, source, 0, writeBytes) != DmaStatus.DONE) {
                    throw new AssertionError("a DMA write failed");
                }
            }
            done += BATCH;
            writes = done;
        }
        allocatedBytes = Samples.allocatedBytes() - allocatedBefore;
    }

    /** Writes done since the start. */
    long writes() {
        return writes;
    }

    /** @return bytes allocated per write */
    double stop() throws InterruptedException {
        stop = true;
        thread.join();
        return (double) allocatedBytes / writes;
    }
}
