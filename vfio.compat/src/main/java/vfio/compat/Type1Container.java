package vfio.compat;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.Caller;
import iommufd.api.node.ClientMemory;
import iommufd.api.uapi.IommufdFile;
import iommufd.api.uapi.IoctlExtension;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** A container: the context's compatibility IOAS, under VFIO's names. Has no state of its own. */
final class Type1Container implements IoctlExtension.Session {
    private final IommufdFile file;

    Type1Container(IommufdFile file) {
        this.file = file;
    }

    @Override
    public long ioctl(Caller caller, int request, long argument) {
        return switch (request) {
            case Type1Structs.GET_API_VERSION -> Type1Structs.API_VERSION;
            case Type1Structs.CHECK_EXTENSION -> supports(argument) ? 1 : 0;
            case Type1Structs.SET_IOMMU -> {
                choose(argument);
                yield 0;
            }
            case Type1Structs.IOMMU_GET_INFO -> {
                inform(caller.memory(), argument);
                yield 0;
            }
            case Type1Structs.IOMMU_MAP_DMA -> {
                map(caller, argument);
                yield 0;
            }
            case Type1Structs.IOMMU_UNMAP_DMA -> {
                unmap(caller.memory(), argument);
                yield 0;
            }
            default -> throw new IommufdException(Errno.ENOTTY, "request 0x%x is not known to a VFIO container".formatted(request));
        };
    }

    private Ioas ioas() {
        return file.context().vfioIoas().orElseThrow(() -> new IommufdException(Errno.ENODEV,
                "no IOAS stands for the VFIO container; attach a group, or set one by IOMMU_VFIO_IOAS"));
    }

    private boolean supports(long extension) {
        if (extension == Type1Structs.DMA_CC) {
            ioas();
            return true;   // memory of this process is always coherent
        }
        return extension == Type1Structs.TYPE1 || extension == Type1Structs.TYPE1V2 || extension == Type1Structs.UNMAP_ALL;
    }

    /** Type 1 may unmap parts of a mapping, so there must be no large entries. */
    private void choose(long type) {
        if (type != Type1Structs.TYPE1 && type != Type1Structs.TYPE1V2) {
            throw new IommufdException(Errno.EINVAL, "VFIO has no IOMMU of type %d here".formatted(type));
        }
        Ioas ioas = ioas();
        if (type == Type1Structs.TYPE1) {
            ioas.setHugePages(false);
        }
    }

    /** What every client must pass. @throws IommufdException {@link Errno#EFAULT}; {@link Errno#EINVAL} */
    private static MemorySegment read(ClientMemory memory, long address, int bytes, int knownFlags) {
        MemorySegment struct = MemorySegment.ofArray(new byte[bytes]);
        memory.read(address, struct);
        int size = int32(struct, Type1Structs.ARGSZ);
        int flags = int32(struct, Type1Structs.FLAGS);
        if (Integer.compareUnsigned(size, bytes) < 0 || (flags & ~knownFlags) != 0) {
            throw new IommufdException(Errno.EINVAL, "a struct of %s bytes, at least %d are needed, with flags 0x%x of 0x%x"
                    .formatted(Integer.toUnsignedString(size), bytes, flags, knownFlags));
        }
        return struct;
    }

    private void map(Caller caller, long address) {
        MemorySegment struct = read(caller.memory(), address, Type1Structs.MAP_BYTES, Type1Structs.MAP_FLAGS);
        Ioas ioas = ioas();
        long vaddr = int64(struct, Type1Structs.MAP_VADDR);
        long size = int64(struct, Type1Structs.MAP_SIZE);
        if (Long.compareUnsigned(vaddr + size, vaddr) < 0) {
            throw new IommufdException(Errno.EOVERFLOW, "0x%x bytes at 0x%x reach beyond 64 bits".formatted(size, vaddr));
        }
        file.mapAt(caller, ioas, int64(struct, Type1Structs.MAP_IOVA), caller.memory().mappable(), vaddr, size,
                access(int32(struct, Type1Structs.FLAGS)));
    }

    private static DmaAccess access(int flags) {
        return switch (flags) {
            case DmaAccess.READ_BIT -> DmaAccess.READ;
            case DmaAccess.WRITE_BIT -> DmaAccess.WRITE;
            case DmaAccess.READ_BIT | DmaAccess.WRITE_BIT -> DmaAccess.READ_WRITE;
            default -> throw new IommufdException(Errno.EINVAL, "a mapping that allows neither reads nor writes");
        };
    }

    private void unmap(ClientMemory memory, long address) {
        MemorySegment struct = read(memory, address, Type1Structs.UNMAP_BYTES, Type1Structs.UNMAP_FLAG_ALL);
        Ioas ioas = ioas();
        long iova = int64(struct, Type1Structs.UNMAP_IOVA);
        long size = int64(struct, Type1Structs.UNMAP_SIZE);
        long unmapped;
        if (int32(struct, Type1Structs.FLAGS) == Type1Structs.UNMAP_FLAG_ALL) {
            if (iova != 0 || size != 0) {
                throw new IommufdException(Errno.EINVAL, "all is to be unmapped, but a range is given, too");
            }
            unmapped = ioas.unmapAll();
        } else {
            if (size != 0 && !ioas.hugePages()) {
                cut(ioas, iova, size);
            }
            unmapped = file.unmap(ioas, iova, size);
        }
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, Type1Structs.UNMAP_SIZE, unmapped);
        memory.write(address, struct);
    }

    private void cut(Ioas ioas, long iova, long size) {
        file.cutBehind(ioas, iova + (size - 1));
        if (iova != 0) {
            file.cutBehind(ioas, iova - 1);
        }
    }

    /** The struct and as many whole capabilities as there is room for. */
    private void inform(ClientMemory memory, long address) {
        MemorySegment info = MemorySegment.ofArray(new byte[Type1Structs.INFO_BYTES]);
        memory.read(address, info.asSlice(0, Type1Structs.INFO_MIN_BYTES));
        long room = Integer.toUnsignedLong(int32(info, Type1Structs.ARGSZ));
        if (room < Type1Structs.INFO_MIN_BYTES) {
            throw new IommufdException(Errno.EINVAL, "a struct of %d bytes; at least %d are needed".formatted(room, Type1Structs.INFO_MIN_BYTES));
        }
        Ioas ioas = ioas();
        MemorySegment available = availableDma();
        MemorySegment ranges = usable(ioas.iovaRanges().usable());
        int rangesOffset = Type1Structs.INFO_BYTES + align(Type1Structs.CAP_DMA_AVAIL_BYTES);
        int total = rangesOffset + (int) ranges.byteSize();
        if (room >= rangesOffset) {
            available.set(ValueLayout.JAVA_INT_UNALIGNED, Type1Structs.CAP_NEXT, rangesOffset);
        }
        writeIfRoom(memory, address, room, Type1Structs.INFO_BYTES, available);
        writeIfRoom(memory, address, room, rangesOffset, ranges);
        info.set(ValueLayout.JAVA_INT_UNALIGNED, Type1Structs.ARGSZ, total);
        info.set(ValueLayout.JAVA_INT_UNALIGNED, Type1Structs.FLAGS, Type1Structs.INFO_FLAG_PAGE_SIZES | Type1Structs.INFO_FLAG_CAPS);
        info.set(ValueLayout.JAVA_LONG_UNALIGNED, Type1Structs.INFO_PAGE_SIZES, pageSizes(ioas));
        info.set(ValueLayout.JAVA_INT_UNALIGNED, Type1Structs.INFO_CAP_OFFSET, room >= total ? Type1Structs.INFO_BYTES : 0);
        memory.write(address, info.asSlice(0, Math.min(room, Type1Structs.INFO_BYTES)));
    }

    /** Sizes below a page count as a page: what is mapped is made of pages. */
    private long pageSizes(Ioas ioas) {
        long sizes = file.pageSizes(ioas);
        long belowPage = UserMemory.PAGE_BYTES - 1;
        return (sizes & belowPage) == 0 ? sizes : sizes & ~belowPage | UserMemory.PAGE_BYTES;
    }

    private static void writeIfRoom(ClientMemory memory, long address, long room, int offset, MemorySegment capability) {
        if (room >= offset + capability.byteSize()) {
            memory.write(address + offset, capability);
        }
    }

    /** The number of mappings is not limited, as in Linux's own compatibility. */
    private static MemorySegment availableDma() {
        MemorySegment capability = capability(Type1Structs.CAP_DMA_AVAIL_BYTES, Type1Structs.CAP_DMA_AVAIL);
        capability.set(ValueLayout.JAVA_INT_UNALIGNED, Type1Structs.CAP_HEADER_BYTES, -1);
        return capability;
    }

    private static MemorySegment usable(List<IovaRange> ranges) {
        MemorySegment capability = capability(Type1Structs.CAP_IOVA_RANGE_BYTES + ranges.size() * Type1Structs.IOVA_RANGE_BYTES,
                Type1Structs.CAP_IOVA_RANGE);
        capability.set(ValueLayout.JAVA_INT_UNALIGNED, Type1Structs.CAP_HEADER_BYTES, ranges.size());
        long offset = Type1Structs.CAP_IOVA_RANGE_BYTES;
        for (IovaRange range : ranges) {
            capability.set(ValueLayout.JAVA_LONG_UNALIGNED, offset, range.start());
            capability.set(ValueLayout.JAVA_LONG_UNALIGNED, offset + Long.BYTES, range.last());
            offset += Type1Structs.IOVA_RANGE_BYTES;
        }
        return capability;
    }

    private static MemorySegment capability(int bytes, short id) {
        MemorySegment capability = MemorySegment.ofArray(new byte[bytes]);
        capability.set(ValueLayout.JAVA_SHORT_UNALIGNED, 0, id);
        capability.set(ValueLayout.JAVA_SHORT_UNALIGNED, Type1Structs.CAP_VERSION, (short) 1);
        return capability;
    }

    private static int align(int bytes) {
        return bytes + Long.BYTES - 1 & -Long.BYTES;
    }

    private static int int32(MemorySegment struct, long offset) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, offset);
    }

    private static long int64(MemorySegment struct, long offset) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, offset);
    }

    @Override
    public void close() {
        // nothing of its own
    }
}
