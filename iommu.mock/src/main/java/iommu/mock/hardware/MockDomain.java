package iommu.mock.hardware;

import iommu.common.table.DirtyTableReader;
import iommu.common.table.RadixTable;
import iommu.common.table.TablePool;
import iommu.common.unit.PhysicalWords;
import iommufd.api.DmaAccess;
import iommufd.api.hardware.DirtySink;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.DomainGeometry;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.PinnedRuns;
import java.util.Optional;

/** A paging table. Nothing walks it but {@link #translate} and {@link #markWritten}, so there is nothing to invalidate. */
public final class MockDomain implements PagingDomain {
    private static final long HALF_PAGE_BYTES = 1L << MockEntry.GRANULE_LG2;
    private static final long ENTRY_BYTES = 8;

    private final TablePool pool;
    private final TableShape shape;
    private final RadixTable table;
    private final Optional<DirtyTracking> dirtyTracking;
    private volatile boolean tracking;

    MockDomain(TablePool pool, TableShape shape, boolean dirtyTracking) {
        this.pool = pool;
        this.shape = shape;
        table = new RadixTable(shape.format(), pool);
        this.dirtyTracking = dirtyTracking ? Optional.of(new Tracking(table.dirtyReader())) : Optional.empty();
    }

    @Override
    public DomainGeometry geometry() {
        return shape.geometry();
    }

    @Override
    public void map(long iova, PinnedRuns runs, DmaAccess access) {
        map(iova, runs, access, false);
    }

    @Override
    public void mapSmallest(long iova, PinnedRuns runs, DmaAccess access) {
        map(iova, runs, access, true);
    }

    private void map(long iova, PinnedRuns runs, DmaAccess access, boolean smallestOnly) {
        try {
            table.map(iova, runs, access, smallestOnly);
        } finally {
            table.recycle();
        }
    }

    @Override
    public long unmap(long iova, long lastIova) {
        if (Long.compareUnsigned(iova, shape.format().inputLast()) > 0) {
            return 0;
        }
        long bytes = table.unmap(iova, lastIova);
        table.recycle();
        return bytes;
    }

    @Override
    public long translate(long iova) {
        return Long.compareUnsigned(iova, shape.format().inputLast()) > 0 ? UNMAPPED : table.translate(iova);
    }

    @Override
    public Optional<DirtyTracking> dirtyTracking() {
        return dirtyTracking;
    }

    /** Whether writes leave marks now. */
    public boolean tracking() {
        return tracking;
    }

    /**
     * A device wrote there: marks the entry dirty. Two halves of one memory page that lie side by side count as one entry of
     * 4 KiB, as Linux's table makes one. Nothing mapped is no error. Not beside {@link #unmap}.
     */
    public void markWritten(long iova) {
        if (Long.compareUnsigned(iova, shape.format().inputLast()) > 0) {
            return;
        }
        long slotTable = table.root();
        for (int level = shape.format().levels() - 1; ; level--) {
            int shift = MockEntry.GRANULE_LG2 + level * MockEntry.INDEX_BITS;
            long slot = slotTable + (iova >>> shift & (1L << MockEntry.INDEX_BITS) - 1) * ENTRY_BYTES;
            long entry = PhysicalWords.get(slot);
            if ((entry & (MockEntry.READ | MockEntry.WRITE)) == 0) {
                return;
            }
            if ((entry & MockEntry.LEAF) != 0) {
                mark(slot);
                long otherSlot = slot ^ ENTRY_BYTES;
                if (level == 0 && halvesOfOnePage(slot, entry, PhysicalWords.get(otherSlot))) {
                    mark(otherSlot);
                }
                return;
            }
            slotTable = entry & MockEntry.ADDRESS;
        }
    }

    private static boolean halvesOfOnePage(long slot, long entry, long other) {
        long half = (slot & ENTRY_BYTES) == 0 ? 0 : HALF_PAGE_BYTES;
        long address = entry & MockEntry.ADDRESS;
        return (other & MockEntry.LEAF) != 0 && (address & HALF_PAGE_BYTES) == half && (other & MockEntry.ADDRESS) == (address ^ HALF_PAGE_BYTES);
    }

    private void mark(long slot) {
        long entry;
        do {
            entry = PhysicalWords.get(slot);
        } while ((entry & MockEntry.LEAF) != 0 && !PhysicalWords.compareAndSet(slot, entry, entry | MockEntry.DIRTY));
        pool.markDirty(slot);
    }

    @Override
    public void close() {
        table.close();
    }

    private final class Tracking implements DirtyTracking {
        private final DirtyTableReader reader;

        Tracking(DirtyTableReader reader) {
            this.reader = reader;
        }

        @Override
        public void setEnabled(boolean enabled) {
            if (enabled) {
                reader.forget(0, shape.format().inputLast());
            }
            tracking = enabled;
        }

        @Override
        public void read(long iova, long lastIova, boolean clear, DirtySink sink) {
            long last = shape.format().inputLast();
            if (Long.compareUnsigned(iova, last) <= 0) {
                reader.read(iova, Long.compareUnsigned(lastIova, last) < 0 ? lastIova : last, clear, sink);
            }
        }
    }
}
