package iommufd.core.space;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.hardware.DirtySink;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.DomainGeometry;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.PinnedRuns;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;

/** A page table as a sorted map of its smallest pages: hardware true to the SPI, slow and checking its caller. */
final class ModelDomain implements PagingDomain {
    record Entry(long physicalAddress, DmaAccess access, boolean smallest) { }

    final TreeMap<Long, Entry> entries = new TreeMap<>(Long::compareUnsigned);
    /** IOVA of each entry that began a mapping made as a whole, and where that mapping ends. */
    private final TreeMap<Long, Long> whole = new TreeMap<>(Long::compareUnsigned);
    private final TreeSet<Long> dirty = new TreeSet<>(Long::compareUnsigned);
    private final DomainGeometry geometry;
    /** Maps until one is refused with ENOMEM; counts down, negative for never. */
    int mapsUntilRefusal = -1;
    RuntimeException brokenMap;
    RuntimeException brokenUnmap;
    int unmapCalls;
    boolean tracksDirty = true;

    ModelDomain(long apertureStart, long apertureLast, long pageSizes) {
        geometry = new DomainGeometry(new IovaRange(apertureStart, apertureLast), pageSizes);
    }

    /** 48 bits, pages of 4 KiB, 2 MiB and 1 GiB. */
    ModelDomain() {
        this(0, (1L << 48) - 1, 0x40201000L);
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

    private void map(long iova, PinnedRuns runs, DmaAccess access, boolean smallest) {
        long page = geometry.smallestPageBytes();
        long last = iova + runs.totalBytes() - 1;
        assertThat((iova | last + 1) & page - 1).as("alignment of IOVA").isZero();
        assertThat(runs.totalBytes()).isPositive();
        if (!geometry.aperture().contains(iova) || !geometry.aperture().contains(last)) {
            throw new IommufdException(Errno.ERANGE, "outside the aperture");
        }
        if (entries.ceilingKey(iova) != null && Long.compareUnsigned(entries.ceilingKey(iova), last) <= 0) {
            throw new IommufdException(Errno.EEXIST, "mapped already");
        }
        if (mapsUntilRefusal >= 0 && mapsUntilRefusal-- == 0) {
            throw new IommufdException(Errno.ENOMEM, "injected");
        }
        long at = iova;
        for (int i = 0; i < runs.count(); i++) {
            assertThat((runs.physicalAddress(i) | runs.lengthBytes(i)) & page - 1).as("alignment of a run").isZero();
            for (long offset = 0; offset < runs.lengthBytes(i); offset += page) {
                entries.put(at, new Entry(runs.physicalAddress(i) + offset, access, smallest));
                at += page;
                if (brokenMap != null) {
                    throw brokenMap;
                }
            }
        }
        whole.put(iova, last);
    }

    @Override
    public long unmap(long iova, long lastIova) {
        unmapCalls++;
        if (brokenUnmap != null) {
            throw brokenUnmap;
        }
        Map.Entry<Long, Long> below = whole.lowerEntry(iova);
        assertThat(below == null || Long.compareUnsigned(below.getValue(), iova) < 0).as("unmap cuts no mapping at its start").isTrue();
        var within = whole.subMap(iova, true, lastIova, true);
        within.values().forEach(end -> assertThat(Long.compareUnsigned(end, lastIova)).as("unmap cuts no mapping at its end").isLessThanOrEqualTo(0));
        within.clear();
        var gone = entries.subMap(iova, true, lastIova, true);
        long bytes = gone.size() * geometry.smallestPageBytes();
        gone.clear();
        return bytes;
    }

    @Override
    public long translate(long iova) {
        Map.Entry<Long, Entry> entry = entries.floorEntry(iova);
        boolean mapped = entry != null && iova - entry.getKey() < geometry.smallestPageBytes() && iova - entry.getKey() >= 0;
        return mapped ? entry.getValue().physicalAddress() + (iova - entry.getKey()) : UNMAPPED;
    }

    /** As a device's write does. */
    void markDirty(long iova) {
        dirty.add(iova & -geometry.smallestPageBytes());
    }

    @Override
    public Optional<DirtyTracking> dirtyTracking() {
        return !tracksDirty ? Optional.empty() : Optional.of(new DirtyTracking() {
            @Override
            public void setEnabled(boolean enabled) {
                dirty.clear();
            }

            @Override
            public void read(long iova, long lastIova, boolean clear, DirtySink sink) {
                var range = dirty.subSet(iova, true, lastIova, true);
                range.forEach(page -> sink.dirty(page, geometry.smallestPageBytes()));
                if (clear) {
                    range.clear();
                }
            }
        });
    }

    @Override
    public void close() {
        entries.clear();
    }
}
