package iommufd.core.node;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.IovaRanges;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.ClientFile;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IommuIoasAlloc;
import iommufd.api.uapi.IommuIoasAllowIovas;
import iommufd.api.uapi.IommuIoasCopy;
import iommufd.api.uapi.IommuIoasIovaRanges;
import iommufd.api.uapi.IommuIoasMap;
import iommufd.api.uapi.IommuIoasMapFile;
import iommufd.api.uapi.IommuIoasNoiommuGetPa;
import iommufd.api.uapi.IommuIoasUnmap;
import iommufd.api.uapi.IommuIovaRange;
import iommufd.api.uapi.MappableNode;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;

/** Requests about IO address spaces ({@code ioas.c}). */
final class IoasRequests {
    private static final long PAGE_BYTES = UserMemory.PAGE_BYTES;
    private static final int MAP_FLAGS =
            IommuIoasMap.IOMMU_IOAS_MAP_FIXED_IOVA | IommuIoasMap.IOMMU_IOAS_MAP_WRITEABLE | IommuIoasMap.IOMMU_IOAS_MAP_READABLE;
    /** Ranges that are copied at once. */
    private static final int RANGES_AT_ONCE = 256;
    private static final UserMemory NOT_MEMORY = new UnpinnableFile();

    private IoasRequests() {}

    static void allocate(IoctlCall call) {
        MemorySegment struct = call.struct();
        IoctlCall.requireZero(IommuIoasAlloc.flags(struct));
        Ioas ioas = call.file().context().allocateIoas();
        IommuIoasAlloc.outIoasId(struct, ioas.id());
        Unwind.onFailure(call::respond, ioas::destroy);
    }

    static void iovaRanges(IoctlCall call) {
        MemorySegment struct = call.struct();
        IoctlCall.requireZero(IommuIoasIovaRanges.reserved(struct));
        IovaRanges ranges = call.object(IommuIoasIovaRanges.ioasId(struct), Ioas.class).iovaRanges();
        int room = IommuIoasIovaRanges.numIovas(struct);
        int count = ranges.usable().size();
        boolean fits = Integer.compareUnsigned(count, room) <= 0;
        int copied = fits ? count : room;
        MemorySegment array = MemorySegment.ofArray(new byte[copied * IommuIovaRange.SIZE_BYTES]);
        for (int i = 0; i < copied; i++) {
            MemorySegment element = array.asSlice((long) i * IommuIovaRange.SIZE_BYTES, IommuIovaRange.SIZE_BYTES);
            IommuIovaRange.start(element, ranges.usable().get(i).start());
            IommuIovaRange.last(element, ranges.usable().get(i).last());
        }
        if (copied > 0) {
            ClientData.write(call.memory(), IommuIoasIovaRanges.allowedIovas(struct), array);
        }
        IommuIoasIovaRanges.numIovas(struct, count);
        IommuIoasIovaRanges.outIovaAlignment(struct, ranges.alignmentBytes());
        call.respond();
        if (!fits) {
            throw new IommufdException(Errno.EMSGSIZE, "there are %d usable ranges, and room for %s".formatted(count, Integer.toUnsignedString(room)));
        }
    }

    static void allowIovas(IoctlCall call) {
        MemorySegment struct = call.struct();
        IoctlCall.requireZero(IommuIoasAllowIovas.reserved(struct));
        Ioas ioas = call.object(IommuIoasAllowIovas.ioasId(struct), Ioas.class);
        ioas.allowIovas(ranges(call, IommuIoasAllowIovas.allowedIovas(struct), Integer.toUnsignedLong(IommuIoasAllowIovas.numIovas(struct))));
    }

    /** One after the other: which error comes first depends on it. */
    private static List<IovaRange> ranges(IoctlCall call, long address, long count) {
        List<IovaRange> ranges = new ArrayList<>();
        TreeMap<Long, Long> lastByStart = new TreeMap<>(Long::compareUnsigned);
        byte[] bytes = new byte[(int) Math.min(count, RANGES_AT_ONCE) * IommuIovaRange.SIZE_BYTES];
        for (long done = 0; done < count; ) {
            int copied = copyElements(call, address + done * IommuIovaRange.SIZE_BYTES, (int) Math.min(RANGES_AT_ONCE, count - done), bytes);
            for (int i = 0; i < copied; i++) {
                MemorySegment element = MemorySegment.ofArray(bytes).asSlice((long) i * IommuIovaRange.SIZE_BYTES, IommuIovaRange.SIZE_BYTES);
                long start = IommuIovaRange.start(element);
                long last = IommuIovaRange.last(element);
                var below = lastByStart.floorEntry(last);
                if (Long.compareUnsigned(start, last) >= 0 || below != null && Long.compareUnsigned(below.getValue(), start) >= 0) {
                    throw new IommufdException(Errno.EINVAL, "the allowed range 0x%x..0x%x is empty, or overlaps one before".formatted(start, last));
                }
                lastByStart.put(start, last);
                ranges.add(new IovaRange(start, last));
            }
            done += copied;
        }
        return ranges;
    }

    /** @return how many of the elements could be copied; at least one */
    private static int copyElements(IoctlCall call, long address, int count, byte[] to) {
        if (count > 1) {
            try {
                call.memory().read(address, MemorySegment.ofArray(to).asSlice(0, (long) count * IommuIovaRange.SIZE_BYTES));
                return count;
            } catch (IommufdException refused) {
                return copyElements(call, address, count / 2, to);
            }
        }
        call.memory().read(address, MemorySegment.ofArray(to).asSlice(0, IommuIovaRange.SIZE_BYTES));
        return 1;
    }

    static void map(IoctlCall call) {
        MemorySegment struct = call.struct();
        int flags = IommuIoasMap.flags(struct);
        IoctlCall.requireKnown(flags, MAP_FLAGS);
        IoctlCall.requireZero(IommuIoasMap.reserved(struct));
        long iova = IommuIoasMap.iova(struct);
        long length = IommuIoasMap.length(struct);
        DmaAccess access = access(flags, iova == -1L || length == -1L);
        Ioas ioas = call.object(IommuIoasMap.ioasId(struct), Ioas.class);
        long address = IommuIoasMap.userVa(struct);
        checkMemory(address, length);
        UserMemory memory = call.file().countedOrPlain(call.memory().mappable());
        IommuIoasMap.iova(struct, call.file().map(call.caller(), ioas, fixed(flags), iova, memory, address, length, access));
        call.respond();
    }

    static void mapFile(IoctlCall call) {
        MemorySegment struct = call.struct();
        int flags = IommuIoasMapFile.flags(struct);
        IoctlCall.requireKnown(flags, MAP_FLAGS);
        long iova = IommuIoasMapFile.iova(struct);
        long length = IommuIoasMapFile.length(struct);
        DmaAccess access = access(flags, iova == -1L || length == -1L);
        Ioas ioas = call.object(IommuIoasMapFile.ioasId(struct), Ioas.class);
        long start = IommuIoasMapFile.start(struct);
        if (length == 0) {
            throw new IommufdException(Errno.EINVAL, "the length is 0");
        }
        if (Long.compareUnsigned(start + (length - 1), start) < 0) {
            throw new IommufdException(Errno.EOVERFLOW, "0x%x bytes at offset 0x%x reach beyond 64 bits".formatted(length, start));
        }
        UserMemory content = retainedContent(call, IommuIoasMapFile.fd(struct));
        try {
            checkPagesLength(length);
            UserMemory memory = call.file().countedOrPlain(content);
            IommuIoasMapFile.iova(struct, call.file().map(call.caller(), ioas, fixed(flags), iova, memory, start, length, access));
        } finally {
            content.release();
        }
        call.respond();
    }

    /** The caller releases it, once it is mapped. */
    private static UserMemory retainedContent(IoctlCall call, int descriptor) {
        Optional<OpenNode> node = call.caller().files().node(descriptor);
        if (node.isPresent()) {
            UserMemory exported = node.get() instanceof MappableNode mappable ? mappable.mappable() : NOT_MEMORY;
            exported.retain();
            return exported;
        }
        try (ClientFile file = call.caller().files().take(descriptor)) {
            UserMemory content = file.mappable();
            content.retain();
            return content;
        } catch (IommufdException refused) {
            if (refused.errno() != Errno.EINVAL) {
                throw refused;
            }
            return NOT_MEMORY;   // noticed only when something pins it
        }
    }

    private static DmaAccess access(int flags, boolean tooHigh) {
        if (tooHigh) {
            throw new IommufdException(Errno.EOVERFLOW, "IOVA and length must be below 2^64 - 1");
        }
        boolean writable = (flags & IommuIoasMap.IOMMU_IOAS_MAP_WRITEABLE) != 0;
        boolean readable = (flags & IommuIoasMap.IOMMU_IOAS_MAP_READABLE) != 0;
        if (!writable && !readable) {
            throw new IommufdException(Errno.EINVAL, "a mapping must be readable or writable");
        }
        return !writable ? DmaAccess.READ : readable ? DmaAccess.READ_WRITE : DmaAccess.WRITE;
    }

    private static boolean fixed(int flags) {
        return (flags & IommuIoasMap.IOMMU_IOAS_MAP_FIXED_IOVA) != 0;
    }

    /** What a process's memory is refused for before anybody looks at the IOVA. */
    static void checkMemory(long address, long length) {
        if (Long.compareUnsigned(address + length, address) < 0) {
            throw new IommufdException(Errno.EOVERFLOW, "0x%x bytes at 0x%x reach beyond 64 bits".formatted(length, address));
        }
        checkPagesLength(length);
    }

    private static void checkPagesLength(long length) {
        if (length == 0 || Long.compareUnsigned(length, -1L - PAGE_BYTES) > 0) {
            throw new IommufdException(Errno.EINVAL, "0x%x bytes cannot be mapped".formatted(length));
        }
    }

    static void copy(IoctlCall call) {
        MemorySegment struct = call.struct();
        int flags = IommuIoasCopy.flags(struct);
        IoctlCall.requireKnown(flags, MAP_FLAGS);
        long length = IommuIoasCopy.length(struct);
        long sourceIova = IommuIoasCopy.srcIova(struct);
        long iova = IommuIoasCopy.dstIova(struct);
        DmaAccess access = access(flags, length == -1L || sourceIova == -1L || iova == -1L);
        Ioas source = call.object(IommuIoasCopy.srcIoasId(struct), Ioas.class);
        call.file().client().checkMapped(source, sourceIova, length);
        Ioas target = call.object(IommuIoasCopy.dstIoasId(struct), Ioas.class);
        if (fixed(flags)) {
            target.copyAt(iova, source, sourceIova, length, access);
        } else {
            IommuIoasCopy.dstIova(struct, target.copy(source, sourceIova, length, access));
        }
        call.respond();
    }

    static void unmap(IoctlCall call) {
        MemorySegment struct = call.struct();
        Ioas ioas = call.object(IommuIoasUnmap.ioasId(struct), Ioas.class);
        long iova = IommuIoasUnmap.iova(struct);
        IommuIoasUnmap.length(struct, call.file().client().unmap(ioas, iova, IommuIoasUnmap.length(struct)));
        call.respond();
    }

    /** Only page tables without an IOMMU tell addresses, and no deployed hardware makes such. */
    static void physicalAddress(IoctlCall call) {
        MemorySegment struct = call.struct();
        if (!call.caller().owner().rawIo()) {
            throw new IommufdException(Errno.EPERM, "physical addresses are for clients with CAP_SYS_RAWIO");
        }
        IoctlCall.requireZero(IommuIoasNoiommuGetPa.flags(struct));
        IoctlCall.requireZero(IommuIoasNoiommuGetPa.reserved(struct));
        long iova = IommuIoasNoiommuGetPa.iova(struct);
        if (IommuIoasNoiommuGetPa.length(struct) == 0) {
            throw new IommufdException(Errno.EINVAL, "the length is 0");
        }
        if (iova == -1L) {
            throw new IommufdException(Errno.EOVERFLOW, "the IOVA must be below 2^64 - 1");
        }
        Ioas ioas = call.object(IommuIoasNoiommuGetPa.ioasId(struct), Ioas.class);
        OptionalLong mapped = call.file().client().lastContiguous(ioas, iova, iova);
        if (mapped.isEmpty()) {
            throw new IommufdException(Errno.ENOENT, "nothing is mapped at IOVA 0x%x".formatted(iova));
        }
        throw new IommufdException(Errno.EOPNOTSUPP, "the devices of this address space have an IOMMU; addresses are told only where there is none");
    }
}
