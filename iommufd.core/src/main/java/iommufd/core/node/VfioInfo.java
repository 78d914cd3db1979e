package iommufd.core.node;

import static iommufd.api.uapi.VfioIommuType1Info.VFIO_IOMMU_INFO_CAPS;
import static iommufd.api.uapi.VfioIommuType1Info.VFIO_IOMMU_INFO_PGSIZES;
import static iommufd.api.uapi.VfioIommuType1InfoCapIovaRange.VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;
import static iommufd.api.uapi.VfioIommuType1InfoDmaAvail.VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL;

import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.ClientMemory;
import iommufd.api.uapi.VfioInfoCapHeader;
import iommufd.api.uapi.VfioInfoChain;
import iommufd.api.uapi.VfioIommuType1Info;
import iommufd.api.uapi.VfioIommuType1InfoCapIovaRange;
import iommufd.api.uapi.VfioIommuType1InfoDmaAvail;
import iommufd.api.uapi.VfioIovaRange;
import iommufd.api.uapi.VfioStruct;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * {@code VFIO_IOMMU_GET_INFO}: {@code struct vfio_iommu_type1_info} and behind it a chain of capabilities, as far as the client
 * has room.
 */
final class VfioInfo {
    private static final int INFO_BYTES = VfioIommuType1Info.SIZE_BYTES;
    private static final int DMA_AVAIL_BYTES = VfioIommuType1InfoDmaAvail.SIZE_BYTES;
    /** What the next capability's alignment leaves behind it. */
    private static final int DMA_AVAIL_PADDED_BYTES = DMA_AVAIL_BYTES + Integer.BYTES;
    private static final int IOVA_RANGE_FIXED_BYTES = VfioIommuType1InfoCapIovaRange.SIZE_BYTES;
    private static final int IOVA_RANGE_ELEMENT_BYTES = VfioIovaRange.SIZE_BYTES;

    private VfioInfo() {}

    /** Answers the request. */
    static void write(OpenIommu file, ClientMemory memory, long argument) {
        MemorySegment info = MemorySegment.ofArray(new byte[INFO_BYTES]);
        info.copyFrom(VfioStruct.read(memory, argument, VfioIommuType1Info.MIN_BYTES));
        long room = Integer.toUnsignedLong(VfioIommuType1Info.argsz(info));
        Ioas ioas = file.context().vfioIoas().orElseThrow(() -> new IommufdException(Errno.ENODEV, "no IOAS stands for a VFIO container"));
        List<IovaRange> ranges = ioas.iovaRanges().usable();
        VfioInfoChain chain = chain(ranges);
        int total = chain.totalBytes();
        copyDmaAvail(memory, argument, room, chain.bytes());
        copyRanges(memory, argument, room, chain.bytes(), ranges.size());
        VfioIommuType1Info.argsz(info, total);
        VfioIommuType1Info.flags(info, VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS);
        VfioIommuType1Info.iovaPgsizes(info, pageSizes(ioas.pageSizes(), ioas.iovaRanges().alignmentBytes()));
        VfioIommuType1Info.capOffset(info, room >= total ? INFO_BYTES : 0);
        memory.write(argument, info.asSlice(0, Math.min(room, INFO_BYTES)));
    }

    /** Sizes below a page stand for a page; none is smaller than the address space's alignment. */
    private static long pageSizes(long common, long alignment) {
        long below = UserMemory.PAGE_BYTES - 1;
        long sizes = (common & below) == 0 ? common : common & ~below | UserMemory.PAGE_BYTES;
        return Long.compareUnsigned(sizes, alignment) < 0 ? alignment : sizes;
    }

    /** All of it, as a client with enough room gets it. */
    private static VfioInfoChain chain(List<IovaRange> ranges) {
        VfioInfoChain chain = new VfioInfoChain(INFO_BYTES);
        VfioIommuType1InfoDmaAvail.avail(chain.add(VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, DMA_AVAIL_BYTES), -1);   // as many as there is memory for
        MemorySegment capability = chain.add(VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, IOVA_RANGE_FIXED_BYTES + ranges.size() * IOVA_RANGE_ELEMENT_BYTES);
        VfioIommuType1InfoCapIovaRange.nrIovas(capability, ranges.size());
        for (int i = 0; i < ranges.size(); i++) {
            MemorySegment element = capability.asSlice(IOVA_RANGE_FIXED_BYTES + (long) i * IOVA_RANGE_ELEMENT_BYTES);
            VfioIovaRange.start(element, ranges.get(i).start());
            VfioIovaRange.end(element, ranges.get(i).last());
        }
        return chain;
    }

    private static void copyDmaAvail(ClientMemory memory, long argument, long room, MemorySegment chain) {
        if (room >= INFO_BYTES + DMA_AVAIL_BYTES) {
            boolean goesOn = room >= INFO_BYTES + DMA_AVAIL_PADDED_BYTES;
            MemorySegment capability = MemorySegment.ofArray(chain.asSlice(0, DMA_AVAIL_BYTES).toArray(ValueLayout.JAVA_BYTE));
            if (!goesOn) {
                VfioInfoCapHeader.next(capability, 0);
            }
            memory.write(argument + INFO_BYTES, capability);
        }
    }

    /** As many ranges as there is room for; the head only if all are there. */
    private static void copyRanges(ClientMemory memory, long argument, long room, MemorySegment chain, int count) {
        long address = argument + INFO_BYTES;
        long roomBehind = room - INFO_BYTES;
        int firstElement = DMA_AVAIL_PADDED_BYTES + IOVA_RANGE_FIXED_BYTES;
        long fitting = Math.min(count, Math.max(0, (roomBehind - firstElement) / IOVA_RANGE_ELEMENT_BYTES));
        if (fitting > 0) {
            memory.write(address + firstElement, chain.asSlice(firstElement, fitting * IOVA_RANGE_ELEMENT_BYTES));
        }
        if (roomBehind >= firstElement + (long) count * IOVA_RANGE_ELEMENT_BYTES) {
            memory.write(address + DMA_AVAIL_PADDED_BYTES, chain.asSlice(DMA_AVAIL_PADDED_BYTES, IOVA_RANGE_FIXED_BYTES));
        }
    }
}
