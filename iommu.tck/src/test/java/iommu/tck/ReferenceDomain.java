package iommu.tck;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.hardware.DirtySink;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.DomainGeometry;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.PinnedRuns;
import java.util.Arrays;
import java.util.Optional;

/** A page table of {@link ReferenceBackend}: entries in arrays, sorted by IOVA. Guarded by the backend's lock. */
final class ReferenceDomain implements PagingDomain, DirtyTracking {
    static final long PAGE_SIZES = 1L << 12 | 1L << 21 | 1L << 30;
    private static final DomainGeometry GEOMETRY = new DomainGeometry(new IovaRange(0, (1L << 48) - 1), PAGE_SIZES);
    private static final int[] SIZES_LG2 = {30, 21, 12};
    private static final long ENTRIES_PER_FRAME = 128;

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

    ReferenceDomain(ReferenceBackend backend, boolean tracksDirty) {
        this.backend = backend;
        this.tracksDirty = tracksDirty;
        rootFrame = backend.tables.allocate(ReferenceBackend.FRAME_LG2);
    }

    ReferenceBackend backend() {
        return backend;
    }

    @Override
    public DomainGeometry geometry() {
        return GEOMETRY;
    }

    @Override
    public void map(long iova, PinnedRuns runs, DmaAccess access) {
        mapAll(iova, runs, access, false);
    }

    @Override
    public void mapSmallest(long iova, PinnedRuns runs, DmaAccess access) {
        mapAll(iova, runs, access, true);
    }

    private void mapAll(long iova, PinnedRuns runs, DmaAccess access, boolean smallest) {
        check(iova, runs);
        long stamp = backend.lockChanges();
        try {
            int at = indexFrom(iova);
            if (at < count && iovas[at] < iova + runs.totalBytes() || at > 0 && last(at - 1) >= iova) {
                throw new IommufdException(Errno.EEXIST, "IOVA 0x%x is mapped in part".formatted(iova));
            }
            int added = countEntries(iova, runs, smallest);
            takeFrames(count + added);
            insertGap(at, added);
            fill(at, iova, runs, access, smallest);
        } finally {
            backend.unlockChanges(stamp);
        }
    }

    private static void check(long iova, PinnedRuns runs) {
        long bits = iova;
        for (int run = 0; run < runs.count(); run++) {
            bits |= runs.physicalAddress(run) | runs.lengthBytes(run);
        }
        if (runs.count() == 0 || (bits & 0xfff) != 0) {
            throw new IommufdException(Errno.EINVAL, "IOVA 0x%x or its memory is not aligned".formatted(iova));
        }
        long last = iova + runs.totalBytes() - 1;
        if (Long.compareUnsigned(last, iova) < 0 || Long.compareUnsigned(last, GEOMETRY.aperture().last()) > 0) {
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
        for (int run = 0; run < runs.count(); run++) {
            for (long done = 0; done < runs.lengthBytes(run); index++) {
                long address = runs.physicalAddress(run) + done;
                int lg2 = sizeLg2(at, address, runs.lengthBytes(run) - done, smallest);
                iovas[index] = at;
                addresses[index] = address;
                sizesLg2[index] = (byte) lg2;
                accessBits[index] = (byte) access.bits();
                dirty[index] = false;
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
                frames[frameCount] = backend.tables.allocate(ReferenceBackend.FRAME_LG2);
                frameCount++;
            }
        } catch (IommufdException noMemory) {
            dropFrames(before);
            throw noMemory;
        }
    }

    private void dropFrames(int kept) {
        while (frameCount > kept) {
            backend.tables.free(frames[--frameCount], ReferenceBackend.FRAME_LG2);
        }
    }

    private static int framesFor(int entries) {
        return (int) ((entries + ENTRIES_PER_FRAME - 1) / ENTRIES_PER_FRAME);
    }

    @Override
    public long unmap(long iova, long lastIova) {
        long stamp = backend.lockChanges();
        try {
            int from = indexFrom(iova);
            int to = from;
            long bytes = 0;
            while (to < count && Long.compareUnsigned(last(to), lastIova) <= 0) {
                bytes += 1L << sizesLg2[to++];
            }
            move(to, from, count - to);
            count -= to - from;
            dropFrames(framesFor(count));
            return bytes;
        } finally {
            backend.unlockChanges(stamp);
        }
    }

    @Override
    public long translate(long iova) {
        long stamp = backend.enter();
        try {
            int index = find(iova);
            return index < 0 ? UNMAPPED : address(index, iova);
        } finally {
            backend.leave(stamp);
        }
    }

    /** Entry that covers {@code iova}, or -1. */
    int find(long iova) {
        int index = indexFrom(iova);
        if (index < count && iovas[index] == iova) {
            return index;
        }
        return index > 0 && Long.compareUnsigned(last(index - 1), iova) >= 0 ? index - 1 : -1;
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
        return addresses[index] + (iova - iovas[index]);
    }

    long last(int index) {
        return iovas[index] + (1L << sizesLg2[index]) - 1;
    }

    boolean allows(int index, int accessBit) {
        return (accessBits[index] & accessBit) != 0;
    }

    void written(int index) {
        if (trackingEnabled) {
            dirty[index] = true;
        }
    }

    @Override
    public Optional<DirtyTracking> dirtyTracking() {
        return tracksDirty ? Optional.of(this) : Optional.empty();
    }

    @Override
    public void setEnabled(boolean enabled) {
        long stamp = backend.lockChanges();
        try {
            trackingEnabled = enabled;
            Arrays.fill(dirty, 0, count, false);
        } finally {
            backend.unlockChanges(stamp);
        }
    }

    @Override
    public void read(long iova, long lastIova, boolean clear, DirtySink sink) {
        long stamp = backend.lockChanges();
        try {
            for (int i = 0; i < count; i++) {
                boolean inside = Long.compareUnsigned(iovas[i], lastIova) <= 0 && Long.compareUnsigned(last(i), iova) >= 0;
                if (inside && dirty[i]) {
                    sink.dirty(iovas[i], 1L << sizesLg2[i]);
                    dirty[i] = !clear;
                }
            }
        } finally {
            backend.unlockChanges(stamp);
        }
    }

    @Override
    public void close() {
        dropFrames(0);
        backend.tables.free(rootFrame, ReferenceBackend.FRAME_LG2);
    }
}
