package iommufd.core.fake;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.hardware.DirtySink;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.DomainGeometry;
import iommufd.api.hardware.IopteResizing;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.memory.PinnedRuns;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentSkipListMap;

/** A page table as a sorted map of 4 KiB pages, which may belong to entries of 64 KiB. */
class FakePagingDomain implements PagingDomain, DirtyTracking, IopteResizing {
    static final long PAGE = 4096;
    static final long LARGE = 16 * PAGE;
    private static final IovaRange APERTURE = new IovaRange(0, (1L << 48) - 1);
    private static final DomainGeometry GEOMETRY = new DomainGeometry(APERTURE, PAGE);
    private static final DomainGeometry LARGE_GEOMETRY = new DomainGeometry(APERTURE, PAGE | LARGE);

    final FakeHardware hardware;
    volatile boolean closed;
    private final PagingOptions options;
    private final ConcurrentSkipListMap<Long, Entry> entries = new ConcurrentSkipListMap<>();
    volatile boolean tracking;

    static final class Entry {
        final long physicalAddress;
        final DmaAccess access;
        volatile Leaf leaf;

        Entry(long physicalAddress, DmaAccess access, Leaf leaf) {
            this.physicalAddress = physicalAddress;
            this.access = access;
            this.leaf = leaf;
        }
    }

    /** What hardware would hold as one entry. */
    static final class Leaf {
        final long iova;
        final long lengthBytes;
        volatile boolean dirty;

        Leaf(long iova, long lengthBytes) {
            this.iova = iova;
            this.lengthBytes = lengthBytes;
        }
    }

    FakePagingDomain(FakeHardware hardware, PagingOptions options) {
        this.hardware = hardware;
        this.options = options;
        synchronized (hardware.domains) {
            hardware.domains.add(this);
        }
    }

    Entry entry(long iova) {
        return entries.get(iova & -PAGE);
    }

    boolean nestParent() {
        return options.nestParent();
    }

    @Override
    public DomainGeometry geometry() {
        return hardware.largeEntries ? LARGE_GEOMETRY : GEOMETRY;
    }

    @Override
    public void map(long iova, PinnedRuns runs, DmaAccess access) {
        map(iova, runs, access, hardware.largeEntries);
    }

    @Override
    public void mapSmallest(long iova, PinnedRuns runs, DmaAccess access) {
        map(iova, runs, access, false);
    }

    private void map(long iova, PinnedRuns runs, DmaAccess access, boolean large) {
        hardware.sabotage.refusable("map");
        if (closed) {
            throw new IllegalStateException("map after close");
        }
        Long next = entries.ceilingKey(iova);
        if (next != null && next < iova + runs.totalBytes()) {
            throw new IommufdException(Errno.EEXIST, "mapped");
        }
        long at = iova;
        for (int run = 0; run < runs.count(); run++) {
            for (long offset = 0; offset < runs.lengthBytes(run); offset += PAGE, at += PAGE) {
                entries.put(at, new Entry(runs.physicalAddress(run) + offset, access, new Leaf(at, PAGE)));
            }
        }
        if (large) {
            merge(iova, at - 1);
        }
    }

    @Override
    public Optional<IopteResizing> resizing() {
        return hardware.largeEntries ? Optional.of(this) : Optional.empty();
    }

    @Override
    public long split(long iova, long lastIova, long pageBytes) {
        hardware.sabotage.refusable("split");
        long stamp = hardware.epoch.writeLock();
        try {
            long splits = 0;
            for (Map.Entry<Long, Entry> mapped : entries.subMap(iova & -LARGE, true, lastIova | LARGE - 1, true).entrySet()) {
                Leaf large = mapped.getValue().leaf;
                if (large.lengthBytes > pageBytes) {
                    splits += mapped.getKey() == large.iova ? 1 : 0;
                    Leaf small = new Leaf(mapped.getKey(), PAGE);
                    small.dirty = large.dirty;
                    mapped.getValue().leaf = small;
                }
            }
            return splits;
        } finally {
            hardware.epoch.unlockWrite(stamp);
        }
    }

    @Override
    public long merge(long iova, long lastIova) {
        hardware.sabotage.step("merge");
        long stamp = hardware.epoch.writeLock();
        try {
            long merges = 0;
            for (long at = iova + LARGE - 1 & -LARGE; at + LARGE - 1 <= lastIova; at += LARGE) {
                merges += mergeOne(at) ? 1 : 0;
            }
            return merges;
        } finally {
            hardware.epoch.unlockWrite(stamp);
        }
    }

    private boolean mergeOne(long start) {
        var parts = entries.subMap(start, true, start + LARGE - 1, true);
        Entry first = entries.get(start);
        if (parts.size() != LARGE / PAGE || (first.physicalAddress & LARGE - 1) != 0 || first.leaf.lengthBytes == LARGE
                || parts.entrySet().stream().anyMatch(part -> part.getValue().access != first.access
                        || part.getValue().physicalAddress != first.physicalAddress + part.getKey() - start)) {
            return false;
        }
        Leaf large = new Leaf(start, LARGE);
        large.dirty = parts.values().stream().anyMatch(part -> part.leaf.dirty);
        parts.values().forEach(part -> part.leaf = large);
        return true;
    }

    @Override
    public long entryBytes(long iova) {
        Entry entry = entry(iova);
        return entry == null ? 0 : entry.leaf.lengthBytes;
    }

    @Override
    public long unmap(long iova, long lastIova) {
        hardware.sabotage.step("unmap");
        var gone = entries.subMap(iova, true, lastIova, true);
        long bytes = gone.size() * PAGE;
        gone.clear();
        hardware.drain();
        return bytes;
    }

    @Override
    public long translate(long iova) {
        Entry entry = entry(iova);
        return entry == null ? UNMAPPED : entry.physicalAddress + (iova & PAGE - 1);
    }

    @Override
    public Optional<DirtyTracking> dirtyTracking() {
        return options.dirtyTracking() ? Optional.of(this) : Optional.empty();
    }

    @Override
    public void setEnabled(boolean enabled) {
        hardware.sabotage.refusable("setEnabled");
        entries.values().forEach(entry -> entry.leaf.dirty = false);
        tracking = enabled;
    }

    @Override
    public void read(long iova, long lastIova, boolean clear, DirtySink sink) {
        hardware.sabotage.step("readDirty");
        for (Map.Entry<Long, Entry> mapped : entries.subMap(iova & -PAGE, true, lastIova, true).entrySet()) {
            Leaf leaf = mapped.getValue().leaf;
            boolean first = mapped.getKey() == Math.max(leaf.iova, iova & -PAGE);
            if (leaf.dirty && first) {
                sink.dirty(leaf.iova, leaf.lengthBytes);
                leaf.dirty = !clear;
            }
        }
    }

    @Override
    public void close() {
        hardware.sabotage.step("closeDomain");
        closed = true;
        synchronized (hardware.domains) {
            hardware.domains.remove(this);
        }
    }
}
