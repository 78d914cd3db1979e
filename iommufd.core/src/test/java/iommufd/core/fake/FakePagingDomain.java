package iommufd.core.fake;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.hardware.DirtySink;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.DomainGeometry;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.memory.PinnedRuns;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentSkipListMap;

/** A page table as a sorted map of 4 KiB pages. */
final class FakePagingDomain implements PagingDomain, DirtyTracking {
    static final long PAGE = 4096;
    private static final DomainGeometry GEOMETRY = new DomainGeometry(new IovaRange(0, (1L << 48) - 1), PAGE);

    final FakeHardware hardware;
    volatile boolean closed;
    private final PagingOptions options;
    private final ConcurrentSkipListMap<Long, Entry> entries = new ConcurrentSkipListMap<>();
    volatile boolean tracking;

    static final class Entry {
        final long physicalAddress;
        final DmaAccess access;
        volatile boolean dirty;

        Entry(long physicalAddress, DmaAccess access) {
            this.physicalAddress = physicalAddress;
            this.access = access;
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
        return GEOMETRY;
    }

    @Override
    public void map(long iova, PinnedRuns runs, DmaAccess access) {
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
                entries.put(at, new Entry(runs.physicalAddress(run) + offset, access));
            }
        }
    }

    @Override
    public void mapSmallest(long iova, PinnedRuns runs, DmaAccess access) {
        map(iova, runs, access);
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
        entries.values().forEach(entry -> entry.dirty = false);
        tracking = enabled;
    }

    @Override
    public void read(long iova, long lastIova, boolean clear, DirtySink sink) {
        hardware.sabotage.step("readDirty");
        for (Map.Entry<Long, Entry> mapped : entries.subMap(iova & -PAGE, true, lastIova, true).entrySet()) {
            if (mapped.getValue().dirty) {
                if (clear) {
                    mapped.getValue().dirty = false;
                }
                sink.dirty(mapped.getKey(), PAGE);
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
