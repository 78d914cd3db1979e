package iommu.tck;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.hardware.DirtySink;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.DomainGeometry;
import iommufd.api.hardware.IopteResizing;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.PinnedRuns;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** A page table of {@link ReferenceBackend}: entries in arrays, sorted by IOVA. Guarded by the backend's lock. */
final class ReferenceDomain implements PagingDomain, DirtyTracking {
    static final long PAGE_SIZES = 1L << 12 | 1L << 21 | 1L << 30;
    private static final DomainGeometry GEOMETRY = new DomainGeometry(new IovaRange(0, (1L << 48) - 1), PAGE_SIZES);
    private static final int[] SIZES_LG2 = {30, 21, 12};
    private static final long ENTRIES_PER_FRAME = 128;
    private static final long NO_FRAME = 0;

    private final ReferenceBackend backend;
    private final boolean tracksDirty;
    private final long rootFrame;
    private long[] frames = new long[4];
    private int frameCount;
    private long[] iovas = new long[64];
    private long[] addresses = new long[64];
    private byte[] sizesLg2 = new byte[64];
    private byte[] accessBits = new byte[64];
    private boolean[] dirty = new boolean[64];
    private int count;
    private boolean trackingEnabled;
    private long logFrame = NO_FRAME;
    ReferenceEndpoint.Attachment latestAttachment;
    /** For a defect only. */
    private final Set<Long> onceDirty = new HashSet<>();
    /** For a defect only: keeps garbage reachable, so that it is allocated indeed. */
    private Object garbage;

    ReferenceDomain(ReferenceBackend backend, boolean tracksDirty) {
        this.backend = backend;
        this.tracksDirty = tracksDirty;
        rootFrame = backend.takeFrame();
        ReferenceBackend.OPEN_TABLES.add(this);
        backend.latestTable = this;
        if (has(Defect.CLOSED_TABLES_RECYCLED_UNCLEARED) && backend.recycledTable != null) {
            takeOver(backend.recycledTable);
        }
    }

    private boolean has(Defect defect) {
        return backend.has(defect);
    }

    private void takeOver(ReferenceDomain closed) {
        iovas = closed.iovas;
        addresses = closed.addresses;
        sizesLg2 = closed.sizesLg2;
        accessBits = closed.accessBits;
        dirty = closed.dirty;
        count = closed.count;
    }

    /** For a defect only. */
    void empty() {
        count = 0;
    }

    ReferenceBackend backend() {
        return backend;
    }

    @Override
    public DomainGeometry geometry() {
        return has(Defect.GEOMETRY_WITHOUT_LARGEST_PAGE)
                ? new DomainGeometry(GEOMETRY.aperture(), Long.lowestOneBit(PAGE_SIZES)) : GEOMETRY;
    }

    @Override
    public void map(long iova, PinnedRuns runs, DmaAccess access) {
        mapAll(iova, runs, access, false);
    }

    @Override
    public void mapSmallest(long iova, PinnedRuns runs, DmaAccess access) {
        mapAll(iova, runs, access, !has(Defect.SMALLEST_IGNORED));
    }

    private void mapAll(long iova, PinnedRuns runs, DmaAccess access, boolean smallest) {
        check(iova, runs);
        if (has(Defect.MAP_ONLY_WHEN_ATTACHED) && latestAttachment == null) {
            return;
        }
        if (has(Defect.MAP_OVERWRITES)) {
            unmap(iova, iova + runs.totalBytes() - 1);
        }
        long stamp = backend.lockChanges();
        try {
            int at = indexFrom(iova);
            long end = iova + runs.totalBytes();
            if (at < count && Long.compareUnsigned(iovas[at], end - 1) <= 0 || at > 0 && last(at - 1) >= iova) {
                if (has(Defect.MAP_LEAVES_WHAT_CAME_BEFORE_THE_CONFLICT) && at < count && iovas[at] > iova) {
                    insertGap(at, 1);
                    fill(at, iova, onePage(runs), access, true);
                }
                throw new IommufdException(Errno.EEXIST, "IOVA 0x%x is mapped in part".formatted(iova));
            }
            int added = countEntries(iova, runs, smallest);
            try {
                takeFrames(count + added);
            } catch (IommufdException noMemory) {
                if (has(Defect.FAILED_MAP_LEAVES_A_PART)) {
                    insertGap(at, 1);
                    fill(at, iova, onePage(runs), access, true);
                }
                throw noMemory;
            }
            insertGap(at, added);
            fill(at, iova, runs, access, smallest);
        } finally {
            backend.unlockChanges(stamp);
        }
    }

    private static PinnedRuns onePage(PinnedRuns runs) {
        PinnedRuns page = new PinnedRuns(1);
        page.add(runs.physicalAddress(0), 1 << 12);
        return page;
    }

    private void check(long iova, PinnedRuns runs) {
        long bits = iova;
        for (int run = 0; run < runs.count(); run++) {
            bits |= runs.physicalAddress(run) | runs.lengthBytes(run);
        }
        if ((runs.count() == 0 || (bits & 0xfff) != 0) && !has(Defect.ALIGNMENT_UNCHECKED)) {
            throw new IommufdException(Errno.EINVAL, "IOVA 0x%x or its memory is not aligned".formatted(iova));
        }
        long last = iova + runs.totalBytes() - 1;
        boolean outside = Long.compareUnsigned(last, iova) < 0 || Long.compareUnsigned(last, GEOMETRY.aperture().last()) > 0;
        if (outside && !has(Defect.APERTURE_UNCHECKED)) {
            throw new IommufdException(Errno.ERANGE, "IOVA 0x%x..0x%x is outside the aperture".formatted(iova, last));
        }
    }

    private static int sizeLg2(long iova, long address, long left, boolean smallest) {
        for (int lg2 : SIZES_LG2) {
            if (!smallest && left >= 1L << lg2 && ((iova | address) & (1L << lg2) - 1) == 0) {
                return lg2;
            }
        }
        return 12;
    }

    private static int countEntries(long iova, PinnedRuns runs, boolean smallest) {
        int entries = 0;
        long at = iova;
        for (int run = 0; run < runs.count(); run++) {
            for (long done = 0; done < runs.lengthBytes(run); entries++) {
                long size = 1L << sizeLg2(at, runs.physicalAddress(run) + done, runs.lengthBytes(run) - done, smallest);
                done += size;
                at += size;
            }
        }
        return entries;
    }

    private void fill(int first, long iova, PinnedRuns runs, DmaAccess access, boolean smallest) {
        int index = first;
        long at = iova;
        for (int i = 0; i < runs.count(); i++) {
            int run = has(Defect.RUNS_IN_REVERSE_ORDER) ? runs.count() - 1 - i : i;
            for (long done = 0; done < runs.lengthBytes(run); index++) {
                long address = runs.physicalAddress(run) + done;
                int lg2 = sizeLg2(at, address, runs.lengthBytes(run) - done, smallest);
                iovas[index] = at;
                addresses[index] = has(Defect.RUNS_REPEAT_THEIR_FIRST_PAGE) ? runs.physicalAddress(run) : address;
                sizesLg2[index] = (byte) lg2;
                accessBits[index] = (byte) access.bits();
                dirty[index] = has(Defect.DIRTY_KEPT_BY_UNMAP) && onceDirty.contains(at);
                done += 1L << lg2;
                at += 1L << lg2;
            }
        }
    }

    private void insertGap(int at, int added) {
        if (count + added > iovas.length) {
            int capacity = Math.max(count + added, 2 * iovas.length);
            iovas = Arrays.copyOf(iovas, capacity);
            addresses = Arrays.copyOf(addresses, capacity);
            sizesLg2 = Arrays.copyOf(sizesLg2, capacity);
            accessBits = Arrays.copyOf(accessBits, capacity);
            dirty = Arrays.copyOf(dirty, capacity);
        }
        move(at, at + added, count - at);
        count += added;
    }

    private void move(int from, int to, int entries) {
        System.arraycopy(iovas, from, iovas, to, entries);
        System.arraycopy(addresses, from, addresses, to, entries);
        System.arraycopy(sizesLg2, from, sizesLg2, to, entries);
        System.arraycopy(accessBits, from, accessBits, to, entries);
        System.arraycopy(dirty, from, dirty, to, entries);
    }

    /** All or nothing. */
    private void takeFrames(int entries) {
        int needed = framesFor(entries);
        if (needed > frames.length) {
            frames = Arrays.copyOf(frames, 2 * needed);
        }
        int before = frameCount;
        try {
            while (frameCount < needed) {
                frames[frameCount] = backend.takeFrame();
                frameCount++;
            }
        } catch (IommufdException noMemory) {
            if (has(Defect.FAILED_MAP_LEAKS_FRAMES)) {
                frameCount = before;
            }
            dropFrames(before);
            throw noMemory;
        }
    }

    private void dropFrames(int kept) {
        while (frameCount > kept) {
            backend.giveFrame(frames[--frameCount]);
        }
    }

    private static int framesFor(int entries) {
        return (int) ((entries + ENTRIES_PER_FRAME - 1) / ENTRIES_PER_FRAME);
    }

    @Override
    public long unmap(long iova, long lastIova) {
        long stamp = backend.lockChanges();
        try {
            if (has(Defect.UNMAP_TAKES_FRAMES)) {
                backend.giveFrame(backend.takeFrame());
            }
            if (has(Defect.UNMAP_ALLOCATES)) {
                garbage = new Object[2];
            }
            int from = indexFrom(iova);
            int to = from;
            long bytes = 0;
            while (to < count && isBelow(to, lastIova)
                    && !(has(Defect.UNMAP_STOPS_AT_A_HOLE) && to > from && iovas[to] != last(to - 1) + 1)) {
                bytes += has(Defect.UNMAP_COUNTS_ENTRIES) ? 1 << 12 : 1L << sizesLg2[to];
                to++;
            }
            if (has(Defect.UNMAP_LEAVES_THE_LAST_OF_MANY) && to - from > 1) {
                to--;
            }
            if (has(Defect.UNMAP_TAKES_THE_NEXT_ENTRY_TOO) && to < count) {
                to++;
            }
            if (has(Defect.UNMAP_DROPS_ALIASES_EVERYWHERE) && to > from) {
                long dropped = addresses[from];
                long droppedLast = addresses[to - 1] + (1L << sizesLg2[to - 1]) - 1;
                ReferenceBackend.OPEN_TABLES.forEach(table -> table.spoil(dropped, droppedLast));
            }
            move(to, from, count - to);
            count -= to - from;
            if (has(Defect.UNMAP_LEAKS_FRAMES)) {
                frameCount = Math.min(frameCount, framesFor(count));
            }
            dropFrames(framesFor(count));
            return bytes;
        } finally {
            backend.unlockChanges(stamp);
        }
    }

    /** One entry, for {@link ReferenceResizing}. */
    record Entry(long iova, long address, int sizeLg2, byte accessBits, boolean dirty) {
        long last() {
            return iova + (1L << sizeLg2) - 1;
        }
    }

    /** All of them, ascending. The backend's lock must be held. */
    List<Entry> entries() {
        List<Entry> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            all.add(new Entry(iovas[i], addresses[i], sizesLg2[i], accessBits[i], dirty[i]));
        }
        return all;
    }

    /** These instead. The backend's lock must be held for changes. @throws IommufdException {@link Errno#ENOMEM}, nothing changed */
    void replaceEntries(List<Entry> all) {
        takeFrames(all.size());
        insertGap(count, Math.max(0, all.size() - count));
        count = all.size();
        for (int i = 0; i < count; i++) {
            Entry entry = all.get(i);
            iovas[i] = entry.iova;
            addresses[i] = entry.address;
            sizesLg2[i] = (byte) entry.sizeLg2;
            accessBits[i] = entry.accessBits;
            dirty[i] = entry.dirty;
        }
        if (!has(Defect.MERGE_LEAKS_FRAMES)) {
            dropFrames(framesFor(count));
        }
    }

    @Override
    public Optional<IopteResizing> resizing() {
        return Optional.of(new ReferenceResizing(backend, this));
    }

    /** Whether an entry ends in the range. */
    private boolean isBelow(int index, long lastIova) {
        return has(Defect.UNMAP_COMPARES_SIGNED) ? last(index) <= lastIova : Long.compareUnsigned(last(index), lastIova) <= 0;
    }

    /** For a defect only: entries of that memory allow nothing any more. */
    private void spoil(long first, long last) {
        for (int i = 0; i < count; i++) {
            if (addresses[i] >= first && addresses[i] <= last) {
                accessBits[i] = 0;
            }
        }
    }

    @Override
    public long translate(long iova) {
        long stamp = backend.enter();
        try {
            int index = find(iova);
            if (index < 0) {
                return has(Defect.HOLES_TRANSLATE_TO_THEMSELVES) ? iova : UNMAPPED;
            }
            return address(index, iova);
        } finally {
            backend.leave(stamp);
        }
    }

    /** Entry that covers {@code iova}, or -1. */
    int find(long anyIova) {
        long iova = has(Defect.UPPER_ADDRESS_BITS_IGNORED) ? anyIova & GEOMETRY.aperture().last() : anyIova;
        if (has(Defect.LAST_PAGE_OF_APERTURE_LOST) && iova >>> 12 == GEOMETRY.aperture().last() >>> 12) {
            return -1;
        }
        int index = indexFrom(iova);
        if (index < count && iovas[index] == iova) {
            return isLost(index) ? -1 : index;
        }
        long excess = has(Defect.ENTRIES_ONE_BYTE_TOO_LONG) ? 1 : 0;
        return index > 0 && Long.compareUnsigned(last(index - 1) + excess, iova) >= 0 && !isLost(index - 1) ? index - 1 : -1;
    }

    private boolean isLost(int index) {
        return has(Defect.FIRST_SMALL_PAGE_OF_A_TABLE_LOST) && sizesLg2[index] == 12 && (iovas[index] & (1 << 21) - 1) == 0;
    }

    /** First entry that does not start below {@code iova}. */
    private int indexFrom(long iova) {
        int low = 0;
        int high = count;
        while (low < high) {
            int middle = low + high >>> 1;
            if (Long.compareUnsigned(iovas[middle], iova) < 0) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }

    long address(int index, long iova) {
        long offset = iova - iovas[index] & (1L << sizesLg2[index]) - 1;
        return addresses[index] + (has(Defect.LARGE_OFFSETS_CUT) ? offset & (1 << 20) - 1 : offset);
    }

    long last(int index) {
        return iovas[index] + (1L << sizesLg2[index]) - 1;
    }

    boolean allows(int index, int accessBit) {
        return (accessBits[index] & accessBit) != 0 || has(Defect.PERMISSION_IGNORED);
    }

    void written(int index) {
        if (has(Defect.DIRTY_SHARED_BY_TABLES)) {
            ReferenceBackend.OPEN_TABLES.forEach(table -> Arrays.fill(table.dirty, 0, table.count, true));
        }
        if (trackingEnabled && !(has(Defect.DIRTY_MISSES_LARGE_ENTRIES) && sizesLg2[index] > 12)) {
            if (has(Defect.DIRTY_KEPT_BY_UNMAP)) {
                onceDirty.add(iovas[index]);
            }
            dirty[index] = true;
        }
    }

    /** For a defect only. */
    void forgetDirty() {
        Arrays.fill(dirty, 0, count, false);
    }

    long start(int index) {
        return iovas[index];
    }

    @Override
    public Optional<DirtyTracking> dirtyTracking() {
        return tracksDirty || has(Defect.DIRTY_ALWAYS_OFFERED) ? Optional.of(this) : Optional.empty();
    }

    @Override
    public void setEnabled(boolean enabled) {
        long stamp = backend.lockChanges();
        try {
            if (enabled && logFrame == NO_FRAME) {
                if (has(Defect.FAILED_TRACKING_LEAKS_A_FRAME)) {
                    backend.takeFrame();
                }
                logFrame = backend.takeFrame();
            }
            trackingEnabled = enabled;
            if (!has(Defect.DIRTY_KEPT_BY_ENABLE)) {
                forgetDirty();
            }
        } finally {
            backend.unlockChanges(stamp);
        }
    }

    @Override
    public void read(long iova, long lastIova, boolean clear, DirtySink sink) {
        long stamp = backend.lockChanges();
        try {
            for (int i = 0; i < count; i++) {
                boolean startsInside = has(Defect.DIRTY_COMPARES_SIGNED) ? iovas[i] <= lastIova
                        : Long.compareUnsigned(iovas[i], lastIova) <= 0;
                if (startsInside && Long.compareUnsigned(last(i), iova) >= 0 && dirty[i]) {
                    sink.dirty(iovas[i], 1L << sizesLg2[i]);
                    dirty[i] = !clear;
                }
            }
            if (clear && has(Defect.DIRTY_CLEARS_EVERYTHING)) {
                forgetDirty();
            }
        } finally {
            backend.unlockChanges(stamp);
        }
    }

    @Override
    public void close() {
        ReferenceBackend.OPEN_TABLES.remove(this);
        backend.recycledTable = this;
        if (!has(Defect.CLOSE_LEAKS_FRAMES)) {
            dropFrames(0);
        }
        if (logFrame != NO_FRAME) {
            backend.giveFrame(logFrame);
        }
        backend.giveFrame(rootFrame);
    }
}
