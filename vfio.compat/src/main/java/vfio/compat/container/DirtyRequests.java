package vfio.compat.container;

import static iommufd.api.uapi.VfioIommuType1DirtyBitmap.VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP;
import static iommufd.api.uapi.VfioIommuType1DirtyBitmap.VFIO_IOMMU_DIRTY_PAGES_FLAG_START;
import static iommufd.api.uapi.VfioIommuType1DirtyBitmap.VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.ClientMemory;
import iommufd.api.uapi.VfioIommuType1DirtyBitmap;
import iommufd.api.uapi.VfioIommuType1DirtyBitmapGet;
import iommufd.api.uapi.VfioStruct;
import java.lang.foreign.MemorySegment;

/** {@code VFIO_IOMMU_DIRTY_PAGES}. Under the lock of {@link Type1}. */
final class DirtyRequests {
    private static final int GET_BYTES = VfioIommuType1DirtyBitmapGet.SIZE_BYTES;

    private DirtyRequests() {}

    static void serve(Type1 type1, ClientMemory memory, long argument) {
        if (!type1.wholeMappingsOnly()) {
            throw new IommufdException(Errno.EACCES, "containers of type 1 keep no record of dirty pages, those of type 1v2 do");
        }
        MemorySegment struct = VfioStruct.read(memory, argument, VfioIommuType1DirtyBitmap.MIN_BYTES);
        switch (VfioIommuType1DirtyBitmap.flags(struct)) {
            case VFIO_IOMMU_DIRTY_PAGES_FLAG_START -> type1.log().start();
            case VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP -> type1.log().stop();
            case VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP -> {
                long room = Integer.toUnsignedLong(VfioIommuType1DirtyBitmap.argsz(struct)) - VfioIommuType1DirtyBitmap.SIZE_BYTES;
                if (room < GET_BYTES) {
                    throw new IommufdException(Errno.EINVAL, "the struct ends before the bitmap");
                }
                MemorySegment range = MemorySegment.ofArray(new byte[GET_BYTES]);
                memory.read(argument + VfioIommuType1DirtyBitmap.SIZE_BYTES, range);
                read(type1, memory, range);
            }
            default -> throw new IommufdException(Errno.EINVAL, "there is one flag at a time: start, stop, or get the bitmap");
        }
    }

    private static void read(Type1 type1, ClientMemory memory, MemorySegment range) {
        long iova = VfioIommuType1DirtyBitmapGet.iova(range);
        long size = VfioIommuType1DirtyBitmapGet.size(range);
        if (size == 0) {
            throw new IommufdException(Errno.EINVAL, "the size is 0");
        }
        long last = iova + (size - 1);
        if (Long.compareUnsigned(last, iova) < 0) {
            throw new IommufdException(Errno.EOVERFLOW, "0x%x bytes at 0x%x reach beyond 64 bits".formatted(size, iova));
        }
        ClientBitmap bitmap = ClientBitmap.of(memory, range.asSlice(VfioIommuType1DirtyBitmapGet.BITMAP_OFFSET));
        bitmap.checkRoom(size);
        boolean pages = bitmap.pageBytes() == Type1.PAGE_BYTES && ((iova | size) & Type1.PAGE_BYTES - 1) == 0;
        DmaMappings mappings = type1.mappings();
        if (!pages || !type1.log().running() || mappings.cutBy(iova, last)) {
            throw new IommufdException(Errno.EINVAL, "0x%x..0x%x is not made of pages or cuts a mapping, or no record of dirty pages is kept".formatted(iova, last));
        }
        boolean complete = type1.log().complete();
        for (int i = mappings.firstReaching(iova); mappings.startsBy(i, last); i++) {
            type1.log().tell(i, iova, bitmap, true, complete);
        }
    }
}
