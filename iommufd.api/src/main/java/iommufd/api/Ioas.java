package iommufd.api;

import iommufd.api.memory.UserMemory;
import java.util.List;
import org.osgi.annotation.versioning.ProviderType;

/**
 * An IO address space: which IOVA shows which memory. Every paging HWPT made from it shows the same mappings.
 *
 * <p>Mapping pins the memory once something can reach it: a page table or an {@link Access}. Pins are shared by copies and
 * released at the last use.
 */
@ProviderType
public non-sealed interface Ioas extends IommufdObject, Attachable {
    /**
     * Maps memory at an IOVA this address space chooses ({@code IOMMU_IOAS_MAP}): the first hole that fits, aligned as
     * Linux does.
     *
     * @param address start in {@code memory}: a virtual address of a process, an offset of a file
     * @param lengthBytes not 0
     * @return the IOVA, with the same offset inside a page as {@code address}
     * @throws IommufdException {@link Errno#EOVERFLOW}, {@link Errno#EINVAL} for a bad length; {@link Errno#ENOSPC} if no
     *         hole fits; {@link Errno#EFAULT} or {@link Errno#EPERM} if the memory cannot be pinned with that access;
     *         {@link Errno#ENOMEM} if the owner's limit, or memory for tables, is used up
     */
    long map(UserMemory memory, long address, long lengthBytes, DmaAccess access);

    /**
     * Maps memory at {@code iova}, ({@code IOMMU_IOAS_MAP_FIXED_IOVA}).
     *
     * @throws IommufdException as {@link #map}; also {@link Errno#EEXIST} on overlap with a mapping, {@link Errno#EINVAL} if
     *         the range is reserved or misaligned; {@link #allowIovas} does not limit it
     */
    void mapAt(long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access);

    /**
     * As {@link #mapAt(long, UserMemory, long, long, DmaAccess)}, but {@code payer} is charged for the pages, not the context's
     * owner: a VFIO container charges whoever maps.
     *
     * @param payer better the same object each time
     */
    void mapAt(long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access, ContextOwner payer);

    /**
     * Shows memory at {@code iova} to devices that can ask for pages, and only what they ask for: nothing is pinned until a device
     * touches it. The engine answers those page requests itself; requests elsewhere go to the HWPT's {@link FaultQueue}, if it has
     * one. A device that cannot ask (PRI, stalls) faults. Until it is closed nothing else can be mapped in the range. No ioctl.
     *
     * @param address start in {@code memory}, as in {@link #mapAt}; with {@code iova} and {@code lengthBytes} a multiple of the page
     * @throws IommufdException {@link Errno#EINVAL} for misalignment, length 0 or a reserved range; {@link Errno#EOVERFLOW};
     *         {@link Errno#EEXIST} if anything is mapped there; {@link Errno#EOPNOTSUPP} for exported memory
     */
    OnDemandMapping mapOnDemand(long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access, OnDemandOptions options);

    /**
     * Shows what {@code source} shows at {@code sourceIova} here too, sharing its pages ({@code IOMMU_IOAS_COPY}).
     *
     * @return the chosen IOVA
     * @throws IommufdException {@link Errno#ENOENT} if the source range is not mapped throughout; {@link Errno#EPERM} if
     *         {@code access} asks to write pages that were mapped read-only; else as {@link #map}
     */
    long copy(Ioas source, long sourceIova, long lengthBytes, DmaAccess access);

    /** As {@link #copy}, to a fixed IOVA, with the errors of {@link #mapAt}. */
    void copyAt(long iova, Ioas source, long sourceIova, long lengthBytes, DmaAccess access);

    /**
     * Unmaps whole mappings inside {@code [iova, iova + lengthBytes)} ({@code IOMMU_IOAS_UNMAP}). When it returns, no DMA
     * can reach the memory through this address space any more.
     *
     * @return bytes unmapped
     * @throws IommufdException {@link Errno#ENOENT} if nothing is mapped there or a mapping would be cut;
     *         {@link Errno#EBUSY} if a hardware queue owns pages of it; {@link Errno#EDEADLOCK} if an access does not let go
     */
    long unmap(long iova, long lengthBytes);

    /** Unmaps everything; nothing mapped is no error. @return bytes unmapped */
    long unmapAll();

    /** The IOVAs that can be mapped now, and their alignment ({@code IOMMU_IOAS_IOVA_RANGES}). */
    IovaRanges iovaRanges();

    /**
     * Limits the IOVAs that {@link #map} and {@link #copy} choose to these ranges ({@code IOMMU_IOAS_ALLOW_IOVAS}), and keeps
     * devices away that would reserve a part of them; an empty list allows everything again. What is mapped stays.
     *
     * @throws IommufdException {@link Errno#EADDRINUSE} if a reserved region contradicts; {@link Errno#EINVAL} if the ranges
     *         overlap
     */
    void allowIovas(List<IovaRange> ranges);

    /** Whether IO page-table entries may be larger than a page ({@code IOMMU_OPTION_HUGE_PAGES}); true at first. */
    boolean hugePages();

    /**
     * Allows large entries for mappings to come, or forbids them.
     *
     * @throws IommufdException {@link Errno#EADDRINUSE} if present mappings are not aligned to pages; {@link Errno#EINVAL} to
     *         forbid them while page tables show mappings
     */
    void setHugePages(boolean allowed);

    /**
     * Whether the page tables that attaching this address space finds or makes may be attached to PASIDs; false at first, as in Linux,
     * where such an attach is {@link Errno#EINVAL}.
     */
    boolean forPasids();

    /**
     * Changes {@link #forPasids()} for attaches and replaces to come; what is attached stays. Requests with and without PASID of one
     * device go side by side only if both go through tables made for PASIDs. No ioctl; see {@code docs/promise-pasids.md}.
     */
    void setForPasids(boolean forPasids);

    /** Sizes of the entries that every page table of this address space has: bit n for 2^n bytes; all ones without any table. */
    long pageSizes();

    /** Bytes mapped now. */
    long mappedBytes();
}
