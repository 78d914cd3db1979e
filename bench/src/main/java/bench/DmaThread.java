package bench;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** A device that writes to its own pages in turn, without a pause, through a port of its own. */
final class DmaThread {
    private static final int PAGES = 64;
    private static final long PAGE = 4096;
    private static final int BATCH = 256;

    private final HardwarePort port;
    private final long iova;
    private final long writeBytes;
    private final MemorySegment source = Arena.global().allocate(PAGE, PAGE);
    private volatile boolean stop;
    private volatile long writes;
    private long allocatedBytes;
    private Thread thread;

    /** @param number which of the rig's devices this is */
    DmaThread(Rig rig, int number, long writeBytes) {
        this.writeBytes = writeBytes;
        iova = (16L + number) << 32;
        long memory = Rig.MEMORY_BASE + ((1L + number) << 30);
        HostMemory.backAnonymous(memory, HostMemory.BACKING_BYTES, false);
        var runs = new PinnedRuns(1);
        runs.add(memory, PAGES * PAGE);
        rig.domain().mapSmallest(iova, runs, DmaAccess.READ_WRITE);
        port = rig.openPort();
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
                    throw new AssertionError(port.lastFault().toString());
                }
            }
            done += BATCH;
            writes = done;
        }
        allocatedBytes = Samples.allocatedBytes() - allocatedBefore;
    }

    /** @return writes done so far */
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
