package bench;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.DirtySink;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Random;

/** 1 TiB in 4 KiB entries, of which DMA wrote 0.01 %: the time to learn which, and to begin anew. */
final class DirtyRead implements Scenario {
    private static final long PAGE = 4096;
    private static final long MAPPED_BYTES = 1L << 40;
    /** All of it shows the same memory again and again. */
    private static final long MEMORY_BYTES = 1L << 30;
    private static final int DIRTY_PAGES = (int) (MAPPED_BYTES / PAGE / 10_000);

    @Override
    public void run(boolean quick, Findings findings) {
        var rig = new Rig();
        var runs = new PinnedRuns(1);
        runs.add(rig.ram(MEMORY_BYTES, false).physicalAddress(), MEMORY_BYTES);
        for (long iova = 0; iova < MAPPED_BYTES; iova += MEMORY_BYTES) {
            rig.domain().mapSmallest(iova, runs, DmaAccess.READ_WRITE);
        }
        DirtyTracking tracking = rig.domain().dirtyTracking().orElseThrow();
        HardwarePort port = rig.openPort();
        tracking.setEnabled(true);
        var pages = new Pages();
        int rounds = quick ? 3 : 9;
        var nanos = new Samples(rounds);
        long allocated = 0;
        for (int round = -1; round < rounds; round++) {
            int dirty = write(port, round);
            pages.count = 0;
            long allocatedBefore = Samples.allocatedBytes();
            long start = System.nanoTime();
            tracking.read(0, MAPPED_BYTES - 1, true, pages);
            long end = System.nanoTime();
            if (round >= 0) {
                nanos.add(end - start);
                allocated += Samples.allocatedBytes() - allocatedBefore;
            }
            if (pages.count != dirty) {
                throw new AssertionError("wrote %d pages, found %d".formatted(dirty, pages.count));
            }
        }
        findings.found("sparse", nanos.median() / 1e6, (double) allocated / rounds, "%d pages of %d".formatted(pages.count, MAPPED_BYTES / PAGE));
    }

    private static int write(HardwarePort port, int seed) {
        MemorySegment word = Arena.global().allocate(8, 8);
        long[] pages = new Random(seed).longs(DIRTY_PAGES, 0, MAPPED_BYTES / PAGE).distinct().toArray();
        for (long page : pages) {
            if (port.write(page * PAGE, word, 0, 8) != DmaStatus.DONE) {
                throw new AssertionError(port.lastFault().toString());
            }
        }
        return pages.length;
    }

    private static final class Pages implements DirtySink {
        private long count;

        @Override
        public void dirty(long iova, long lengthBytes) {
            count += lengthBytes / PAGE;
        }
    }
}
