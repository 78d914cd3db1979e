package vfio.compat.container;

import static iommufd.api.uapi.VfioIommuType1Info.VFIO_IOMMU_INFO_CAPS;
import static iommufd.api.uapi.VfioIommuType1Info.VFIO_IOMMU_INFO_PGSIZES;
import static iommufd.api.uapi.VfioIommuType1InfoCapIovaRange.VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;
import static iommufd.api.uapi.VfioIommuType1InfoCapMigration.VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION;
import static iommufd.api.uapi.VfioIommuType1InfoDmaAvail.VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL;

import iommufd.api.IovaRange;
import iommufd.api.node.ClientMemory;
import iommufd.api.uapi.VfioInfoChain;
import iommufd.api.uapi.VfioIommuType1Info;
import iommufd.api.uapi.VfioIommuType1InfoCapIovaRange;
import iommufd.api.uapi.VfioIommuType1InfoCapMigration;
import iommufd.api.uapi.VfioIommuType1InfoDmaAvail;
import iommufd.api.uapi.VfioIovaRange;
import iommufd.api.uapi.VfioStruct;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** {@code VFIO_IOMMU_GET_INFO}: all capabilities if there is room for all, else none and how much room they need. */
final class InfoRequest {
    private static final int INFO_BYTES = VfioIommuType1Info.SIZE_BYTES;

    private InfoRequest() {}

    static void answer(Type1 type1, ClientMemory memory, long argument) {
        MemorySegment info = MemorySegment.ofArray(new byte[INFO_BYTES]);
        info.copyFrom(VfioStruct.read(memory, argument, VfioIommuType1Info.MIN_BYTES));
        long room = Integer.toUnsignedLong(VfioIommuType1Info.argsz(info));
        VfioInfoChain chain = capabilities(type1);
        VfioIommuType1Info.flags(info, VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS);
        VfioIommuType1Info.iovaPgsizes(info, pageSizes(type1.ioas().pageSizes()));
        if (room < chain.totalBytes()) {
            VfioIommuType1Info.argsz(info, chain.totalBytes());
        } else {
            memory.write(argument + INFO_BYTES, chain.bytes());
            VfioIommuType1Info.capOffset(info, INFO_BYTES);
        }
        memory.write(argument, info.asSlice(0, Math.min(room, INFO_BYTES)));
    }

    /** Sizes below a page stand for a page. */
    private static long pageSizes(long common) {
        long below = Type1.PAGE_BYTES - 1;
        return (common & below) == 0 ? common : common & ~below | Type1.PAGE_BYTES;
    }

    private static VfioInfoChain capabilities(Type1 type1) {
        VfioInfoChain chain = new VfioInfoChain(INFO_BYTES);
        MemorySegment migration = chain.add(VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, VfioIommuType1InfoCapMigration.SIZE_BYTES);
        VfioIommuType1InfoCapMigration.pgsizeBitmap(migration, Type1.PAGE_BYTES);
        VfioIommuType1InfoCapMigration.maxDirtyBitmapSize(migration, ClientBitmap.MAX_BYTES);
        MemorySegment available = chain.add(VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, VfioIommuType1InfoDmaAvail.SIZE_BYTES);
        VfioIommuType1InfoDmaAvail.avail(available, type1.entriesLeft());
        if (type1.hasTable()) {
            add(type1.ioas().iovaRanges().usable(), chain);
        }
        return chain;
    }

    private static void add(List<IovaRange> ranges, VfioInfoChain chain) {
        int headBytes = VfioIommuType1InfoCapIovaRange.SIZE_BYTES;
        MemorySegment capability = chain.add(VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, headBytes + ranges.size() * VfioIovaRange.SIZE_BYTES);
        VfioIommuType1InfoCapIovaRange.nrIovas(capability, ranges.size());
        for (int i = 0; i < ranges.size(); i++) {
            MemorySegment element = capability.asSlice(headBytes + (long) i * VfioIovaRange.SIZE_BYTES);
            VfioIovaRange.start(element, ranges.get(i).start());
            VfioIovaRange.end(element, ranges.get(i).last());
        }
    }
}
