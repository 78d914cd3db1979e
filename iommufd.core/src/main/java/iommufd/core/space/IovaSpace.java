package iommufd.core.space;

import iommufd.api.AccessClient;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.IovaRanges;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.UserMemory;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * One IO address space: which IOVA shows which memory, and the page tables that follow it. Thread-safe. Behaves as Linux's
 * {@code io_pagetable}; every failure is an {@link IommufdException} and leaves everything as it was.
 *
 * <p>Nothing is pinned until a domain, a holder or an access needs it; pages are pinned and charged once however many do.
 */
public final class IovaSpace {
    /** @param charge who pays for the pages this space pins */
    public IovaSpace(PinCharge charge) {
        throw new UnsupportedOperationException();
    }

    /** As {@link iommufd.api.Ioas#map}. */
    public long map(UserMemory memory, long address, long lengthBytes, DmaAccess access) {
        throw new UnsupportedOperationException();
    }

    /** As {@link iommufd.api.Ioas#mapAt}. */
    public void mapAt(long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access) {
        throw new UnsupportedOperationException();
    }

    /** As {@link iommufd.api.Ioas#copy}. {@code source} may be this space. */
    public long copy(IovaSpace source, long sourceIova, long lengthBytes, DmaAccess access) {
        throw new UnsupportedOperationException();
    }

    /** As {@link iommufd.api.Ioas#copyAt}. */
    public void copyAt(long iova, IovaSpace source, long sourceIova, long lengthBytes, DmaAccess access) {
        throw new UnsupportedOperationException();
    }

    /** As {@link iommufd.api.Ioas#unmap}. */
    public long unmap(long iova, long lengthBytes) {
        throw new UnsupportedOperationException();
    }

    /** As {@link iommufd.api.Ioas#unmapAll}. */
    public long unmapAll() {
        throw new UnsupportedOperationException();
    }

    /** As {@link iommufd.api.Ioas#iovaRanges}. */
    public IovaRanges iovaRanges() {
        throw new UnsupportedOperationException();
    }

    /** As {@link iommufd.api.Ioas#allowIovas}. */
    public void allowIovas(List<IovaRange> ranges) {
        throw new UnsupportedOperationException();
    }

    /** As {@link iommufd.api.Ioas#hugePages}. */
    public boolean hugePages() {
        throw new UnsupportedOperationException();
    }

    /** As {@link iommufd.api.Ioas#setHugePages}; also {@link Errno#EINVAL} to forbid them while a domain shows a mapping. */
    public void setHugePages(boolean allowed) {
        throw new UnsupportedOperationException();
    }

    /** Bytes mapped now. */
    public long mappedBytes() {
        throw new UnsupportedOperationException();
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
        throw new UnsupportedOperationException();
    }

    /** Empties the domain and stops following it; releases pins nothing else needs. Never fails. */
    public void removeDomain(PagingDomain domain) {
        throw new UnsupportedOperationException();
    }

    /**
     * Forgets a domain whose hardware is gone, without touching it, and releases pins nothing else needs: call
     * {@link #holdPins} before to keep them. Never fails.
     */
    public void abandonDomain(PagingDomain domain) {
        throw new UnsupportedOperationException();
    }

    /**
     * A placeholder that keeps every page of every mapping, present and future, pinned while no hardware serves: counts like
     * a domain without a table. {@code holder} is told apart by identity.
     *
     * @throws IommufdException what pinning throws; never if the space has a domain or another holder already.
     *         {@link Errno#EEXIST} if {@code holder} holds already
     */
    public void holdPins(Object holder) {
        throw new UnsupportedOperationException();
    }

    /** Ends {@link #holdPins}; no effect for who holds nothing. Never fails. */
    public void releasePins(Object holder) {
        throw new UnsupportedOperationException();
    }

    /**
     * Excludes ranges from mapping, on behalf of {@code owner} (told apart by identity), in addition to what it reserved
     * before. All or nothing.
     *
     * @throws IommufdException {@link Errno#EADDRINUSE} if a mapping or an allowed range overlaps
     */
    public void reserve(Object owner, List<IovaRange> ranges) {
        throw new UnsupportedOperationException();
    }

    /** Gives back everything {@code owner} reserved. Never fails. */
    public void unreserve(Object owner) {
        throw new UnsupportedOperationException();
    }

    /** A client's software access. */
    public SpaceAccess openAccess(AccessClient client) {
        throw new UnsupportedOperationException();
    }

    /** An access of the engine itself (hardware queues): mappings it has pinned cannot be unmapped, {@link Errno#EBUSY}. */
    public SpaceAccess openLockingAccess() {
        throw new UnsupportedOperationException();
    }

    /**
     * Sets the bits of the pages a domain's DMA wrote; as {@link iommufd.api.PagingHwpt#readDirty}. Whether tracking is on
     * is the caller's to check.
     *
     * @throws IommufdException {@link Errno#EOPNOTSUPP} if the domain cannot track; {@link Errno#EINVAL} for a bad range,
     *         page size or bitmap; {@link Errno#EOVERFLOW}
     */
    public void readDirty(PagingDomain domain, long iova, long lengthBytes, long pageSizeBytes, MemorySegment bitmap, boolean clear) {
        throw new UnsupportedOperationException();
    }

    /** As {@link #recharge(List, PinCharge)} for this space alone. */
    public void recharge(PinCharge newCharge) {
        recharge(List.of(this), newCharge);
    }

    /**
     * Moves the charge for everything pinned through these spaces ({@code IOMMU_IOAS_CHANGE_PROCESS}), all or nothing.
     *
     * @param spaces in one order that all callers use, or under one lock of theirs
     * @throws IommufdException {@link Errno#EINVAL} if a mapping is not of a file; {@link Errno#EBUSY} beside an unfinished
     *         map; {@link Errno#ENOMEM} beyond the new payer's limit
     */
    public static void recharge(List<IovaSpace> spaces, PinCharge newCharge) {
        throw new UnsupportedOperationException();
    }

    /** Whether nothing is mapped. */
    public boolean empty() {
        throw new UnsupportedOperationException();
    }

    /** Unmaps everything, evicting accesses. Domains and accesses must be gone. Never fails. */
    public void close() {
        throw new UnsupportedOperationException();
    }
}
