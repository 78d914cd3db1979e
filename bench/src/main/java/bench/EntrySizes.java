package bench;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.IopteResizing;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** 1 GiB in entries of 2 MiB, split to 4 KiB and put together again, with dirty tracking on, while a device writes somewhere in it. */
final class EntrySizes implements Scenario {
    private static final long LARGE = 2L << 20;
    private static final long SMALL = 4096;
    private static final long BYTES = 1L << 30;

    @Override
    public void run(boolean quick, Findings findings) throws InterruptedException {
        var rig = new Rig();
        var runs = new PinnedRuns(1);
        runs.add(rig.ram(BYTES, false).physicalAddress(), LARGE);
        for (long iova = 0; iova < BYTES; iova += LARGE) {   // contiguous in entries of 2 MiB only
            rig.domain().map(iova, runs, DmaAccess.READ_WRITE);
        }
        rig.domain().dirtyTracking().orElseThrow().setEnabled(true);
        IopteResizing resizing = rig.domain().resizing().orElseThrow();
        int rounds = quick ? 50 : 300;
        measure(resizing, rounds, findings, "quiet", "nobody beside");
        HardwarePort port = rig.openPort();
        try (var writes = new Writes(port)) {
            measure(resizing, rounds, findings, "besideDma", "a device writes meanwhile");
        }
    }

    private static void measure(IopteResizing resizing, int rounds, Findings findings, String name, String note) {
        var splits = new Samples(rounds);
        var merges = new Samples(rounds);
        var both = new Samples(rounds);
        long allocated = 0;
        for (int round = -rounds / 2; round < rounds; round++) {
            long allocatedBefore = Samples.allocatedBytes();
            long start = System.nanoTime();
            long split = resizing.split(0, BYTES - 1, SMALL);
            long middle = System.nanoTime();
            long merged = resizing.merge(0, BYTES - 1);
            long end = System.nanoTime();
            if (split != BYTES / LARGE || merged != split) {
                throw new AssertionError("split %d entries and merged %d".formatted(split, merged));
            }
            if (round >= 0) {
                splits.add(middle - start);
                merges.add(end - middle);
                both.add(end - start);
                allocated += Samples.allocatedBytes() - allocatedBefore;
            }
        }
        findings.found(name, both.median() / 1e6, (double) allocated / rounds,
                "split %.2f ms, merge %.2f ms; %s".formatted(splits.median() / 1e6, merges.median() / 1e6, note));
    }

    private static final class Writes implements AutoCloseable {
        private final Thread thread;
        private volatile boolean stop;
        private volatile DmaStatus last = DmaStatus.DONE;

        Writes(HardwarePort port) {
            MemorySegment word = Arena.global().allocate(8, 8);
            thread = Thread.ofPlatform().daemon().start(() -> {
                for (long iova = 0; !stop && last == DmaStatus.DONE; iova = iova + 12345 * 8 & BYTES - 1) {
                    last = port.write(iova, word, 0, 8);
                }
            });
        }

        @Override
        public void close() throws InterruptedException {
            stop = true;
            thread.join();
            if (last != DmaStatus.DONE) {
                throw new AssertionError("a write was " + last);
            }
        }
    }
}
