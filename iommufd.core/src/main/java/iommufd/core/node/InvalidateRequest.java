package iommufd.core.node;

import iommufd.api.Errno;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.IommufdException;
import iommufd.api.IommufdObject;
import iommufd.api.NestedHwpt;
import iommufd.api.Viommu;
import iommufd.api.uapi.IommuHwptInvalidate;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Function;

/**
 * {@code IOMMU_HWPT_INVALIDATE} ({@code hw_pagetable.c}): whatever happens, the client learns how many entries were carried
 * out.
 */
final class InvalidateRequest {
    private static final int MAX_ENTRIES = 1 << 19;
    private static final int MAX_ENTRY_BYTES = 4096;
    /** Copied at once; a guest's batches are far smaller. */
    private static final int PART_BYTES = 1 << 16;

    private InvalidateRequest() {}

    static void invalidate(IoctlCall call) {
        MemorySegment struct = call.struct();
        Progress progress = new Progress();
        try {
            invalidate(call, progress);
        } catch (IommufdException refused) {
            IommuHwptInvalidate.entryNum(struct, progress.done);
            call.respond();
            throw refused;
        }
        IommuHwptInvalidate.entryNum(struct, progress.done);
        call.respond();
    }

    /** Entries carried out, from the first. */
    private static final class Progress {
        int done;
    }

    private static void invalidate(IoctlCall call, Progress progress) {
        MemorySegment struct = call.struct();
        IoctlCall.requireZero(IommuHwptInvalidate.reserved(struct));
        int count = IommuHwptInvalidate.entryNum(struct);
        int entryBytes = IommuHwptInvalidate.entryLen(struct);
        boolean sound = IommuHwptInvalidate.dataUptr(struct) != 0 && entryBytes > 0 && entryBytes <= MAX_ENTRY_BYTES && count > 0 && count <= MAX_ENTRIES;
        if (count != 0 && !sound) {
            throw new IommufdException(Errno.EINVAL, "%s entries of %s bytes at 0x%x".formatted(Integer.toUnsignedString(count),
                    Integer.toUnsignedString(entryBytes), IommuHwptInvalidate.dataUptr(struct)));
        }
        if (call.file().extensionObject(IommuHwptInvalidate.hwptId(struct)).isPresent()) {
            throw new IommufdException(Errno.EINVAL, "object %d has no caches a guest could invalidate".formatted(IommuHwptInvalidate.hwptId(struct)));
        }
        IommufdObject target = call.file().context().object(IommuHwptInvalidate.hwptId(struct));
        Function<InvalidationEntries, InvalidationResult> invalidation = switch (target) {
            case NestedHwpt nested -> nested::invalidate;
            case Viommu viommu -> viommu::invalidate;
            default -> throw new IommufdException(Errno.EINVAL, target + " has no caches a guest could invalidate");
        };
        run(call, invalidation, Math.max(1, PART_BYTES / Math.max(1, entryBytes)), progress);
    }

    private static void run(IoctlCall call, Function<InvalidationEntries, InvalidationResult> invalidation, int partEntries, Progress progress) {
        MemorySegment struct = call.struct();
        int type = IommuHwptInvalidate.dataType(struct);
        int count = IommuHwptInvalidate.entryNum(struct);
        int entryBytes = IommuHwptInvalidate.entryLen(struct);
        if (count == 0) {
            finish(invalidation.apply(new InvalidationEntries(type, entryBytes, 0, MemorySegment.NULL)), progress);
            return;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment part = arena.allocate((long) Math.min(partEntries, count) * entryBytes, Long.BYTES);
            int atOnce = partEntries;
            while (progress.done < count) {
                int entries = Math.min(atOnce, count - progress.done);
                long address = IommuHwptInvalidate.dataUptr(struct) + (long) progress.done * entryBytes;
                try {
                    call.memory().read(address, part.asSlice(0, (long) entries * entryBytes));
                } catch (IommufdException refused) {
                    if (entries == 1) {
                        finish(invalidation.apply(InvalidationEntries.unreadable(type, entryBytes, 1, refused)), progress);
                        continue;
                    }
                    atOnce = Math.max(1, entries / 2);   // those before the hole are carried out
                    continue;
                }
                finish(invalidation.apply(new InvalidationEntries(type, entryBytes, entries, part)), progress);
            }
        }
    }

    private static void finish(InvalidationResult result, Progress progress) {
        progress.done += result.done();
        result.failure().ifPresent(errno -> {
            throw new IommufdException(errno, "the hardware refused invalidation request " + progress.done);
        });
    }
}
