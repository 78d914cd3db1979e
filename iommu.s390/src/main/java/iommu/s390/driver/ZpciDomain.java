package iommu.s390.driver;

import iommu.common.table.RadixTable;
import iommu.s390.format.TranslationAnchor;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.DomainGeometry;
import iommufd.api.hardware.IopteResizing;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.PinnedRuns;
import java.util.Optional;

/** Region, segment and page tables. Functions are registered with them directly, or through a guest's tables above. */
final class ZpciDomain implements PagingDomain, TranslationTable {
    private final ZpciDriver driver;
    private final RadixTable table;
    private final long anchor;
    private final long base;
    private final DomainGeometry geometry;
    private final TableUsers users = new TableUsers();
    private final IopteResizing resizing = new Resizing();

    ZpciDomain(ZpciDriver driver, RadixTable table, ZpciDriverOptions options) {
        this.driver = driver;
        this.table = table;
        // Levels above segment tables: one more for each designation type.
        anchor = TranslationAnchor.of(table.root(), options.levels() - 2);
        base = options.firstDma();
        long last = table.format().inputLast();
        geometry = new DomainGeometry(new IovaRange(0, Long.compareUnsigned(options.lastDma(), last) < 0 ? options.lastDma() : last),
                table.format().pageSizes());
    }

    @Override
    public ZpciDriver driver() {
        return driver;
    }

    @Override
    public long anchor() {
        return anchor;
    }

    @Override
    public long base() {
        return base;
    }

    @Override
    public long limit() {
        return geometry.aperture().last();
    }

    @Override
    public ZpciDomain host() {
        return this;
    }

    @Override
    public DomainGeometry geometry() {
        return geometry;
    }

    @Override
    public void map(long iova, PinnedRuns runs, DmaAccess access) {
        map(iova, runs, access, false);
    }

    @Override
    public void mapSmallest(long iova, PinnedRuns runs, DmaAccess access) {
        map(iova, runs, access, true);
    }

    /** Nothing is cached of absent entries, so that new ones need no refresh. */
    private void map(long iova, PinnedRuns runs, DmaAccess access, boolean smallestOnly) {
        long last = iova + Math.max(runs.totalBytes(), 1) - 1;
        if (Long.compareUnsigned(last, iova) < 0 || Long.compareUnsigned(last, limit()) > 0) {
            throw new IommufdException(Errno.ERANGE, "IOVA 0x%x..0x%x ends beyond 0x%x".formatted(iova, last, limit()));
        }
        try {
            table.map(iova, runs, access, smallestOnly);
        } catch (RuntimeException | Error failure) {
            flush(iova, last);   // a part was visible, and may be cached, until it was rolled back
            throw failure;
        }
        if (table.hasUnlinked()) {
            flush(iova, last);   // an empty table made way for a large leaf
        }
    }

    @Override
    public long unmap(long iova, long lastIova) {
        long last = limit();
        if (Long.compareUnsigned(iova, last) > 0) {
            return 0;
        }
        if (Long.compareUnsigned(lastIova, last) < 0) {
            last = lastIova;
        }
        long bytes = table.unmap(iova, last);
        if (bytes != 0 || table.hasUnlinked()) {
            flush(iova, last);
        }
        return bytes;
    }

    /** Makes every function forget a range, and takes tables back that none can be walking any more. */
    private void flush(long first, long last) {
        refresh(first, last);
        table.recycle();
    }

    /** Returns when no request uses a former translation of the range. */
    private void refresh(long first, long last) {
        for (TableUsers.User user : users.now()) {
            if (user.table() == this) {
                user.endpoint().refresh(this, first, last);
            } else {
                user.endpoint().refreshAll(user.table());   // where the guest has mapped it is its own business
            }
        }
    }

    @Override
    public long translate(long iova) {
        return table.translate(iova);
    }

    @Override
    public Optional<DirtyTracking> dirtyTracking() {
        return Optional.empty();
    }

    @Override
    public Optional<IopteResizing> resizing() {
        return Optional.of(resizing);
    }

    @Override
    public void join(ZpciEndpoint endpoint) {
        users.add(endpoint, this);
    }

    @Override
    public void leave(ZpciEndpoint endpoint) {
        users.remove(endpoint, this);
    }

    /** An endpoint is about to be registered with a table over this one. */
    void join(ZpciEndpoint endpoint, ZpciNestedDomain above) {
        users.add(endpoint, above);
    }

    /** Undoes {@link #join(ZpciEndpoint, ZpciNestedDomain)}. */
    void leave(ZpciEndpoint endpoint, ZpciNestedDomain above) {
        users.remove(endpoint, above);
    }

    @Override
    public void close() {
        assert users.now().length == 0 : "a table is closed while functions are registered with it";
        table.close();
    }

    /** Only the size changes: until the refresh, functions may use the old entry or the new ones, which say the same. */
    private final class Resizing implements IopteResizing {
        @Override
        public long split(long iova, long lastIova, long pageBytes) {
            try {
                return table.split(iova, lastIova, pageBytes);
            } finally {
                refreshAround(iova, lastIova);
            }
        }

        @Override
        public long merge(long iova, long lastIova) {
            long merged = table.merge(iova, lastIova);
            if (table.hasMerged()) {
                refreshAround(iova, lastIova);
                table.finishMerge();
                table.recycle();
            }
            return merged;
        }

        /** An entry that was split may reach beyond the range. */
        private void refreshAround(long iova, long lastIova) {
            if (Long.compareUnsigned(iova, limit()) <= 0) {
                long inside = Long.highestOneBit(geometry.pageSizes()) - 1;
                long around = lastIova | inside;
                refresh(iova & ~inside, Long.compareUnsigned(around, limit()) < 0 ? around : limit());
            }
        }

        @Override
        public long entryBytes(long iova) {
            return table.leafBytes(iova);
        }
    }
}
