package vmm.runtime.demo;

import iommufd.api.DmaAccess;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.PagingHwpt;
import iommufd.api.dma.DmaPort;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import vmm.runtime.text.Quantity;

/** Dirty bits of 4 KiB pages, although entries are large before tracking and after it. */
final class PreciseDirtyPages implements Promise {
    private static final int WRITES = 300;
    private static final long SEED = 7;

    @Override
    public String title() {
        return "Dirty pages under huge IOPTEs";
    }

    @Override
    public List<String> vendors() {
        return List.of(PromiseHardware.VTD, PromiseHardware.SMMUV3);
    }

    @Override
    public String show(Guest guest) {
        Ioas space = guest.context().allocateIoas();
        PagingHwpt table = guest.context().allocateHwpt(guest.device(), space, HwptOptions.withDirtyTracking());
        space.mapAt(Guest.IOVA, guest.ram(), 0, Guest.RAM_BYTES, DmaAccess.READ_WRITE);
        guest.device().attach(table);
        long large = table.entryBytes(Guest.IOVA);
        Promise.require(large > Guest.PAGE_BYTES, "entries have 0x%x bytes before tracking: none is large", large);
        DmaPort port = guest.endpoint().openPort();
        // Cached as one large translation, which tracking must not leave in use.
        Guest.writeThrough(port, Guest.IOVA, 1);
        table.setDirtyTracking(true);
        SplittableRandom random = new SplittableRandom(SEED);
        BitSet written = new BitSet();
        for (int i = 0; i < WRITES; i++) {
            int page = random.nextInt((int) Guest.RAM_PAGES);
            Guest.writeThrough(port, Guest.IOVA + (long) page * Guest.PAGE_BYTES, i);
            written.set(page);
        }
        BitSet reported = read(table);
        Promise.require(reported.equals(written), "%d pages written, %d reported", written.cardinality(), reported.cardinality());
        BitSet again = read(table);
        Promise.require(again.isEmpty(), "%d pages reported that nobody wrote since the last read", again.cardinality());
        table.setDirtyTracking(false);
        long after = table.entryBytes(Guest.IOVA);
        Promise.require(after == large, "entries have 0x%x bytes after tracking, 0x%x before", after, large);
        return "%d of %d pages written, exactly those reported; entries of %s before and after".formatted(
                written.cardinality(), Guest.RAM_PAGES, Quantity.bytes(large));
    }

    private static BitSet read(PagingHwpt table) {
        byte[] bitmap = new byte[(int) Guest.RAM_PAGES / Byte.SIZE];
        table.readDirty(Guest.IOVA, Guest.RAM_BYTES, Guest.PAGE_BYTES, MemorySegment.ofArray(bitmap), true);
        return BitSet.valueOf(bitmap);
    }
}
