package iommufd.core.node;

import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.ClientMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * {@code VFIO_IOMMU_GET_INFO}: {@code struct vfio_iommu_type1_info} and behind it a chain of capabilities, as far as the client
 * has room.
 */
final class VfioInfo {
    private static final int ARGSZ_OFFSET = 0;
    private static final int FLAGS_OFFSET = 4;
    private static final int PGSIZES_OFFSET = 8;
    private static final int CAP_OFFSET_OFFSET = 16;
    /** Through {@code iova_pgsizes}. */
    private static final int MIN_BYTES = 16;
    private static final int INFO_BYTES = 24;
    private static final int FLAG_PGSIZES = 1;
    private static final int FLAG_CAPS = 2;

    /** {@code struct vfio_info_cap_header}. */
    private static final int CAP_ID_OFFSET = 0;
    private static final int CAP_VERSION_OFFSET = 2;
    private static final int CAP_NEXT_OFFSET = 4;
    private static final int CAP_HEADER_BYTES = 8;

    /** {@code struct vfio_iommu_type1_info_dma_avail}, and what it is padded to. */
    private static final int DMA_AVAIL_ID = 3;
    private static final int DMA_AVAIL_BYTES = 12;
    private static final int DMA_AVAIL_PADDED_BYTES = 16;

    /** {@code struct vfio_iommu_type1_info_cap_iova_range}. */
    private static final int IOVA_RANGE_ID = 1;
    private static final int IOVA_RANGE_FIXED_BYTES = 16;
    private static final int IOVA_RANGE_ELEMENT_BYTES = 16;

    private VfioInfo() {}

    /** Answers the request. */
    static void write(OpenIommu file, ClientMemory memory, long argument) {
        MemorySegment info = MemorySegment.ofArray(new byte[INFO_BYTES]);
        memory.read(argument, info.asSlice(0, MIN_BYTES));
        long room = Integer.toUnsignedLong(info.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET));
        if (room < MIN_BYTES) {
            throw new IommufdException(Errno.EINVAL, "a struct of %d bytes; it has at least %d".formatted(room, MIN_BYTES));
        }
        Ioas ioas = file.context().vfioIoas().orElseThrow(() -> new IommufdException(Errno.ENODEV, "no IOAS stands for a VFIO container"));
        List<IovaRange> ranges = ioas.iovaRanges().usable();
        int total = INFO_BYTES + DMA_AVAIL_PADDED_BYTES + IOVA_RANGE_FIXED_BYTES + ranges.size() * IOVA_RANGE_ELEMENT_BYTES;
        MemorySegment chain = chain(ranges, total);
        copyDmaAvail(memory, argument, room, chain);
        copyRanges(memory, argument, room, chain, ranges.size());
        info.set(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET, total);
        info.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, FLAG_PGSIZES | FLAG_CAPS);
        info.set(ValueLayout.JAVA_LONG_UNALIGNED, PGSIZES_OFFSET, pageSizes(file.client().commonPageSizes(ioas), ioas.iovaRanges().alignmentBytes()));
        info.set(ValueLayout.JAVA_INT_UNALIGNED, CAP_OFFSET_OFFSET, room >= total ? INFO_BYTES : 0);
        memory.write(argument, info.asSlice(0, Math.min(room, INFO_BYTES)));
    }

    /** Sizes below a page stand for a page; none is smaller than the address space's alignment. */
    private static long pageSizes(long common, long alignment) {
        long below = UserMemory.PAGE_BYTES - 1;
        long sizes = (common & below) == 0 ? common : common & ~below | UserMemory.PAGE_BYTES;
        return Long.compareUnsigned(sizes, alignment) < 0 ? alignment : sizes;
    }

    /** All of it, as a client with enough room gets it. */
    private static MemorySegment chain(List<IovaRange> ranges, int total) {
        MemorySegment chain = MemorySegment.ofArray(new byte[total]);
        int rangesOffset = INFO_BYTES + DMA_AVAIL_PADDED_BYTES;
        header(chain.asSlice(INFO_BYTES), DMA_AVAIL_ID, rangesOffset);
        chain.set(ValueLayout.JAVA_INT_UNALIGNED, INFO_BYTES + CAP_HEADER_BYTES, -1);   // as many mappings as there is memory for
        header(chain.asSlice(rangesOffset), IOVA_RANGE_ID, 0);
        chain.set(ValueLayout.JAVA_INT_UNALIGNED, rangesOffset + CAP_HEADER_BYTES, ranges.size());
        for (int i = 0; i < ranges.size(); i++) {
            long element = rangesOffset + IOVA_RANGE_FIXED_BYTES + (long) i * IOVA_RANGE_ELEMENT_BYTES;
            chain.set(ValueLayout.JAVA_LONG_UNALIGNED, element, ranges.get(i).start());
            chain.set(ValueLayout.JAVA_LONG_UNALIGNED, element + Long.BYTES, ranges.get(i).last());
        }
        return chain;
    }

    private static void header(MemorySegment capability, int id, int next) {
        capability.set(ValueLayout.JAVA_SHORT_UNALIGNED, CAP_ID_OFFSET, (short) id);
        capability.set(ValueLayout.JAVA_SHORT_UNALIGNED, CAP_VERSION_OFFSET, (short) 1);
        capability.set(ValueLayout.JAVA_INT_UNALIGNED, CAP_NEXT_OFFSET, next);
    }

    private static void copyDmaAvail(ClientMemory memory, long argument, long room, MemorySegment chain) {
        if (room >= INFO_BYTES + DMA_AVAIL_BYTES) {
            boolean goesOn = room >= INFO_BYTES + DMA_AVAIL_PADDED_BYTES;
            MemorySegment capability = MemorySegment.ofArray(chain.asSlice(INFO_BYTES, DMA_AVAIL_BYTES).toArray(ValueLayout.JAVA_BYTE));
            if (!goesOn) {
                capability.set(ValueLayout.JAVA_INT_UNALIGNED, CAP_NEXT_OFFSET, 0);
            }
            memory.write(argument + INFO_BYTES, capability);
        }
    }

    /** As many ranges as there is room for; the head only if all are there. */
    private static void copyRanges(ClientMemory memory, long argument, long room, MemorySegment chain, int count) {
        int start = INFO_BYTES + DMA_AVAIL_PADDED_BYTES;
        int firstElement = start + IOVA_RANGE_FIXED_BYTES;
        long fitting = Math.min(count, Math.max(0, (room - firstElement) / IOVA_RANGE_ELEMENT_BYTES));
        if (fitting > 0) {
            memory.write(argument + firstElement, chain.asSlice(firstElement, fitting * IOVA_RANGE_ELEMENT_BYTES));
        }
        if (room >= firstElement + (long) count * IOVA_RANGE_ELEMENT_BYTES) {
            memory.write(argument + start, chain.asSlice(start, IOVA_RANGE_FIXED_BYTES));
        }
    }
}
