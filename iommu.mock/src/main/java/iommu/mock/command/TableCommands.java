package iommu.mock.command;

import iommu.mock.hardware.MockDomain;
import iommu.mock.hardware.MockNested;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.NestedHwpt;
import iommufd.api.PagingHwpt;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import iommufd.api.uapi.IommufdFile;
import java.lang.foreign.MemorySegment;
import java.util.function.LongUnaryOperator;

/** Commands that look into page tables, and at pins. */
final class TableCommands {
    private static final long PAGE_BYTES = UserMemory.PAGE_BYTES;
    private static final long LARGEST_BITMAP_BITS = 16L << 20 << 3;

    private final IommufdFile file;

    TableCommands(IommufdFile file) {
        this.file = file;
    }

    /** ADD_RESERVED. */
    void reserve(TestCommand command) {
        long start = command.int64(TestCommand.RESERVED_START);
        long length = command.int64(TestCommand.RESERVED_LENGTH);
        if (length == 0) {
            throw new IommufdException(Errno.EINVAL, "a reserved range of length 0");
        }
        long last = start + (length - 1);
        if (Long.compareUnsigned(last, start) < 0) {
            throw new IommufdException(Errno.EOVERFLOW, "0x%x bytes at 0x%x reach beyond 64 bits".formatted(length, start));
        }
        if (!(file.context().object(command.id()) instanceof Ioas ioas)) {
            throw new IommufdException(Errno.ENOENT, "object %d is no IOAS".formatted(command.id()));
        }
        file.reserve(ioas, new IovaRange(start, last));
    }

    private MockDomain paging(int id) {
        if (!(file.context().object(id) instanceof PagingHwpt hwpt)) {
            throw new IommufdException(Errno.ENOENT, "object %s is no paging HWPT".formatted(Integer.toUnsignedString(id)));
        }
        if (file.hardwareDomain(hwpt) instanceof MockDomain domain) {
            return domain;
        }
        throw new IommufdException(Errno.EINVAL, hwpt + " is no page table of the mock IOMMU");
    }

    /** MD_CHECK_MAP: the table maps exactly the client's pages. */
    void checkMapped(TestCommand command) {
        MockDomain domain = paging(command.id());
        long iova = command.int64(TestCommand.MAP_IOVA);
        long length = command.int64(TestCommand.MAP_LENGTH);
        long uptr = command.int64(TestCommand.MAP_UPTR);
        long pageBytes = domain.geometry().smallestPageBytes();
        if (((iova | length | uptr) & pageBytes - 1) != 0 || Long.compareUnsigned(uptr + length, uptr) < 0) {
            throw new IommufdException(Errno.EINVAL, "the range to check is not aligned to 0x%x, or too long".formatted(pageBytes));
        }
        UserMemory memory = command.caller().memory().mappable();
        PinnedRuns page = new PinnedRuns(1);
        for (long done = 0; done != length; ) {
            long inPage = uptr + done & PAGE_BYTES - 1;
            long end = Math.min(PAGE_BYTES - inPage, length - done);
            long physicalAddress = physicalPage(memory, uptr + done - inPage, page) + inPage;
            for (long part = 0; part < end; part += pageBytes) {
                long mapped = domain.translate(iova + done + part);
                if (mapped != physicalAddress + part) {
                    throw new IommufdException(Errno.EINVAL, "IOVA 0x%x leads to 0x%x, the client's page is at 0x%x"
                            .formatted(iova + done + part, mapped, physicalAddress + part));
                }
            }
            done += end;
        }
    }

    /** Physical address of a client's page, which may be elsewhere a moment later. */
    private static long physicalPage(UserMemory memory, long address, PinnedRuns scratch) {
        scratch.clear();
        memory.pin(address, PAGE_BYTES, false, scratch);
        long physicalAddress = scratch.physicalAddress(0);
        memory.unpin(physicalAddress, PAGE_BYTES);
        return physicalAddress;
    }

    /** MD_CHECK_REFS: every page has exactly so many pins. */
    void checkPins(TestCommand command) {
        long length = command.int64(TestCommand.REFS_LENGTH);
        long uptr = command.int64(TestCommand.REFS_UPTR);
        if (((length | uptr) & PAGE_BYTES - 1) != 0 || Long.compareUnsigned(uptr + length, uptr) < 0) {
            throw new IommufdException(Errno.EINVAL, "the range to check is not made of pages, or too long");
        }
        checkPins(command.caller().memory().mappable(), uptr, length, Integer.toUnsignedLong(command.int32(TestCommand.REFS_COUNT)), file::pins);
    }

    private static void checkPins(UserMemory memory, long uptr, long length, long expected, LongUnaryOperator pinsOf) {
        PinnedRuns page = new PinnedRuns(1);
        for (long done = 0; done != length; done += PAGE_BYTES) {
            long pins = pinsOf.applyAsLong(physicalPage(memory, uptr + done, page));
            if (pins != expected) {
                throw new IommufdException(Errno.EIO, "the page at 0x%x has %d pins, not %d".formatted(uptr + done, pins, expected));
            }
        }
    }

    /** DIRTY: as if a device had written each page whose bit is set. */
    void markWritten(TestCommand command) {
        long iova = command.int64(TestCommand.DIRTY_IOVA);
        long length = command.int64(TestCommand.DIRTY_LENGTH);
        long pageBytes = command.int64(TestCommand.DIRTY_PAGE_SIZE);
        long uptr = command.int64(TestCommand.DIRTY_UPTR);
        if (pageBytes == 0 || length == 0 || Long.remainderUnsigned(iova, pageBytes) != 0 || Long.remainderUnsigned(length, pageBytes) != 0
                || uptr == 0) {
            throw new IommufdException(Errno.EINVAL, "0x%x bytes at 0x%x are not made of pages of 0x%x".formatted(length, iova, pageBytes));
        }
        long pages = Long.divideUnsigned(length, pageBytes);
        if (Long.compareUnsigned(pages, LARGEST_BITMAP_BITS) > 0) {
            throw new IommufdException(Errno.EOVERFLOW, "a bitmap of %s bits is too long".formatted(Long.toUnsignedString(pages)));
        }
        MockDomain domain = paging(command.id());
        if (!domain.tracking()) {
            throw new IommufdException(Errno.EINVAL, "the table does not track dirty pages now");
        }
        byte[] bitmap = new byte[(int) (pages + Byte.SIZE - 1 >>> 3)];
        command.caller().memory().read(uptr, MemorySegment.ofArray(bitmap));
        long marked = 0;
        for (int i = 0; i < pages; i++) {
            if ((bitmap[i >>> 3] >>> (i & 7) & 1) != 0) {
                domain.markWritten(iova + i * pageBytes);
                marked++;
            }
        }
        command.set(TestCommand.DIRTY_OUT_COUNT, marked).respond();
    }

    /** MD_CHECK_IOTLB. */
    void checkCached(TestCommand command) {
        int expected = command.int32(TestCommand.IOTLB_VALUE);
        if (!(file.context().object(command.id()) instanceof NestedHwpt hwpt)) {
            throw new IommufdException(Errno.ENOENT, "object %s is no nested HWPT".formatted(Integer.toUnsignedString(command.id())));
        }
        boolean same = file.hardwareDomain(hwpt) instanceof MockNested nested
                && nested.cached(command.int32(TestCommand.IOTLB_ID)).filter(value -> value == expected).isPresent();
        if (!same) {
            throw new IommufdException(Errno.EINVAL, "the cached entry does not hold 0x%x".formatted(expected));
        }
    }
}
