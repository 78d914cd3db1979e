package iommufd.core.node;

import static iommufd.api.uapi.VfioIommuType1DmaMap.VFIO_DMA_MAP_FLAG_READ;
import static iommufd.api.uapi.VfioIommuType1DmaMap.VFIO_DMA_MAP_FLAG_WRITE;
import static iommufd.api.uapi.VfioIommuType1DmaMap.VFIO_IOMMU_MAP_DMA;
import static iommufd.api.uapi.VfioIommuType1DmaUnmap.VFIO_DMA_UNMAP_FLAG_ALL;
import static iommufd.api.uapi.VfioIommuType1DmaUnmap.VFIO_IOMMU_UNMAP_DMA;
import static iommufd.api.uapi.VfioIommuType1Info.VFIO_IOMMU_GET_INFO;
import static iommufd.api.uapi.VfioRequest.VFIO_API_VERSION;
import static iommufd.api.uapi.VfioRequest.VFIO_CHECK_EXTENSION;
import static iommufd.api.uapi.VfioRequest.VFIO_DMA_CC_IOMMU;
import static iommufd.api.uapi.VfioRequest.VFIO_GET_API_VERSION;
import static iommufd.api.uapi.VfioRequest.VFIO_SET_IOMMU;
import static iommufd.api.uapi.VfioRequest.VFIO_TYPE1V2_IOMMU;
import static iommufd.api.uapi.VfioRequest.VFIO_TYPE1_IOMMU;
import static iommufd.api.uapi.VfioRequest.VFIO_UNMAP_ALL;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.Caller;
import iommufd.api.uapi.VfioIommuType1DmaMap;
import iommufd.api.uapi.VfioIommuType1DmaUnmap;
import iommufd.api.uapi.VfioStruct;
import iommufd.core.space.IovaSpace;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What a VFIO container can be asked ({@code linux/vfio.h}), answered by the IOAS that {@code IOMMU_VFIO_IOAS} names
 * ({@code vfio_compat.c}).
 */
final class VfioRequests {
    private static final int FLAGS_OFFSET = Integer.BYTES;

    private VfioRequests() {}

    /** @return what the request returns; empty if it is none of these */
    static OptionalLong serve(OpenIommu file, Caller caller, int request, long argument) {
        return switch (request) {
            case VFIO_GET_API_VERSION -> OptionalLong.of(VFIO_API_VERSION);
            case VFIO_CHECK_EXTENSION -> OptionalLong.of(checkExtension(file, argument));
            case VFIO_SET_IOMMU -> done(() -> setIommu(file, argument));
            case VFIO_IOMMU_GET_INFO -> done(() -> VfioInfo.write(file, caller.memory(), argument));
            case VFIO_IOMMU_MAP_DMA -> done(() -> map(file, caller, argument));
            case VFIO_IOMMU_UNMAP_DMA -> done(() -> unmap(file, caller, argument));
            default -> OptionalLong.empty();
        };
    }

    private static OptionalLong done(Runnable request) {
        request.run();
        return OptionalLong.of(0);
    }

    private static Ioas compatIoas(OpenIommu file) {
        return file.context().vfioIoas().orElseThrow(() -> new IommufdException(Errno.ENODEV, "no IOAS stands for a VFIO container"));
    }

    private static long checkExtension(OpenIommu file, long extension) {
        if (extension == VFIO_TYPE1_IOMMU || extension == VFIO_TYPE1V2_IOMMU || extension == VFIO_UNMAP_ALL) {
            return 1;
        }
        if (extension == VFIO_DMA_CC_IOMMU) {
            compatIoas(file);
            return 1;   // memory is coherent here, whatever a device asks for
        }
        return 0;
    }

    /** The old type may unmap parts of mappings, so they are shown by the smallest entries. */
    private static void setIommu(OpenIommu file, long type) {
        if (type != VFIO_TYPE1_IOMMU && type != VFIO_TYPE1V2_IOMMU) {
            throw new IommufdException(Errno.EINVAL, "an IOAS serves TYPE1 (1) and TYPE1v2 (3), not " + type);
        }
        Ioas ioas = compatIoas(file);
        if (type == VFIO_TYPE1_IOMMU) {
            ioas.setHugePages(false);
        }
    }

    private static MemorySegment read(Caller caller, long argument, int minBytes, int knownFlags) {
        MemorySegment struct = VfioStruct.read(caller.memory(), argument, minBytes);
        VfioStruct.requireKnown(struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET), knownFlags);
        return struct;
    }

    private static void map(OpenIommu file, Caller caller, long argument) {
        MemorySegment struct = read(caller, argument, VfioIommuType1DmaMap.MIN_BYTES, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
        int flags = VfioIommuType1DmaMap.flags(struct);
        Ioas ioas = compatIoas(file);
        if (flags == 0) {
            throw new IommufdException(Errno.EINVAL, "a mapping must be readable or writable");
        }
        DmaAccess access = flags == VFIO_DMA_MAP_FLAG_READ ? DmaAccess.READ : flags == VFIO_DMA_MAP_FLAG_WRITE ? DmaAccess.WRITE : DmaAccess.READ_WRITE;
        long iova = VfioIommuType1DmaMap.iova(struct);
        long address = VfioIommuType1DmaMap.vaddr(struct);
        long size = VfioIommuType1DmaMap.size(struct);
        IoasRequests.checkMemory(address, size);
        if (((iova | size) & ioas.iovaRanges().alignmentBytes() - 1) != 0) {
            throw new IommufdException(Errno.EINVAL, "0x%x bytes at IOVA 0x%x are not aligned as the page tables demand".formatted(size, iova));
        }
        UserMemory memory = file.countedOrPlain(caller.memory().mappable());
        file.map(caller, ioas, true, iova, memory, address, size, access);
    }

    private static void unmap(OpenIommu file, Caller caller, long argument) {
        MemorySegment struct = read(caller, argument, VfioIommuType1DmaUnmap.MIN_BYTES, VFIO_DMA_UNMAP_FLAG_ALL);
        long iova = VfioIommuType1DmaUnmap.iova(struct);
        long size = VfioIommuType1DmaUnmap.size(struct);
        Ioas ioas = compatIoas(file);
        boolean all = VfioIommuType1DmaUnmap.flags(struct) != 0;
        if (all && (iova != 0 || size != 0)) {
            throw new IommufdException(Errno.EINVAL, "everything is unmapped by IOVA 0 and size 0");
        }
        IovaSpace.Unmapped outcome = all ? file.client().unmapUntilStuck(ioas, 0, -1L) : unmapRange(file, ioas, iova, size);
        VfioIommuType1DmaUnmap.size(struct, outcome.bytes());
        caller.memory().write(argument, struct);
        outcome.refusal().ifPresent(refused -> {
            throw refused;
        });
    }

    private static IovaSpace.Unmapped unmapRange(OpenIommu file, Ioas ioas, long iova, long size) {
        if (!ioas.hugePages()) {
            file.client().cutAfter(ioas, iova + size - 1);
            if (iova != 0) {
                file.client().cutAfter(ioas, iova - 1);
            }
        }
        long last = iova + (size - 1);
        if (size == 0 || Long.compareUnsigned(last, iova) < 0) {
            Errno errno = size == 0 ? Errno.EINVAL : Errno.EOVERFLOW;
            return new IovaSpace.Unmapped(0, Optional.of(new IommufdException(errno, "no mapping has 0x%x bytes from 0x%x on".formatted(size, iova))));
        }
        return file.client().unmapUntilStuck(ioas, iova, last);
    }
}
