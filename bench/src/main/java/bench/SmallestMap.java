package bench;

import iommufd.api.DmaAccess;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.MemorySegment;

/** 64 GiB mapped with 4 KiB entries: how fast entries are written, of what {@code fill} gives on as much memory. */
final class SmallestMap implements Scenario {
    private static final long MAPPED_BYTES = 64L << 30;
    private static final long ENTRY_BYTES = MAPPED_BYTES / 4096 * 8;
    private static final long IOVA = 1L << 40;

    @Override
    public void run(boolean quick, Findings findings) {
        var rig = new Rig();
        PagingDomain domain = rig.domain();
        MemorySegment yardstick = rig.ram(ENTRY_BYTES, false).segment();
        var runs = new PinnedRuns(1);
        runs.add(0x1_2345_6000L, MAPPED_BYTES); // not aligned to more than 4 KiB; nobody touches it
        int rounds = quick ? 5 : 15;
        int warmup = 2;
        var shares = new Samples(rounds);
        var mapNanos = new Samples(rounds);
        var unmapNanos = new Samples(rounds);
        long allocated = 0;
        for (int round = -warmup; round < rounds; round++) {
            long allocatedBefore = Samples.allocatedBytes();
            long start = System.nanoTime();
            domain.mapSmallest(IOVA, runs, DmaAccess.READ_WRITE);
            long mapped = System.nanoTime();
            long unmappedBytes = domain.unmap(IOVA, IOVA + MAPPED_BYTES - 1);
            long unmapped = System.nanoTime();
            long allocatedAfter = Samples.allocatedBytes();
            if (unmappedBytes != MAPPED_BYTES) {
                throw new AssertionError("unmapped " + unmappedBytes);
            }
            long fillStart = System.nanoTime();
            yardstick.fill((byte) round);
            long filled = System.nanoTime();
            if (round >= 0) {
                shares.add(100.0 * (filled - fillStart) / (mapped - start));
                mapNanos.add(mapped - start);
                unmapNanos.add(unmapped - mapped);
                allocated += allocatedAfter - allocatedBefore;
            }
        }
        findings.found("entries", shares.median(), (double) allocated / rounds, "map %.1f ms (%.1f GB/s of entries), unmap %.1f ms".formatted(
                mapNanos.median() / 1e6, ENTRY_BYTES / mapNanos.median(), unmapNanos.median() / 1e6));
    }
}
