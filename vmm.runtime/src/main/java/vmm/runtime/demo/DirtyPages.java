package vmm.runtime.demo;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import iommufd.api.DmaAccess;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.PagingHwpt;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.Random;
import vmm.runtime.text.Quantity;

/** Step 2: dirty tracking reports the pages that were written, all of them and no other, as migration needs it. */
final class DirtyPages implements Step {
    private static final int PAGE_BYTES = 4096;
    private static final int WRITES = 5000;
    private static final long SEED = 2026;

    @Override
    public String title() {
        return "Dirty tracking finds exactly the pages that were written";
    }

    @Override
    public void run(Testbed bed, Screen screen) throws InterruptedException {
        // Small entries, so that one bit of the hardware stands for one page.
        Ioas small = bed.context().allocateIoas();
        small.setHugePages(false);
        screen.progress("mapping " + Quantity.bytes(bed.ram().lengthBytes()) + " in pages of 4 KiB");
        small.mapAt(Testbed.RAM_IOVA, bed.ram(), 0, bed.ram().lengthBytes(), DmaAccess.READ_WRITE);
        PagingHwpt tracked = bed.context().allocateHwpt(bed.devices().getFirst().bound(), small, HwptOptions.withDirtyTracking());
        bed.devices().forEach(device -> device.attach(tracked));
        try {
            check(bed, tracked, screen);
        } finally {
            bed.devices().forEach(device -> device.attach(bed.ioas()));
            tracked.destroy();
            small.destroy();
        }
    }

    private static void check(Testbed bed, PagingHwpt tracked, Screen screen) throws InterruptedException {
        tracked.setDirtyTracking(true);
        bed.onBoth(hardware -> checkOne(hardware, bed, tracked, screen));
        BitSet written = write(bed, SEED + 1);
        try {
            bed.swap();
            written.or(write(bed, SEED + 2));
        } finally {
            bed.swap();
        }
        compare("Pages written before and after an exchange are reported", written, read(bed, tracked), screen);
        tracked.setDirtyTracking(false);
    }

    private static void checkOne(String hardware, Testbed bed, PagingHwpt tracked, Screen screen) {
        BitSet written = write(bed, SEED);
        long began = System.nanoTime();
        BitSet reported = read(bed, tracked);
        long took = System.nanoTime() - began;
        compare(hardware + ": reported pages are the pages written", written, reported, screen);
        BitSet again = read(bed, tracked);
        screen.check(hardware + ": a page is clean once it was read and cleared", again.isEmpty(),
                Quantity.count(again.cardinality(), "page") + " reported");
        // The devices hold these translations in their IOTLBs by now.
        compare(hardware + ": written again after that, it is reported again", write(bed, SEED), read(bed, tracked), screen);
        screen.note("   reading and clearing the bitmap of %s took %s"
                .formatted(Quantity.count(bed.ram().lengthBytes() / PAGE_BYTES, "page"), Quantity.time(took)));
    }

    private static void compare(String claim, BitSet written, BitSet reported, Screen screen) {
        BitSet missing = (BitSet) written.clone();
        missing.andNot(reported);
        BitSet extra = (BitSet) reported.clone();
        extra.andNot(written);
        screen.check(claim, missing.isEmpty() && extra.isEmpty(), "%s written, %s reported, %d missing, %d too many".formatted(
                Quantity.count(written.cardinality()), Quantity.count(reported.cardinality()), missing.cardinality(), extra.cardinality()));
    }

    /** Both devices write a few bytes here and there, now and then across a page boundary. @return the pages touched */
    private static BitSet write(Testbed bed, long seed) {
        Random random = new Random(seed);
        MemorySegment source = Arena.ofAuto().allocate(PAGE_BYTES);
        BitSet pages = new BitSet();
        for (int i = 0; i < WRITES; i++) {
            DmaPort port = bed.devices().get(i % Testbed.DEVICES).port();
            long length = 1 + random.nextInt(PAGE_BYTES);
            long offset = random.nextLong(bed.ram().lengthBytes() - length);
            if (port.write(Testbed.RAM_IOVA + offset, source, 0, length) != DmaStatus.DONE) {
                throw new StepFailed("a write at 0x%x failed: %s".formatted(Testbed.RAM_IOVA + offset, port.lastFault()));
            }
            pages.set((int) (offset / PAGE_BYTES), (int) ((offset + length - 1) / PAGE_BYTES) + 1);
        }
        return pages;
    }

    private static BitSet read(Testbed bed, PagingHwpt tracked) {
        long bytes = bed.ram().lengthBytes();
        MemorySegment bitmap = Arena.ofAuto().allocate(bytes / PAGE_BYTES / Byte.SIZE, Long.BYTES);
        tracked.readDirty(Testbed.RAM_IOVA, bytes, PAGE_BYTES, bitmap, true);
        return BitSet.valueOf(bitmap.toArray(JAVA_BYTE));
    }
}
