package iommufd.core.node;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.Caller;
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
    static final int VFIO_GET_API_VERSION = 0x3B64;
    static final int VFIO_CHECK_EXTENSION = 0x3B65;
    static final int VFIO_SET_IOMMU = 0x3B66;
    static final int VFIO_IOMMU_GET_INFO = 0x3B70;
    static final int VFIO_IOMMU_MAP_DMA = 0x3B71;
    static final int VFIO_IOMMU_UNMAP_DMA = 0x3B72;

    static final int VFIO_TYPE1_IOMMU = 1;
    static final int VFIO_TYPE1V2_IOMMU = 3;
    static final int VFIO_DMA_CC_IOMMU = 4;
    static final int VFIO_UNMAP_ALL = 9;

    private static final int API_VERSION = 0;
    private static final int ARGSZ_OFFSET = 0;
    private static final int FLAGS_OFFSET = 4;

    /** {@code struct vfio_iommu_type1_dma_map}. */
    private static final int MAP_VADDR_OFFSET = 8;
    private static final int MAP_IOVA_OFFSET = 16;
    private static final int MAP_SIZE_OFFSET = 24;
    private static final int MAP_BYTES = 32;
    private static final int MAP_FLAG_READ = 1;
    private static final int MAP_FLAG_WRITE = 2;

    /** {@code struct vfio_iommu_type1_dma_unmap}. */
    private static final int UNMAP_IOVA_OFFSET = 8;
    private static final int UNMAP_SIZE_OFFSET = 16;
    private static final int UNMAP_BYTES = 24;
    private static final int UNMAP_FLAG_ALL = 2;

    private VfioRequests() {}

    /** @return what the request returns; empty if it is none of these */
    static OptionalLong serve(OpenIommu file, Caller caller, int request, long argument) {
        return switch (request) {
            case VFIO_GET_API_VERSION -> OptionalLong.of(API_VERSION);
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

    /** Structs of VFIO: as much as this end knows is read, then the size the client claims is looked at. */
    private static MemorySegment read(Caller caller, long argument, int bytes, int knownFlags) {
        MemorySegment struct = MemorySegment.ofArray(new byte[bytes]);
        caller.memory().read(argument, struct);
        int argsz = struct.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET);
        int flags = struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
        if (Integer.compareUnsigned(argsz, bytes) < 0 || (flags & ~knownFlags) != 0) {
            throw new IommufdException(Errno.EINVAL, "a struct of %s bytes with flags 0x%x".formatted(Integer.toUnsignedString(argsz), flags));
        }
        return struct;
    }

    private static void map(OpenIommu file, Caller caller, long argument) {
        MemorySegment struct = read(caller, argument, MAP_BYTES, MAP_FLAG_READ | MAP_FLAG_WRITE);
        int flags = struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
        Ioas ioas = compatIoas(file);
        if (flags == 0) {
            throw new IommufdException(Errno.EINVAL, "a mapping must be readable or writable");
        }
        DmaAccess access = flags == MAP_FLAG_READ ? DmaAccess.READ : flags == MAP_FLAG_WRITE ? DmaAccess.WRITE : DmaAccess.READ_WRITE;
        long iova = struct.get(ValueLayout.JAVA_LONG_UNALIGNED, MAP_IOVA_OFFSET);
        long address = struct.get(ValueLayout.JAVA_LONG_UNALIGNED, MAP_VADDR_OFFSET);
        long size = struct.get(ValueLayout.JAVA_LONG_UNALIGNED, MAP_SIZE_OFFSET);
        IoasRequests.checkMemory(address, size);
        if (((iova | size) & ioas.iovaRanges().alignmentBytes() - 1) != 0) {
            throw new IommufdException(Errno.EINVAL, "0x%x bytes at IOVA 0x%x are not aligned as the page tables demand".formatted(size, iova));
        }
        UserMemory memory = file.countedOrPlain(caller.memory().mappable());
        file.map(caller, ioas, true, iova, memory, address, size, access);
    }

    private static void unmap(OpenIommu file, Caller caller, long argument) {
        MemorySegment struct = read(caller, argument, UNMAP_BYTES, UNMAP_FLAG_ALL);
        long iova = struct.get(ValueLayout.JAVA_LONG_UNALIGNED, UNMAP_IOVA_OFFSET);
        long size = struct.get(ValueLayout.JAVA_LONG_UNALIGNED, UNMAP_SIZE_OFFSET);
        Ioas ioas = compatIoas(file);
        boolean all = struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET) != 0;
        if (all && (iova != 0 || size != 0)) {
            throw new IommufdException(Errno.EINVAL, "everything is unmapped by IOVA 0 and size 0");
        }
        IovaSpace.Unmapped outcome = all ? file.client().unmapUntilStuck(ioas, 0, -1L) : unmapRange(file, ioas, iova, size);
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, UNMAP_SIZE_OFFSET, outcome.bytes());
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
