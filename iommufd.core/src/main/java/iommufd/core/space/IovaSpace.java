package iommufd.core.space;

import iommufd.api.AccessClient;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.IovaRanges;
import iommufd.api.hardware.DomainGeometry;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.StageTwoTable;
import iommufd.api.memory.UserMemory;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One IO address space: which IOVA shows which memory, and the page tables that follow it. Thread-safe. Behaves as Linux's
 * {@code io_pagetable}; every failure is an {@link IommufdException} and leaves everything as it was.
 *
 * <p>Nothing is pinned until a domain, a holder or an access needs it; pages are pinned and charged once however many do.
 */
public final class IovaSpace {
    private static final Logger LOG = LoggerFactory.getLogger(IovaSpace.class);

    private final Mappings mappings;
    private final ReentrantLock domainsLock;
    private final ReentrantReadWriteLock iovaLock;
    /** Domains lock. */
    private final FollowingDomains domains;
    private final Optional<StageTwoTable> shared;
    private final List<SpaceAccess> accesses = new CopyOnWriteArrayList<>();

    /** @param charge who pays for the pages this space pins */
    public IovaSpace(PinCharge charge) {
        this(charge, Optional.empty());
    }

    /** @param shared a hypervisor's table, if it is what shows memory here: then nothing is ever mapped */
    public IovaSpace(PinCharge charge, Optional<StageTwoTable> shared) {
        this.shared = shared;
        mappings = new Mappings(this, charge, this::notifyAccesses);
        domainsLock = mappings.domainsLock;
        iovaLock = mappings.iovaLock;
        domains = mappings.domains;
    }

    /** The hypervisor's table that shows memory here, if one does. */
    public Optional<StageTwoTable> shared() {
        return shared;
    }

    /** As {@link iommufd.api.Ioas#map}. */
    public long map(UserMemory memory, long address, long lengthBytes, DmaAccess access) {
        return mappings.map(true, 0, memory, address, lengthBytes, access);
    }

    /** As {@link iommufd.api.Ioas#mapAt}. */
    public void mapAt(long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access) {
        mappings.map(false, iova, memory, address, lengthBytes, access);
    }

    /** As {@link #map} or, unless {@code automatic}, as {@link #mapAt}; {@code payer} is charged for the pages. @return where */
    public long map(boolean automatic, long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access, PinCharge payer) {
        return mappings.map(automatic, iova, memory, address, lengthBytes, access, payer);
    }

    /** As {@link iommufd.api.Ioas#copy}. {@code source} may be this space. */
    public long copy(IovaSpace source, long sourceIova, long lengthBytes, DmaAccess access) {
        return mappings.copy(true, 0, source.mappings.slices(sourceIova, lengthBytes), lengthBytes, access);
    }

    /** As {@link iommufd.api.Ioas#copyAt}. */
    public void copyAt(long iova, IovaSpace source, long sourceIova, long lengthBytes, DmaAccess access) {
        IovaBounds.checkRange(iova, lengthBytes);
        mappings.copy(false, iova, source.mappings.slices(sourceIova, lengthBytes), lengthBytes, access);
    }

    /** As {@link iommufd.api.Ioas#unmap}; the range (0, 2^64 − 1) is {@link #unmapAll}, as in the uAPI. */
    public long unmap(long iova, long lengthBytes) {
        if (iova == 0 && lengthBytes == -1L) {
            return unmapAll();
        }
        IovaBounds.checkRange(iova, lengthBytes);
        long last = IovaBounds.lastOf(iova, lengthBytes);
        long unmapped = mappings.unmap(iova, last);
        if (unmapped == 0) {
            throw new IommufdException(Errno.ENOENT, "nothing is mapped in 0x%x..0x%x".formatted(iova, last));
        }
        return unmapped;
    }

    /** As {@link iommufd.api.Ioas#unmapAll}. */
    public long unmapAll() {
        return mappings.unmap(0, -1L);
    }

    /**
     * As {@link #unmap}, but area by area as in Linux: those before the first that cannot go are gone even if it fails.
     */
    public long unmapInOrder(long iova, long lengthBytes) {
        try {
            return unmap(iova, lengthBytes);
        } catch (IommufdException refused) {
            boolean all = iova == 0 && lengthBytes == -1L;
            mappings.unmapBeforeStuck(iova, all ? -1L : iova + (lengthBytes - 1));
            throw refused;
        }
    }

    /**
     * Unmaps whole areas of {@code [iova, lastIova]}, ascending, until one cannot go. Nothing mapped is no error.
     */
    public Unmapped unmapUntilStuck(long iova, long lastIova) {
        try {
            return new Unmapped(mappings.unmap(iova, lastIova), Optional.empty());
        } catch (IommufdException refused) {
            return new Unmapped(mappings.unmapBeforeStuck(iova, lastIova), Optional.of(refused));
        }
    }

    /**
     * How far an unmap came.
     *
     * @param bytes unmapped
     * @param refusal why it stopped; empty if it did not
     */
    public record Unmapped(long bytes, Optional<IommufdException> refusal) {}

    /**
     * Cuts the mapping at {@code lastIova} in two so that the first ends there; no mapping there is no error.
     *
     * @throws IommufdException {@link Errno#EINVAL} if it is pinned by accesses, could be shown by large entries, or would not be cut
     *         between two pages; {@link Errno#EBUSY} while it is being mapped or unmapped; {@link Errno#EOPNOTSUPP} for exported memory
     */
    public void cutAfter(long lastIova) {
        locked(() -> AreaCut.after(mappings, lastIova));
    }

    /** Page sizes that every page table of this space has, a bit each; all ones without any. */
    public long commonPageSizes() {
        domainsLock.lock();
        try {
            return domains.commonPageSizes();
        } finally {
            domainsLock.unlock();
        }
    }

    /** Where the unbroken row of mappings that starts at {@code iova} ends, at most {@code last}; if there is one. */
    public OptionalLong lastContiguous(long iova, long last) {
        iovaLock.readLock().lock();
        try {
            return mappings.lastContiguous(iova, last);
        } finally {
            iovaLock.readLock().unlock();
        }
    }

    /** Whether the range is mapped throughout, as a copy needs it. @throws IommufdException as {@link #copy} if not */
    public void checkMapped(long iova, long lengthBytes) {
        IovaBounds.checkRange(iova, lengthBytes);
        long last = IovaBounds.lastOf(iova, lengthBytes);
        OptionalLong mappedLast = lastContiguous(iova, last);
        if (mappedLast.isEmpty() || mappedLast.getAsLong() != last) {
            throw new IommufdException(Errno.ENOENT, "0x%x..0x%x is not mapped throughout".formatted(iova, last));
        }
    }

    /** As {@link iommufd.api.Ioas#iovaRanges}. */
    public IovaRanges iovaRanges() {
        iovaLock.readLock().lock();
        try {
            return new IovaRanges(mappings.layout.unreserved(), mappings.alignmentBytes);
        } finally {
            iovaLock.readLock().unlock();
        }
    }

    /** As {@link iommufd.api.Ioas#allowIovas}. */
    public void allowIovas(List<IovaRange> ranges) {
        locked(() -> mappings.layout.allow(ranges));
    }

    /** As {@link iommufd.api.Ioas#hugePages}. */
    public boolean hugePages() {
        domainsLock.lock();
        try {
            return mappings.hugePages;
        } finally {
            domainsLock.unlock();
        }
    }

    /** As {@link iommufd.api.Ioas#setHugePages}; also {@link Errno#EINVAL} to forbid them while a domain shows a mapping. */
    public void setHugePages(boolean allowed) {
        locked(() -> {
            if (allowed == mappings.hugePages) {
                return;
            }
            if (!allowed && !domains.isEmpty() && !empty()) {
                throw new IommufdException(Errno.EINVAL, "huge pages cannot be forbidden while page tables show mappings; unmap everything first");
            }
            mappings.hugePages = allowed;
            try {
                changeAlignment(ownAlignment());
            } catch (IommufdException refused) {
                mappings.hugePages = true;
                throw refused;
            }
        });
    }

    /** Bytes mapped now. */
    public long mappedBytes() {
        return mappings.mappedBytes();
    }

    /**
     * Fills an empty domain with every mapping; from now on it follows. What lies outside its aperture is reserved while it
     * is here. On failure the domain is empty and not followed.
     *
     * @throws IommufdException {@link Errno#EADDRINUSE} if a mapping or allowed range lies outside its aperture, or a
     *         mapping is not aligned to its pages; {@link Errno#EINVAL} if its smallest page is larger than 4 KiB;
     *         {@link Errno#EEXIST} if it is here already; what pinning or the domain throws
     */
    public void addDomain(PagingDomain domain) {
        DomainGeometry geometry = domain.geometry();
        locked(() -> {
            if (domains.contains(domain)) {
                throw new IommufdException(Errno.EEXIST, "the page table follows this address space already");
            }
            long alignment = Math.max(geometry.smallestPageBytes(), mappings.alignmentBytes);
            if (alignment > UserMemory.PAGE_BYTES || geometry.smallestPageBytes() == 0) {
                throw new IommufdException(Errno.EINVAL, "a page table whose smallest page is 0x%x bytes cannot show pages of 4 KiB"
                        .formatted(geometry.smallestPageBytes()));
            }
            checkAlignment(alignment);
            reserveLocked(domain, outside(geometry.aperture()));
            try {
                domains.fillDomain(domain, mappings.areas.first(), mappings.hugePages);
            } catch (IommufdException refused) {
                mappings.layout.unreserve(domain);
                throw refused;
            }
            domains.add(domain, geometry.smallestPageBytes());
            mappings.alignmentBytes = alignment;
        });
    }

    /** Empties the domain and stops following it; releases pins nothing else needs. Never fails. */
    public void removeDomain(PagingDomain domain) {
        forget(domain, true);
    }

    /**
     * Forgets a domain whose hardware is gone, without touching it, and releases pins nothing else needs: call
     * {@link #holdPins} before to keep them. Never fails.
     */
    public void abandonDomain(PagingDomain domain) {
        forget(domain, false);
    }

    private void forget(PagingDomain domain, boolean emptied) {
        locked(() -> {
            if (!domains.contains(domain)) {
                return;
            }
            domains.remove(domain);
            Area first = mappings.areas.first();
            if (emptied) {
                domains.emptyDomain(domain, first, null);
            }
            if (!domains.pinning()) {
                domains.unholdAll(first, null);
            }
            mappings.layout.unreserve(domain);
            mappings.alignmentBytes = ownAlignment();
        });
    }

    private static List<IovaRange> outside(IovaRange aperture) {
        List<IovaRange> outside = new ArrayList<>(2);
        if (aperture.start() != 0) {
            outside.add(new IovaRange(0, aperture.start() - 1));
        }
        if (aperture.last() != -1L) {
            outside.add(new IovaRange(aperture.last() + 1, -1L));
        }
        return outside;
    }

    /**
     * A placeholder that keeps every page of every mapping, present and future, pinned while no hardware serves: counts like
     * a domain without a table. {@code holder} is told apart by identity.
     *
     * @throws IommufdException what pinning throws; never if the space has a domain or another holder already.
     *         {@link Errno#EEXIST} if {@code holder} holds already
     */
    public void holdPins(Object holder) {
        domainsLock.lock();
        try {
            if (domains.containsHolder(holder)) {
                throw new IommufdException(Errno.EEXIST, "the pages of this address space are held for the same holder already");
            }
            if (!domains.pinning()) {
                domains.holdAll(mappings.areas.first());
            }
            domains.addHolder(holder);
        } finally {
            domainsLock.unlock();
        }
    }

    /** Ends {@link #holdPins}; no effect for who holds nothing. Never fails. */
    public void releasePins(Object holder) {
        domainsLock.lock();
        try {
            if (domains.removeHolder(holder) && !domains.pinning()) {
                domains.unholdAll(mappings.areas.first(), null);
            }
        } finally {
            domainsLock.unlock();
        }
    }

    /**
     * Excludes ranges from mapping, on behalf of {@code owner} (told apart by identity), in addition to what it reserved
     * before. All or nothing.
     *
     * @throws IommufdException {@link Errno#EADDRINUSE} if a mapping or an allowed range overlaps
     */
    public void reserve(Object owner, List<IovaRange> ranges) {
        locked(() -> reserveLocked(owner, ranges));
    }

    private void reserveLocked(Object owner, List<IovaRange> ranges) {
        for (IovaRange range : ranges) {
            Area mapped = mappings.areas.firstOverlapping(range.start(), range.last());
            if (mapped != null) {
                throw new IommufdException(Errno.EADDRINUSE, "%s must be reserved, but 0x%x..0x%x is mapped; unmap it first"
                        .formatted(range, mapped.iova, mapped.lastIova));
            }
            if (mappings.layout.overlapsPromised(range)) {
                throw new IommufdException(Errno.EADDRINUSE, "%s must be reserved, but a part of it is mapped on demand".formatted(range));
            }
            if (mappings.layout.overlapsAllowed(range)) {
                throw new IommufdException(Errno.EADDRINUSE, "%s must be reserved, but was allowed for mapping".formatted(range));
            }
        }
        mappings.layout.reserve(owner, ranges);
    }

    /** Gives back everything {@code owner} reserved. Never fails. */
    public void unreserve(Object owner) {
        locked(() -> mappings.layout.unreserve(owner));
    }

    /**
     * From now on only {@code owner} (told apart by identity) maps in the range, by {@link #mapPromised}; nothing is pinned.
     *
     * @throws IommufdException as {@link #mapAt}
     */
    public void promise(Object owner, long iova, long lengthBytes) {
        locked(() -> mappings.promise(owner, iova, lengthBytes));
    }

    /**
     * Maps a part of what {@code owner} was promised.
     *
     * @throws IommufdException {@link Errno#ENOENT} if it is not promised any more; {@link Errno#EEXIST} if it is mapped; else as
     *         {@link #mapAt}
     */
    public void mapPromised(Object owner, long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access) {
        mappings.mapPromised(owner, iova, memory, address, lengthBytes, access);
    }

    /**
     * Unmaps what is mapped in a promised range and ends the promise.
     *
     * @throws IommufdException as {@link #unmap}; the promise holds then
     */
    public void endPromise(Object owner, long iova, long lengthBytes) {
        long last = IovaBounds.lastOf(iova, lengthBytes);
        boolean[] ended = {false};
        while (!ended[0]) {
            mappings.unmap(iova, last);
            locked(() -> {
                ended[0] = mappings.areas.firstOverlapping(iova, last) == null;
                if (ended[0]) {
                    mappings.layout.unreserve(owner);
                }
            });
        }
    }

    /** Unmaps what is mapped wholly inside. Nothing mapped is no error. @return bytes @throws IommufdException as {@link #unmap} */
    public long unmapIfMapped(long iova, long lengthBytes) {
        return mappings.unmap(iova, IovaBounds.lastOf(iova, lengthBytes));
    }

    /** Bytes mapped by areas that overlap a range. */
    public long mappedBytes(long iova, long lengthBytes) {
        iovaLock.readLock().lock();
        try {
            return mappings.mappedBytes(iova, IovaBounds.lastOf(iova, lengthBytes));
        } finally {
            iovaLock.readLock().unlock();
        }
    }

    /** A client's software access. */
    public SpaceAccess openAccess(AccessClient client) {
        return open(new SpaceAccess(this, mappings, client, client != AccessClient.WITHOUT_PINS, false));
    }

    /** An access of the engine itself (hardware queues): mappings it has pinned cannot be unmapped, {@link Errno#EBUSY}. */
    public SpaceAccess openLockingAccess() {
        return open(new SpaceAccess(this, mappings, AccessClient.WITHOUT_PINS, true, true));
    }

    private SpaceAccess open(SpaceAccess access) {
        locked(() -> {
            accesses.add(access);
            try {
                changeAlignment(ownAlignment());
            } catch (IommufdException refused) {
                accesses.remove(access);
                throw refused;
            }
        });
        return access;
    }

    /** Disconnects an access that pins nothing. */
    void closed(SpaceAccess access) {
        locked(() -> {
            accesses.remove(access);
            mappings.alignmentBytes = ownAlignment();
        });
    }

    private void notifyAccesses(long iova, long lengthBytes) {
        for (SpaceAccess access : accesses) {
            access.notifyUnmapping(iova, lengthBytes);
        }
    }

    /**
     * Sets the bits of the pages a domain's DMA wrote; as {@link iommufd.api.PagingHwpt#readDirty}. Whether tracking is on
     * is the caller's to check.
     *
     * @throws IommufdException {@link Errno#EOPNOTSUPP} if the domain cannot track; {@link Errno#EINVAL} for a bad range,
     *         page size or bitmap; {@link Errno#EOVERFLOW}
     */
    public void readDirty(PagingDomain domain, long iova, long lengthBytes, long pageSizeBytes, MemorySegment bitmap, boolean clear) {
        DirtyHarvest.read(mappings, domain, iova, lengthBytes, pageSizeBytes, bitmap, clear);
    }

    /**
     * Splits entries by which {@code domain} shows mappings in the range, to {@code pageBytes}, while DMA goes on. Dirty pages of the
     * domain must not be read meanwhile.
     *
     * @return entries split
     * @throws IommufdException {@link Errno#EINVAL} for a page size the domain has not; {@link Errno#EOPNOTSUPP};
     *         {@link Errno#ENOMEM}: some are split
     */
    public long splitEntries(PagingDomain domain, long iova, long last, long pageBytes) {
        domainsLock.lock();
        try {
            return EntrySizes.split(mappings, domain, iova, last, pageBytes);
        } finally {
            domainsLock.unlock();
        }
    }

    /**
     * Puts entries of {@code domain} together, inside each mapping of the range; as {@link #splitEntries}.
     *
     * @return entries made
     * @throws IommufdException {@link Errno#EINVAL} if huge pages are forbidden; {@link Errno#EOPNOTSUPP}
     */
    public long mergeEntries(PagingDomain domain, long iova, long last) {
        domainsLock.lock();
        try {
            return EntrySizes.merge(mappings, domain, iova, last);
        } finally {
            domainsLock.unlock();
        }
    }

    /** As {@link #recharge(List, PinCharge)} for this space alone. */
    public void recharge(PinCharge newCharge) {
        recharge(List.of(this), newCharge);
    }

    /**
     * Moves the charge for everything pinned through these spaces ({@code IOMMU_IOAS_CHANGE_PROCESS}), all or nothing.
     *
     * @param spaces in one order that all callers use, or under one lock of theirs
     * @throws IommufdException {@link Errno#EINVAL} if a mapping is not of a file; {@link Errno#ENOMEM} beyond
     *         the new payer's limit
     */
    public static void recharge(List<IovaSpace> spaces, PinCharge newCharge) {
        ChargeMove.move(spaces, newCharge);
    }

    /** Whether nothing is mapped. */
    public boolean empty() {
        return mappedBytes() == 0;
    }

    /** Unmaps everything, evicting accesses. Domains and accesses must be gone. Never fails. */
    public void close() {
        try {
            unmapAll();
        } catch (IommufdException refused) {
            LOG.error("an address space could not be emptied; its pages stay pinned", refused);
        }
        mappings.clear();
    }

    Mappings mappings() {
        return mappings;
    }

    /** Takes an area whose memory was revoked out of every page table, and tells accesses that pin it. */
    void revoke(Area area, SharedPages pages) {
        long iova;
        long lengthBytes;
        boolean pinned;
        domainsLock.lock();
        try {
            boolean still = area.pages == pages && pages.revokedPages(area.firstPage(), area.endPage());
            if (!still || area.revoked) {
                return;
            }
            domains.hide(area);
            area.revoked = true;
            iova = area.iova;
            lengthBytes = area.lengthBytes();
            pinned = area.accessPins > 0;
        } finally {
            domainsLock.unlock();
        }
        if (pinned) {
            notifyAccesses(iova, lengthBytes);
        }
    }

    private void locked(Runnable change) {
        domainsLock.lock();
        iovaLock.writeLock().lock();
        try {
            change.run();
        } finally {
            iovaLock.writeLock().unlock();
            domainsLock.unlock();
        }
    }

    /** The alignment that page tables, accesses and the huge-page option demand together. Domains lock. */
    private long ownAlignment() {
        long alignment = Math.max(domains.alignmentBytes(), mappings.hugePages ? 1 : UserMemory.PAGE_BYTES);
        boolean pins = accesses.stream().anyMatch(SpaceAccess::pins);
        return pins ? UserMemory.PAGE_BYTES : alignment;
    }

    private void changeAlignment(long alignment) {
        if (alignment > mappings.alignmentBytes) {
            checkAlignment(alignment);
        }
        mappings.alignmentBytes = alignment;
    }

    private void checkAlignment(long alignment) {
        for (Area area = mappings.areas.first(); area != null; area = area.next) {
            if (!area.alignedTo(alignment)) {
                throw new IommufdException(Errno.EADDRINUSE, "the mapping 0x%x..0x%x is not aligned to 0x%x; unmap it first"
                        .formatted(area.iova, area.lastIova, alignment));
            }
        }
    }
}
