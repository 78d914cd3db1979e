package bench;

import iommufd.api.DmaAccess;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.PinnedRuns;

/** Unmap of a page, with the invalidation and the wait it includes, while a device writes elsewhere in the same page table. */
final class UnmapBesideDma implements Scenario {
    private static final long IOVA = 1L << 32;
    private static final long PAGE = 4096;
    private static final long PAUSE_NANOS = 10_000;

    @Override
    public void run(boolean quick, Findings findings) throws InterruptedException {
        var rig = new Rig();
        PagingDomain domain = rig.domain();
        var device = DmaThread.on(rig, 0, 64);
        device.start();
        int count = quick ? 30_000 : 200_000;
        long memory = rig.ram(256 * PAGE, false).physicalAddress();
        measure(domain, memory, 30_000);
        long allocatedBefore = Samples.allocatedBytes();
        long writesBefore = device.writes();
        long start = System.nanoTime();
        Samples nanos = measure(domain, memory, count);
        double writesPerSecond = (device.writes() - writesBefore) * 1e9 / (System.nanoTime() - start);
        long allocated = Samples.allocatedBytes() - allocatedBefore - 8L * count;
        device.stop();
        findings.found("unmap", nanos.median() / 1e3, (double) allocated / count, "p99 %.2f µs, p99.9 %.1f µs; beside %.1f million writes per second"
                .formatted(nanos.quantile(0.99) / 1e3, nanos.quantile(0.999) / 1e3, writesPerSecond / 1e6));
    }

    private static Samples measure(PagingDomain domain, long memory, int count) {
        var nanos = new Samples(count);
        var runs = new PinnedRuns(1);
        for (int i = 0; i < count; i++) {
            long iova = IOVA + (i * 7919L & 0xffff) * PAGE;
            runs.clear();
            runs.add(memory + (i & 0xff) * PAGE, PAGE);
            domain.map(iova, runs, DmaAccess.READ_WRITE);
            long resume = System.nanoTime() + PAUSE_NANOS;
            while (System.nanoTime() < resume) {
                Thread.onSpinWait();
            }
            long start = System.nanoTime();
            long bytes = domain.unmap(iova, iova + PAGE - 1);
            nanos.add(System.nanoTime() - start);
            if (bytes != PAGE) {
                throw new AssertionError("unmapped " + bytes);
            }
        }
        return nanos;
    }
}
