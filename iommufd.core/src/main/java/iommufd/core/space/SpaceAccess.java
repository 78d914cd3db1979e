package iommufd.core.space;

import iommufd.api.Access;
import iommufd.api.AccessClient;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.FarMemory;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Software access to one {@link IovaSpace}; what {@link iommufd.api.Access} is while connected. Thread-safe. */
public final class SpaceAccess implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(SpaceAccess.class);
    private static final long PAGE_BYTES = UserMemory.PAGE_BYTES;

    private record Range(long iova, long lengthBytes) { }

    /** What one range pins, {@code uses} times: areas cannot change while they are pinned. */
    private static final class Pin {
        final Slices slices = new Slices(1);
        int uses;
    }

    private final IovaSpace space;
    private final Mappings mappings;
    private final AccessClient client;
    private final boolean pins;
    /** What it pins cannot be unmapped. */
    private final boolean locking;
    private final ReentrantLock lock = new ReentrantLock();
    private final Map<Range, Pin> pinned = new HashMap<>();
    private final PinnedRuns copied = new PinnedRuns(4);
    private boolean closed;

    SpaceAccess(IovaSpace space, Mappings mappings, AccessClient client, boolean pins, boolean locking) {
        this.space = space;
        this.mappings = mappings;
        this.client = client;
        this.pins = pins;
        this.locking = locking;
    }

    /** Whether its space has to be aligned to pages. */
    boolean pins() {
        return pins;
    }

    /**
     * Pins a mapped range and appends its physical runs; all or nothing.
     *
     * @throws IommufdException {@link Errno#ENOENT} unless the range is mapped throughout; {@link Errno#EINVAL} if the
     *         range or the mappings behind it are not aligned to pages, show exported memory or are being unmapped, or the
     *         client said it never pins; {@link Errno#EPERM} for more than the mapping allows; {@link Errno#EOVERFLOW};
     *         {@link Errno#ENOMEM} beyond the limit, {@link Errno#ENODEV} if revoked, or what pinning the memory throws
     */
    public void pin(long iova, long lengthBytes, boolean writable, PinnedRuns runs) {
        IovaBounds.checkLength(lengthBytes);
        long last = IovaBounds.lastOf(iova, lengthBytes);
        if (!pins) {
            throw new IommufdException(Errno.EINVAL, "this access was made for a client that never pins");
        }
        lock.lock();
        mappings.iovaLock.readLock().lock();
        try {
            checkOpen();
            long before = runs.totalBytes();
            Pin pin = new Pin();
            try {
                for (long from = iova; ; ) {
                    Area area = readyAreaAt(from);
                    long part = part(area, from, last);
                    checkAligned(area, from, from + part == last);
                    checkRight(area, from, writable);
                    area.pages.holdForAccess(area, area.byteOf(from), part + 1, locking, runs);
                    pin.slices.add(area.pages, area.byteOf(from), part + 1);
                    pin.slices.areas[pin.slices.count - 1] = area;
                    if (from + part == last) {
                        break;
                    }
                    from += part + 1;
                }
            } catch (IommufdException refused) {
                release(pin.slices);
                runs.truncate(before);
                throw refused;
            }
            pinned.computeIfAbsent(new Range(iova, lengthBytes), range -> pin).uses++;
        } finally {
            mappings.iovaLock.readLock().unlock();
            lock.unlock();
        }
    }

    /** Releases one earlier {@link #pin} of exactly this range. @throws IommufdException {@link Errno#EINVAL} if there is none */
    public void unpin(long iova, long lengthBytes) {
        lock.lock();
        mappings.iovaLock.readLock().lock();
        try {
            Range range = new Range(iova, lengthBytes);
            Pin pin = pinned.get(range);
            if (pin == null) {
                throw new IommufdException(Errno.EINVAL, "0x%x bytes at IOVA 0x%x were not pinned as one range".formatted(lengthBytes, iova));
            }
            if (--pin.uses == 0) {
                pinned.remove(range);
            }
            release(pin.slices);
        } finally {
            mappings.iovaLock.readLock().unlock();
            lock.unlock();
        }
    }

    /** Copies from IOVA; any alignment. @throws IommufdException as {@link #pin}, but never for alignment */
    public void read(long iova, MemorySegment target, Access.View view) {
        copy(iova, target, false, view);
    }

    /** Copies to IOVA; any alignment. @throws IommufdException as {@link #pin}, but never for alignment */
    public void write(long iova, MemorySegment source, Access.View view) {
        copy(iova, source, true, view);
    }

    /** Asks the client to unpin everything, releases what it left pinned, and disconnects. Idempotent. */
    @Override
    public void close() {
        lock.lock();
        try {
            if (closed) {
                return;
            }
            closed = true;
        } finally {
            lock.unlock();
        }
        notifyUnmapping(0, -1L);
        lock.lock();
        mappings.iovaLock.readLock().lock();
        try {
            for (Pin left : pinned.values()) {
                for (; left.uses > 0; left.uses--) {
                    release(left.slices);
                }
            }
            pinned.clear();
        } finally {
            mappings.iovaLock.readLock().unlock();
            lock.unlock();
        }
        space.closed(this);
    }

    /** Tells the client; a client that fails has not unpinned, which the caller sees by itself. */
    void notifyUnmapping(long iova, long lengthBytes) {
        try {
            client.unmapping(iova, lengthBytes);
        } catch (RuntimeException broken) {
            LOG.warn("the client of an access failed when told to unpin IOVA 0x{}", Long.toHexString(iova), broken);
        }
    }

    private void copy(long iova, MemorySegment bytes, boolean write, Access.View view) {
        IovaBounds.checkLength(bytes.byteSize());
        long last = IovaBounds.lastOf(iova, bytes.byteSize());
        lock.lock();
        mappings.iovaLock.readLock().lock();
        try {
            checkOpen();
            // As in Linux what comes before a hole is copied.
            for (long from = iova; from != last + 1; ) {
                Area area = readyAreaAt(from);
                checkRight(area, from, write);
                long length = part(area, from, last) + 1;
                copy(area.pages, area.byteOf(from), bytes.asSlice(from - iova, length), write, view);
                from += length;
            }
        } finally {
            mappings.iovaLock.readLock().unlock();
            lock.unlock();
        }
    }

    /** As in Linux: the owner's memory first, unless what devices reach is asked for, and then for a copy within one page too. */
    private void copy(SharedPages pages, long startByte, MemorySegment bytes, boolean write, Access.View view) {
        boolean onePage = Area.pageOf(startByte) == Area.pageOf(startByte + bytes.byteSize() - 1);
        if ((view == Access.View.OWNER || onePage) && pages.copyAsOwner(startByte, bytes, write)) {
            return;
        }
        for (long done = 0; done < bytes.byteSize(); ) {
            done += copyPages(pages, startByte + done, bytes.asSlice(done), write);
        }
    }

    /** Copies by physical address as much as is pinned alike. @return how much */
    private long copyPages(SharedPages pages, long startByte, MemorySegment bytes, boolean write) {
        copied.clear();
        boolean held = pages.beginCopy(startByte, bytes.byteSize(), write, copied);
        long skipped = startByte & PAGE_BYTES - 1;
        long length = Math.min(copied.totalBytes() - skipped, bytes.byteSize());
        try {
            long done = 0;
            for (int i = 0; done < length; i++) {
                long physicalAddress = copied.physicalAddress(i) + skipped;
                long inRun = Math.min(copied.lengthBytes(i) - skipped, length - done);
                // The window's last byte and the first behind it may be one run.
                long near = Math.clamp(HostMemory.SIZE_BYTES - physicalAddress, 0, inRun);
                if (near > 0) {
                    copyNear(physicalAddress, bytes, done, near, write);
                }
                if (near < inRun) {
                    copyFar(pages, startByte + done + near, physicalAddress + near, bytes.asSlice(done + near, inRun - near), write);
                }
                done += inRun;
                skipped = 0;
            }
            return length;
        } catch (InternalError noMemory) {
            throw new IommufdException(Errno.EFAULT, "the memory behind the mapping is gone; its file was truncated", noMemory);
        } finally {
            pages.endCopy(startByte, length, held, copied);
        }
    }

    private static void copyNear(long physicalAddress, MemorySegment bytes, long offset, long length, boolean write) {
        if (!HostMemory.isBacked(physicalAddress) || !HostMemory.isBacked(physicalAddress + length - 1)) {
            throw noMemoryAt(physicalAddress);
        }
        if (write) {
            MemorySegment.copy(bytes, offset, HostMemory.WINDOW, physicalAddress, length);
        } else {
            MemorySegment.copy(HostMemory.WINDOW, physicalAddress, bytes, offset, length);
        }
    }

    /** Far pins follow their process, so that its own view is theirs. */
    private static void copyFar(SharedPages pages, long startByte, long physicalAddress, MemorySegment bytes, boolean write) {
        if (!FarMemory.isFar(physicalAddress) || !pages.copyAsOwner(startByte, bytes, write)) {
            throw noMemoryAt(physicalAddress);
        }
    }

    private static IommufdException noMemoryAt(long physicalAddress) {
        return new IommufdException(Errno.EFAULT, "there is no memory at physical address 0x%x".formatted(physicalAddress));
    }

    private void checkOpen() {
        if (closed) {
            throw new IommufdException(Errno.ENOENT, "the access is not connected to an address space any more");
        }
    }

    private Area readyAreaAt(long iova) {
        Area area = mappings.readyAreaAt(iova);
        if (area.closing) {
            throw new IommufdException(Errno.EINVAL, "the mapping at IOVA 0x%x is being unmapped".formatted(iova));
        }
        return area;
    }

    private static void checkRight(Area area, long iova, boolean write) {
        if (write ? !area.access.writable() : !area.access.readable()) {
            throw new IommufdException(Errno.EPERM, "the mapping at IOVA 0x%x allows only %s".formatted(iova, area.access));
        }
        if (area.pages.kind() == UserMemory.Kind.EXPORTED) {
            throw new IommufdException(Errno.EINVAL, "the mapping at IOVA 0x%x shows exported memory, which software cannot access".formatted(iova));
        }
    }

    /** How far behind {@code from} the last address is that both the area and the range have. */
    private static long part(Area area, long from, long last) {
        return Long.compareUnsigned(area.lastIova, last) < 0 ? area.lastIova - from : last - from;
    }

    private static void checkAligned(Area area, long from, boolean isLast) {
        boolean startAligned = (area.byteOf(from) & PAGE_BYTES - 1) == 0;
        boolean endAligned = isLast || (area.byteOf(area.lastIova) + 1 & PAGE_BYTES - 1) == 0;
        if (!startAligned || !endAligned) {
            throw new IommufdException(Errno.EINVAL, "IOVA 0x%x and the mappings behind it are not aligned to pages".formatted(from));
        }
    }

    /** Access lock and iova lock. */
    private void release(Slices slices) {
        for (int i = 0; i < slices.count; i++) {
            slices.pages[i].unholdForAccess(slices.areas[i], slices.startBytes[i], slices.lengths[i], locking);
        }
    }
}
