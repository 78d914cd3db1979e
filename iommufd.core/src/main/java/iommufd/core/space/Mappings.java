package iommufd.core.space;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.memory.UserMemory;
import java.util.Arrays;
import java.util.OptionalLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/** The areas of one space: how they come, by map and copy, and how they go. Thread-safe by the space's locks. */
final class Mappings {
    private static final long PAGE_BYTES = UserMemory.PAGE_BYTES;
    /** How often an access is asked to let go before the unmap gives up. */
    private static final int MAX_EVICTIONS = 100;

    final ReentrantLock domainsLock = new ReentrantLock();
    final ReentrantReadWriteLock iovaLock = new ReentrantReadWriteLock();

    /** Iova lock. */
    final AreaIndex areas = new AreaIndex();
    /** Iova lock. */
    final IovaLayout layout = new IovaLayout();
    /** Domains lock. */
    final FollowingDomains domains = new FollowingDomains();
    /** Asked to let go before an unmap; called without locks. */
    private final AccessClients clients;
    /** What IOVA, length and offset of every area are multiples of. Iova lock. */
    long alignmentBytes = 1;
    /** Domains lock. */
    boolean hugePages = true;
    /** Who pays for what is mapped from now on. Domains lock. */
    PinCharge charge;

    /** Domains lock, as all that follow. */
    final AreaStock stock;
    private final Slices single = new Slices(1);
    private Area[] leaving = new Area[16];
    private int leavingCount;
    private volatile long mappedBytes;

    /** Everybody who may have pinned something. */
    interface AccessClients {
        /** Asks all of them to unpin a range. No lock is held. */
        void unmapping(long iova, long lengthBytes);
    }

    Mappings(IovaSpace space, PinCharge charge, AccessClients clients) {
        this.stock = new AreaStock(space);
        this.charge = charge;
        this.clients = clients;
    }

    long mappedBytes() {
        return mappedBytes;
    }

    /**
     * Maps memory, at {@code iova} or, if {@code automatic}, where there is a hole.
     *
     * @return where
     */
    long map(boolean automatic, long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access) {
        return map(automatic, iova, memory, address, lengthBytes, access, null);
    }

    /** The same; {@code payer} pays, or, if null, who pays for the space. */
    long map(boolean automatic, long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access, PinCharge payer) {
        return map(automatic, iova, memory, address, lengthBytes, access, payer, null);
    }

    /** Maps where only {@code owner} may, or, if that is null, where anybody may. */
    private long map(boolean automatic, long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access, PinCharge payer,
            Object owner) {
        IovaBounds.checkRange(iova, lengthBytes);
        long last = address + (lengthBytes - 1);
        boolean wholeSpace = memory.kind() == UserMemory.Kind.PROCESS && last == -1L;   // files have a last byte there, in theory
        if (Long.compareUnsigned(last, address) < 0 || wholeSpace) {
            throw new IommufdException(Errno.EOVERFLOW, "0x%x bytes from 0x%x on reach beyond 64 bits".formatted(lengthBytes, address));
        }
        long offset = address & PAGE_BYTES - 1;
        domainsLock.lock();
        try {
            SharedPages pages = stock.takePages();
            try {
                pages.init(memory, address - offset, Area.pageOf(offset + (lengthBytes - 1)) + 1, access.writable(), payer == null ? charge : payer);
            } catch (IommufdException refused) {
                stock.give(pages);
                throw refused;
            }
            single.add(pages, offset, lengthBytes);
            try {
                if (pages.kind() == UserMemory.Kind.EXPORTED) {
                    pages.holdExported();
                }
                return place(automatic, iova, single, lengthBytes, access, owner);
            } catch (IommufdException refused) {
                stock.release(pages);
                throw refused;
            } finally {
                single.clear();
            }
        } finally {
            domainsLock.unlock();
        }
    }

    /**
     * Maps memory in a range that {@code owner} was promised.
     *
     * @throws IommufdException {@link Errno#ENOENT} if it is not promised any more; {@link Errno#EEXIST} if it is mapped already; what
     *         pinning throws
     */
    void mapPromised(Object owner, long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access) {
        map(false, iova, memory, address, lengthBytes, access, null, owner);
    }

    /** From now on only {@code owner} maps there. @throws IommufdException as {@link #map} at a fixed address */
    void promise(Object owner, long iova, long lengthBytes) {
        IovaBounds.checkRange(iova, lengthBytes);
        iovaLock.writeLock().lock();
        try {
            checkedIova(iova, lengthBytes, null);
            layout.promise(owner, new IovaRange(iova, IovaBounds.lastOf(iova, lengthBytes)));
        } finally {
            iovaLock.writeLock().unlock();
        }
    }

    /**
     * Maps slices of another space, or of this one; releases their references if it fails.
     *
     * @return where
     */
    long copy(boolean automatic, long iova, Slices slices, long lengthBytes, DmaAccess access) {
        domainsLock.lock();
        try {
            return place(automatic, iova, slices, lengthBytes, access, null);
        } catch (IommufdException refused) {
            for (int i = 0; i < slices.count; i++) {
                stock.release(slices.pages[i]);
            }
            throw refused;
        } finally {
            domainsLock.unlock();
        }
    }

    /** What a range shows; every slice comes with a reference. */
    Slices slices(long iova, long lengthBytes) {
        IovaBounds.checkRange(iova, lengthBytes);
        long last = IovaBounds.lastOf(iova, lengthBytes);
        Slices slices = new Slices(1);
        iovaLock.readLock().lock();
        try {
            for (long from = iova; ; ) {
                Area area = readyAreaAt(from);
                long part = IovaBounds.minUnsigned(area.lastIova - from, last - from);
                slices.add(area.pages, area.byteOf(from), part + 1);
                if (from + part == last) {
                    break;
                }
                from += part + 1;
            }
            for (int i = 0; i < slices.count; i++) {
                slices.pages[i].retain();
            }
            return slices;
        } finally {
            iovaLock.readLock().unlock();
        }
    }

    /**
     * Places areas over slices and shows them, all or nothing. On success the references to the pages are the areas'.
     *
     * @return where
     */
    private long place(boolean automatic, long fixedIova, Slices slices, long lengthBytes, DmaAccess access, Object owner) {
        assert domainsLock.isHeldByCurrentThread();
        long iova;
        iovaLock.writeLock().lock();
        try {
            if ((lengthBytes & alignmentBytes - 1) != 0) {
                throw new IommufdException(Errno.EINVAL, "the length 0x%x is not a multiple of 0x%x".formatted(lengthBytes, alignmentBytes));
            }
            iova = automatic ? automaticIova(slices, lengthBytes) : checkedIova(fixedIova, lengthBytes, owner);
            checkSlices(slices, access);
            long next = iova;
            for (int i = 0; i < slices.count; i++) {
                slices.areas[i] = insert(next, slices.pages[i], slices.startBytes[i], slices.lengths[i], access);
                next += slices.lengths[i];
            }
        } finally {
            iovaLock.writeLock().unlock();
        }
        int filled = 0;
        try {
            for (; filled < slices.count; filled++) {
                domains.fill(slices.areas[filled], hugePages);
            }
        } catch (IommufdException refused) {
            domains.unfill(slices.areas, filled);
            withdraw(slices);
            throw refused;
        }
        for (int i = 0; i < slices.count; i++) {
            slices.areas[i].ready = true;
        }
        mappedBytes += lengthBytes;
        return iova;
    }

    private long automaticIova(Slices slices, long lengthBytes) {
        long address = slices.pages[0].startAddress() + slices.startBytes[0];
        return layout.findHole(areas, address, lengthBytes, alignmentBytes);
    }

    /** @param owner who was promised the range; null if it must be nobody */
    private long checkedIova(long iova, long lengthBytes, Object owner) {
        if ((iova & alignmentBytes - 1) != 0) {
            throw new IommufdException(Errno.EINVAL, "IOVA 0x%x is not a multiple of 0x%x".formatted(iova, alignmentBytes));
        }
        long last = IovaBounds.lastOf(iova, lengthBytes);
        if (owner != null) {
            IovaRange range = new IovaRange(iova, last);
            if (!layout.isPromised(owner, range)) {
                throw new IommufdException(Errno.ENOENT, range + " is mapped on demand no more");
            }
        } else if (layout.overlapsReserved(iova, last)) {
            IovaRange range = new IovaRange(iova, last);
            if (layout.overlapsPromised(range)) {
                throw new IommufdException(Errno.EEXIST, "a part of " + range + " is mapped on demand; close that mapping first");
            }
            throw new IommufdException(Errno.EINVAL, "a part of 0x%x..0x%x is reserved; usable are %s".formatted(iova, last, layout.unreserved()));
        }
        Area present = areas.firstOverlapping(iova, last);
        if (present != null) {
            throw new IommufdException(Errno.EEXIST, "0x%x..0x%x overlaps what is mapped at 0x%x..0x%x; unmap that first"
                    .formatted(iova, last, present.iova, present.lastIova));
        }
        return iova;
    }

    private void checkSlices(Slices slices, DmaAccess access) {
        for (int i = 0; i < slices.count; i++) {
            if (access.writable() && !slices.pages[i].writable()) {
                throw new IommufdException(Errno.EPERM, "pages that were mapped read-only cannot be copied for writing");
            }
            if ((slices.startBytes[i] & alignmentBytes - 1) != 0) {
                throw new IommufdException(Errno.EINVAL, "the memory starts 0x%x bytes into a page, which is no multiple of 0x%x"
                        .formatted(slices.startBytes[i] & PAGE_BYTES - 1, alignmentBytes));
            }
        }
    }

    private Area insert(long iova, SharedPages pages, long startByte, long lengthBytes, DmaAccess access) {
        Area area = stock.takeArea();
        area.iova = iova;
        area.lastIova = iova + (lengthBytes - 1);
        area.pages = pages;
        area.startByte = startByte;
        area.access = access;
        areas.insert(area);
        pages.addArea(area);
        return area;
    }

    /** Takes areas that were never ready out again; their pages stay referenced. */
    private void withdraw(Slices slices) {
        iovaLock.writeLock().lock();
        try {
            for (int i = 0; i < slices.count; i++) {
                remove(slices.areas[i]);
            }
        } finally {
            iovaLock.writeLock().unlock();
        }
        for (int i = 0; i < slices.count; i++) {
            slices.pages[i].removeArea(slices.areas[i]);
            stock.give(slices.areas[i]);
        }
    }

    private void remove(Area area) {
        layout.freed(area.previous == null ? 0 : area.previous.lastIova + 1);
        areas.remove(area);
    }

    /**
     * Unmaps all areas of a range as soon as no access pins them, or none.
     *
     * @return bytes unmapped; 0 if there was none
     * @throws IommufdException {@link Errno#ENOENT} if an area would be cut, {@link Errno#EBUSY}, {@link Errno#EDEADLOCK}
     */
    long unmap(long start, long last) {
        Area waitedFor = null;
        int evictions = 0;
        while (true) {
            long busyIova;
            long busyLength;
            domainsLock.lock();
            try {
                Area busy = removeUnpinned(start, last);
                if (busy == null) {
                    return finishUnmap();
                }
                evictions = busy == waitedFor ? evictions + 1 : 1;
                waitedFor = busy;
                if (evictions > MAX_EVICTIONS) {
                    reopenToAccesses(start, last);
                    throw new IommufdException(Errno.EDEADLOCK, "an access did not unpin 0x%x..0x%x, although asked %d times"
                            .formatted(busy.iova, busy.lastIova, MAX_EVICTIONS));
                }
                busyIova = busy.iova;
                busyLength = busy.lengthBytes();
            } finally {
                domainsLock.unlock();
            }
            clients.unmapping(busyIova, busyLength);
        }
    }

    /**
     * Takes all areas of a range out of the index into {@link #leaving}; or, if an access pins any, none, but forbids new
     * pins to all.
     *
     * @return one that is pinned, or null
     */
    private Area removeUnpinned(long start, long last) {
        assert domainsLock.isHeldByCurrentThread();
        iovaLock.writeLock().lock();
        try {
            Area first = areas.firstOverlapping(start, last);
            Area busy = null;
            for (Area area = first; isWithin(area, last); area = area.next) {
                checkUnmappable(area, start, last);
                busy = busy == null && area.accessPins > 0 ? area : busy;
            }
            for (Area area = first; isWithin(area, last); ) {
                Area next = area.next;
                if (busy == null) {
                    addLeaving(area);
                    remove(area);
                } else {
                    area.closing = true;
                }
                area = next;
            }
            return busy;
        } finally {
            iovaLock.writeLock().unlock();
        }
    }

    private void addLeaving(Area area) {
        if (leavingCount == leaving.length) {
            leaving = Arrays.copyOf(leaving, leavingCount * 2);
        }
        leaving[leavingCount++] = area;
    }

    /** Takes what {@link #removeUnpinned} took out of the index out of the page tables, and unpins it. */
    private long finishUnmap() {
        domains.unfill(leaving, leavingCount);
        long bytes = 0;
        for (int i = 0; i < leavingCount; i++) {
            Area area = leaving[i];
            leaving[i] = null;
            bytes += area.lengthBytes();
            SharedPages pages = area.pages;
            pages.removeArea(area);
            stock.give(area);
            stock.release(pages);
        }
        leavingCount = 0;
        mappedBytes -= bytes;
        return bytes;
    }

    private void reopenToAccesses(long start, long last) {
        iovaLock.writeLock().lock();
        try {
            for (Area area = areas.firstOverlapping(start, last); isWithin(area, last); area = area.next) {
                area.closing = false;
            }
        } finally {
            iovaLock.writeLock().unlock();
        }
    }

    /** Unmaps what lies before the first area that {@link #unmap} would refuse or wait for. @return bytes unmapped */
    long unmapBeforeStuck(long start, long last) {
        boolean empty = Long.compareUnsigned(last, start) < 0;
        OptionalLong stuck = empty ? OptionalLong.empty() : firstStuck(start, last);
        return stuck.isPresent() && Long.compareUnsigned(stuck.getAsLong(), start) > 0 ? unmap(start, stuck.getAsLong() - 1) : 0;
    }

    private OptionalLong firstStuck(long start, long last) {
        iovaLock.readLock().lock();
        try {
            for (Area area = areas.firstOverlapping(start, last); isWithin(area, last); area = area.next) {
                boolean cut = Long.compareUnsigned(area.iova, start) < 0 || Long.compareUnsigned(area.lastIova, last) > 0;
                if (cut || area.locks > 0 || area.accessPins > 0) {
                    return OptionalLong.of(area.iova);
                }
            }
            return OptionalLong.empty();
        } finally {
            iovaLock.readLock().unlock();
        }
    }

    private static boolean isWithin(Area area, long last) {
        return area != null && Long.compareUnsigned(area.iova, last) <= 0;
    }

    private static void checkUnmappable(Area area, long start, long last) {
        if (area.locks > 0) {
            throw new IommufdException(Errno.EBUSY, "a hardware queue uses 0x%x..0x%x; destroy it first".formatted(area.iova, area.lastIova));
        }
        if (Long.compareUnsigned(area.iova, start) < 0 || Long.compareUnsigned(area.lastIova, last) > 0) {
            throw new IommufdException(Errno.ENOENT, "0x%x..0x%x would cut the mapping 0x%x..0x%x; unmap it whole"
                    .formatted(start, last, area.iova, area.lastIova));
        }
    }

    /** Forgets the memory that was mapped here before. Nothing is mapped now. */
    void clear() {
        domainsLock.lock();
        try {
            stock.clear();
        } finally {
            domainsLock.unlock();
        }
    }

    /** Bytes mapped in a range. Iova lock. */
    long mappedBytes(long start, long last) {
        long bytes = 0;
        for (Area area = areas.firstOverlapping(start, last); isWithin(area, last); area = area.next) {
            bytes += area.ready ? area.lengthBytes() : 0;
        }
        return bytes;
    }

    /** The area at an address, complete. Iova lock. @throws IommufdException {@link Errno#ENOENT} */
    Area readyAreaAt(long iova) {
        assert iovaLock.getReadHoldCount() > 0 || iovaLock.isWriteLockedByCurrentThread();
        Area area = areas.firstOverlapping(iova, iova);
        if (area == null || !area.ready) {
            throw new IommufdException(Errno.ENOENT, "nothing is mapped at IOVA 0x%x".formatted(iova));
        }
        return area;
    }

    /** Where the unbroken row of areas that starts at {@code iova} ends, at most {@code last}; if there is one. Iova lock. */
    OptionalLong lastContiguous(long iova, long last) {
        Area area = areas.firstOverlapping(iova, iova);
        if (area == null || !area.ready) {
            return OptionalLong.empty();
        }
        while (Long.compareUnsigned(area.lastIova, last) < 0 && area.next != null && area.next.iova == area.lastIova + 1 && area.next.ready) {
            area = area.next;
        }
        return OptionalLong.of(Long.compareUnsigned(area.lastIova, last) < 0 ? area.lastIova : last);
    }
}
