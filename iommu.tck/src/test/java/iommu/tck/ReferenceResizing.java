package iommu.tck;

import iommu.tck.ReferenceDomain.Entry;
import iommufd.api.IommufdException;
import iommufd.api.hardware.IopteResizing;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/** Changes sizes of a {@link ReferenceDomain}'s entries by writing all of them anew, under the backend's lock. */
final class ReferenceResizing implements IopteResizing {
    private static final int[] SIZES_LG2 = {12, 21, 30};
    private static final byte READ_WRITE = 3;

    private final ReferenceBackend backend;
    private final ReferenceDomain domain;

    ReferenceResizing(ReferenceBackend backend, ReferenceDomain domain) {
        this.backend = backend;
        this.domain = domain;
    }

    private boolean has(Defect defect) {
        return backend.has(defect);
    }

    @Override
    public long split(long iova, long lastIova, long pageBytes) {
        long stamp = backend.lockChanges();
        try {
            int targetLg2 = has(Defect.SPLIT_GOES_TO_THE_SMALLEST) ? 12 : Long.numberOfTrailingZeros(pageBytes);
            List<Entry> split = new ArrayList<>();
            long splits = 0;
            for (Entry entry : domain.entries()) {
                boolean overlaps = Long.compareUnsigned(entry.iova(), lastIova) <= 0 && Long.compareUnsigned(entry.last(), iova) >= 0;
                if (!overlaps || entry.sizeLg2() <= targetLg2 || has(Defect.SPLIT_DOES_NOTHING)) {
                    split.add(entry);
                    continue;
                }
                splits++;
                splitInto(split, entry, targetLg2, iova, lastIova);
            }
            stamp = gap(stamp);
            try {
                domain.replaceEntries(split);
            } catch (IommufdException noMemory) {
                if (has(Defect.FAILED_SPLIT_LEAVES_A_HOLE)) {
                    domain.replaceEntries(List.of());
                }
                throw noMemory;
            }
            return splits;
        } finally {
            backend.unlockChanges(stamp);
        }
    }

    /** One level at a time, so that what the range does not touch stays as large as it can. */
    private void splitInto(List<Entry> split, Entry entry, int targetLg2, long iova, long lastIova) {
        int lg2 = entry.sizeLg2() == 30 && targetLg2 < 30 ? 21 : 12;
        for (long offset = 0; offset < 1L << entry.sizeLg2(); offset += 1L << lg2) {
            long address = entry.address() + (has(Defect.SPLIT_REPEATS_THE_FIRST_PAGE) ? 0 : offset);
            Entry part = new Entry(entry.iova() + offset, address, lg2, has(Defect.SPLIT_GRANTS_EVERYTHING) ? READ_WRITE : entry.accessBits(),
                    entry.dirty() && !has(Defect.SPLIT_FORGETS_WRITES));
            boolean overlaps = Long.compareUnsigned(part.iova(), lastIova) <= 0 && Long.compareUnsigned(part.last(), iova) >= 0;
            if (overlaps && lg2 > targetLg2) {
                splitInto(split, part, targetLg2, iova, lastIova);
            } else {
                split.add(part);
            }
        }
    }

    /** For a defect only: for a moment nothing is mapped. */
    private long gap(long stamp) {
        if (!has(Defect.RESIZING_WITH_A_GAP)) {
            return stamp;
        }
        List<Entry> before = domain.entries();
        domain.replaceEntries(List.of());
        backend.unlockChanges(stamp);
        LockSupport.parkNanos(100_000);
        long again = backend.lockChanges();
        domain.replaceEntries(before);
        return again;
    }

    @Override
    public long merge(long iova, long lastIova) {
        if (has(Defect.MERGE_DOES_NOTHING)) {
            return 0;
        }
        long stamp = backend.lockChanges();
        try {
            List<Entry> entries = domain.entries();
            long merges = 0;
            for (int size = 1; size < SIZES_LG2.length; size++) {
                List<Entry> merged = new ArrayList<>();
                int count = 1 << SIZES_LG2[size] - SIZES_LG2[size - 1];
                for (int i = 0; i < entries.size(); ) {
                    if (alike(entries, i, count, SIZES_LG2[size], iova, lastIova)) {
                        merged.add(together(entries.subList(i, i + count), SIZES_LG2[size]));
                        merges++;
                        i += count;
                    } else {
                        merged.add(entries.get(i++));
                    }
                }
                entries = merged;
            }
            stamp = gap(stamp);
            domain.replaceEntries(entries);
            return merges;
        } finally {
            backend.unlockChanges(stamp);
        }
    }

    private boolean alike(List<Entry> entries, int from, int count, int sizeLg2, long iova, long lastIova) {
        Entry first = entries.get(from);
        long inside = (1L << sizeLg2) - 1;
        boolean within = has(Defect.MERGE_LEAVES_ITS_RANGE)
                || Long.compareUnsigned(first.iova(), iova) >= 0 && Long.compareUnsigned(first.iova() + inside, lastIova) <= 0;
        if (!within || from + count > entries.size() || ((first.iova() | first.address()) & inside) != 0
                || first.sizeLg2() != Long.numberOfTrailingZeros((inside + 1) / count)) {
            return false;
        }
        for (int i = 0; i < count; i++) {
            Entry next = entries.get(from + i);
            long offset = (long) i << first.sizeLg2();
            boolean memory = next.address() == first.address() + offset || has(Defect.MERGE_IGNORES_MEMORY);
            boolean rights = next.accessBits() == first.accessBits() || has(Defect.MERGE_IGNORES_RIGHTS);
            if (next.iova() != first.iova() + offset || next.sizeLg2() != first.sizeLg2() || !memory || !rights) {
                return false;
            }
        }
        return true;
    }

    private Entry together(List<Entry> parts, int sizeLg2) {
        Entry first = parts.getFirst();
        boolean dirty = parts.stream().anyMatch(Entry::dirty) && !has(Defect.MERGE_FORGETS_WRITES) || has(Defect.MERGE_CALLS_EVERYTHING_WRITTEN);
        return new Entry(first.iova(), first.address(), sizeLg2, first.accessBits(), dirty);
    }

    @Override
    public long entryBytes(long iova) {
        long stamp = backend.enter();
        try {
            int index = domain.find(iova);
            return index < 0 ? 0 : domain.last(index) - domain.start(index) + 1;
        } finally {
            backend.leave(stamp);
        }
    }
}
