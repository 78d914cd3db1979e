package vfio.compat.container;

import static iommufd.api.uapi.VfioIommuType1DmaMap.VFIO_DMA_MAP_FLAG_READ;
import static iommufd.api.uapi.VfioIommuType1DmaMap.VFIO_DMA_MAP_FLAG_VADDR;
import static iommufd.api.uapi.VfioIommuType1DmaMap.VFIO_DMA_MAP_FLAG_WRITE;
import static iommufd.api.uapi.VfioIommuType1DmaUnmap.VFIO_DMA_UNMAP_FLAG_ALL;
import static iommufd.api.uapi.VfioIommuType1DmaUnmap.VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
import static iommufd.api.uapi.VfioIommuType1DmaUnmap.VFIO_DMA_UNMAP_FLAG_VADDR;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.Caller;
import iommufd.api.uapi.VfioBitmap;
import iommufd.api.uapi.VfioIommuType1DmaMap;
import iommufd.api.uapi.VfioIommuType1DmaUnmap;
import iommufd.api.uapi.VfioStruct;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * {@code VFIO_IOMMU_MAP_DMA} and {@code VFIO_IOMMU_UNMAP_DMA}. Type 1 unmaps every mapping that <em>starts</em> in a range, whole, as
 * long as the first one it touches does; type 1v2 refuses a range that cuts a mapping. Under the lock of {@link Type1}.
 */
final class MapRequests {
    private static final long PAGE_MASK = Type1.PAGE_BYTES - 1;
    private static final int READ_WRITE = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;

    private final Type1 type1;
    private final Payer payer;
    /** Used again by each request. */
    private final MemorySegment mapStruct = Arena.ofAuto().allocate(VfioIommuType1DmaMap.MIN_BYTES, Long.BYTES);
    private final MemorySegment unmapStruct = Arena.ofAuto().allocate(VfioIommuType1DmaUnmap.MIN_BYTES, Long.BYTES);

    MapRequests(Type1 type1, Payer payer) {
        this.type1 = type1;
        this.payer = payer;
    }

    void map(Caller caller, long argument) {
        MemorySegment struct = mapStruct;
        VfioStruct.read(caller.memory(), argument, struct);
        int flags = VfioIommuType1DmaMap.flags(struct);
        VfioStruct.requireKnown(flags, READ_WRITE | VFIO_DMA_MAP_FLAG_VADDR);
        long iova = VfioIommuType1DmaMap.iova(struct);
        long address = VfioIommuType1DmaMap.vaddr(struct);
        long size = VfioIommuType1DmaMap.size(struct);
        if (size == 0) {
            throw invalid("the size is 0");
        }
        long last = lastOf(iova, size);
        lastOf(address, size);
        boolean moved = (flags & VFIO_DMA_MAP_FLAG_VADDR) != 0;
        int rights = flags & READ_WRITE;
        if (moved == (rights != 0)) {
            throw invalid("a mapping has a right to read or write, a new address has none");
        }
        if (((size | iova | address) & PAGE_MASK) != 0) {
            throw invalid("0x%x bytes of 0x%x at IOVA 0x%x are not made of pages".formatted(size, address, iova));
        }
        if (moved) {
            mapAgain(iova, last);
        } else {
            mapNew(caller, iova, last, address, rights);
        }
    }

    /** Page tables show the pages all the while; the new address only ends the time in which nobody may need the old one. */
    private void mapAgain(long iova, long last) {
        DmaMappings mappings = type1.mappings();
        int index = mappings.firstReaching(iova);
        if (!mappings.startsBy(index, last)) {
            throw new IommufdException(Errno.ENOENT, "nothing is mapped at 0x%x..0x%x".formatted(iova, last));
        }
        if (!mappings.movedAway(index) || mappings.start(index) != iova || mappings.last(index) != last) {
            throw invalid("0x%x..0x%x is no mapping whose memory moves".formatted(iova, last));
        }
        mappings.setMovedAway(index, false);
    }

    private void mapNew(Caller caller, long iova, long last, long address, int rights) {
        DmaMappings mappings = type1.mappings();
        if (mappings.startsBy(mappings.firstReaching(iova), last)) {
            throw new IommufdException(Errno.EEXIST, "something is mapped in 0x%x..0x%x".formatted(iova, last));
        }
        if (type1.entriesLeft() <= 0) {
            throw new IommufdException(Errno.ENOSPC, "the container has all the mappings it may have; raise dma_entry_limit");
        }
        long size = last - iova + 1;
        DmaAccess access = rights == READ_WRITE ? DmaAccess.READ_WRITE : rights == VFIO_DMA_MAP_FLAG_READ ? DmaAccess.READ : DmaAccess.WRITE;
        payer.map(caller, type1.ioas(), iova, address, size, access);
        if (type1.log().running() && !DirtyLog.fits(size)) {
            type1.ioas().unmap(iova, size);
            throw DirtyLog.tooLarge(size);
        }
        mappings.insert(iova, last);
    }

    void unmap(Caller caller, long argument) {
        MemorySegment struct = unmapStruct;
        VfioStruct.read(caller.memory(), argument, struct);
        int flags = VfioIommuType1DmaUnmap.flags(struct);
        VfioStruct.requireKnown(flags, VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP | VFIO_DMA_UNMAP_FLAG_ALL | VFIO_DMA_UNMAP_FLAG_VADDR);
        boolean withBitmap = (flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP) != 0;
        if (withBitmap && flags != VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP) {
            throw invalid("a bitmap is of a range that is unmapped");
        }
        long size = VfioIommuType1DmaUnmap.size(struct);
        Optional<ClientBitmap> bitmap = withBitmap ? Optional.of(bitmap(caller, argument, struct, size)) : Optional.empty();
        VfioIommuType1DmaUnmap.size(struct, unmap(VfioIommuType1DmaUnmap.iova(struct), size, flags, bitmap));
        caller.memory().write(argument, struct);
    }

    private static ClientBitmap bitmap(Caller caller, long argument, MemorySegment unmap, long size) {
        int minBytes = VfioIommuType1DmaUnmap.SIZE_BYTES + VfioBitmap.SIZE_BYTES;
        if (Integer.compareUnsigned(VfioIommuType1DmaUnmap.argsz(unmap), minBytes) < 0) {
            throw invalid("a struct with a bitmap has %d bytes".formatted(minBytes));
        }
        MemorySegment struct = MemorySegment.ofArray(new byte[VfioBitmap.SIZE_BYTES]);
        caller.memory().read(argument + VfioIommuType1DmaUnmap.SIZE_BYTES, struct);
        ClientBitmap bitmap = ClientBitmap.of(caller.memory(), struct);
        bitmap.checkRoom(size);
        return bitmap;
    }

    /** @return bytes unmapped */
    private long unmap(long iova, long size, int flags, Optional<ClientBitmap> bitmap) {
        boolean all = (flags & VFIO_DMA_UNMAP_FLAG_ALL) != 0;
        boolean moves = (flags & VFIO_DMA_UNMAP_FLAG_VADDR) != 0;
        if (moves && type1.hasEmulated()) {
            throw new IommufdException(Errno.EBUSY, "a device in the container reads memory by its address in the process");
        }
        if ((iova & PAGE_MASK) != 0 || (all ? (iova | size) != 0 : size == 0 || (size & PAGE_MASK) != 0)) {
            throw invalid("0x%x bytes at IOVA 0x%x are not made of pages, or more than a range of 0".formatted(size, iova));
        }
        long last = all ? -1L : lastOf(iova, size);
        if (bitmap.isPresent() && (!type1.log().running() || bitmap.get().pageBytes() != Type1.PAGE_BYTES)) {
            throw invalid("no record of dirty pages is kept, or a bit of the bitmap is not to stand for a page");
        }
        DmaMappings mappings = type1.mappings();
        if (type1.wholeMappingsOnly() && !all && mappings.cutBy(iova, last)) {
            throw invalid("0x%x..0x%x cuts a mapping".formatted(iova, last));
        }
        int from = mappings.firstReaching(iova);
        int end = from;
        boolean startsInside = from < mappings.count() && Long.compareUnsigned(mappings.start(from), iova) >= 0;
        while ((type1.wholeMappingsOnly() || startsInside) && mappings.startsBy(end, last)) {
            end++;
        }
        if (moves) {
            return moveAway(from, end);
        }
        return bitmap.isPresent() ? removeEach(iova, from, end, bitmap.get()) : remove(from, end);
    }

    /** Says that the memory of these mappings moves; all or none. */
    private long moveAway(int from, int end) {
        DmaMappings mappings = type1.mappings();
        for (int i = from; i < end; i++) {
            if (mappings.movedAway(i)) {
                throw invalid("the memory of 0x%x..0x%x moves already".formatted(mappings.start(i), mappings.last(i)));
            }
        }
        for (int i = from; i < end; i++) {
            mappings.setMovedAway(i, true);
        }
        return mappings.bytes(from, end);
    }

    /** What lies between the first and the last belongs to them: one call, so that hardware is waited for once. */
    private long remove(int from, int end) {
        if (from == end) {
            return 0;
        }
        DmaMappings mappings = type1.mappings();
        long length = mappings.last(end - 1) - mappings.start(from) + 1;
        if (length == 0) {
            type1.ioas().unmapAll();
        } else {
            type1.ioas().unmap(mappings.start(from), length);
        }
        long bytes = mappings.bytes(from, end);
        mappings.remove(from, end);
        return bytes;
    }

    /** One after the other: those before one whose bits cannot be written are gone, as in Linux. */
    private long removeEach(long iova, int from, int end, ClientBitmap bitmap) {
        boolean complete = type1.log().complete();
        long bytes = 0;
        for (int i = from; i < end; i++) {
            type1.log().tell(from, iova, bitmap, false, complete);
            bytes += remove(from, from + 1);
        }
        return bytes;
    }

    private static long lastOf(long start, long size) {
        long last = start + (size - 1);
        if (Long.compareUnsigned(last, start) < 0) {
            throw new IommufdException(Errno.EOVERFLOW, "0x%x bytes at 0x%x reach beyond 64 bits".formatted(size, start));
        }
        return last;
    }

    private static IommufdException invalid(String why) {
        return new IommufdException(Errno.EINVAL, why);
    }
}
