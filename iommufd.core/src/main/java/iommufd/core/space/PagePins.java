package iommufd.core.space;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;

/**
 * Which pages of a linear part of some memory are held how often, and where the held ones lie: pinned and charged while
 * somebody holds them. Guarded by the lock of the {@link SharedPages} it belongs to.
 */
final class PagePins {
    private static final long PAGE_BYTES = UserMemory.PAGE_BYTES;

    private final HoldCounts holds = new HoldCounts();
    private final PinnedExtents extents = new PinnedExtents();
    private UserMemory memory;
    private long startAddress;
    private boolean writable;
    private PinCharge charge = PinCharge.NONE;
    private long pinnedPages;

    /** Begins anew with other pages; nothing is held. */
    void init(UserMemory ofMemory, long address, boolean mayBeWritten, PinCharge payer) {
        assert holds.isEmpty() : "only pages nobody uses are used anew";
        memory = ofMemory;
        startAddress = address;
        writable = mayBeWritten;
        charge = payer;
    }

    UserMemory memory() {
        return memory;
    }

    long startAddress() {
        return startAddress;
    }

    boolean writable() {
        return writable;
    }

    PinCharge charge() {
        return charge;
    }

    long pinnedPages() {
        return pinnedPages;
    }

    boolean isEmpty() {
        return holds.isEmpty();
    }

    /** The first page of {@code [first, end)} that is not held, or {@code end}. */
    long nextFree(long first, long end) {
        return holds.nextFree(first, end);
    }

    /** The first page of {@code [first, end)} that is held, or {@code end}. */
    long nextHeld(long first, long end) {
        return holds.nextHeld(first, end);
    }

    /** Another payer, who was charged already, pays for what is pinned. */
    void moveCharge(PinCharge to) {
        charge.uncharge(pinnedPages);
        charge = to;
    }

    /**
     * Holds pages {@code [first, end)}, pinning and charging those nobody held, all or nothing.
     *
     * @throws IommufdException what charging or pinning throws
     */
    void hold(long first, long end) {
        long missing = holds.freePages(first, end);
        if (missing > 0) {
            pinMissing(first, end, missing);
        }
        holds.add(first, end, 1);
    }

    private void pinMissing(long first, long end, long missing) {
        charge.charge(missing);
        long gap = holds.nextFree(first, end);
        try {
            while (gap < end) {
                long gapEnd = holds.nextHeld(gap, end);
                PinnedRuns runs = extents.takeRuns();
                try {
                    pin(gap, gapEnd, writable, runs);
                } catch (IommufdException refused) {
                    extents.recycle(runs);
                    throw refused;
                }
                extents.insert(gap, runs);
                gap = holds.nextFree(gapEnd, end);
            }
        } catch (IommufdException refused) {
            unpinGaps(first, gap);
            charge.uncharge(missing);
            throw refused;
        }
        pinnedPages += missing;
    }

    /** Pins pages and appends their runs, whoever holds them; checks that the memory kept its promise. */
    void pin(long first, long end, boolean write, PinnedRuns runs) {
        long lengthBytes = (end - first) * PAGE_BYTES;
        try {
            memory.pin(startAddress + first * PAGE_BYTES, lengthBytes, write, runs);
        } catch (RuntimeException | Error failed) {
            runs.clear();
            throw PluginFailure.of("memory asked to pin 0x%x bytes at 0x%x".formatted(lengthBytes, startAddress + first * PAGE_BYTES), failed);
        }
        if (runs.totalBytes() != lengthBytes) {
            long got = runs.totalBytes();
            PinnedExtents.unpin(runs, memory);
            runs.clear();
            throw new IommufdException(Errno.EIO, "the memory pinned 0x%x bytes instead of 0x%x; its owner must be repaired"
                    .formatted(got, lengthBytes));
        }
    }

    /** Ends one {@link #hold} of the pages, or of a part of one; unpins what nobody holds any more. */
    void unhold(long first, long end) {
        holds.add(first, end, -1);
        long unpinned = unpinGaps(first, end);
        if (unpinned > 0) {
            pinnedPages -= unpinned;
            charge.uncharge(unpinned);
        }
    }

    /** Unpins the pages nobody holds. @return how many */
    private long unpinGaps(long first, long end) {
        long unpinned = 0;
        for (long gap = holds.nextFree(first, end); gap < end; ) {
            long gapEnd = holds.nextHeld(gap, end);
            extents.unpin(gap, gapEnd, memory);
            unpinned += gapEnd - gap;
            gap = holds.nextFree(gapEnd, end);
        }
        return unpinned;
    }

    /** Holds pages once more that are held already. */
    void holdAgain(long first, long end) {
        assert holds.freePages(first, end) == 0;
        holds.add(first, end, 1);
    }

    /** Appends the runs behind bytes that are held. */
    void appendTo(long startByte, long lengthBytes, PinnedRuns runs) {
        extents.appendTo(startByte, lengthBytes, runs);
    }

    /** The runs behind bytes that are held: the stored ones if they are just these, else put together in {@code scratch}. */
    PinnedRuns runs(long startByte, long lengthBytes, PinnedRuns scratch) {
        if (((startByte | lengthBytes) & PAGE_BYTES - 1) == 0) {
            PinnedRuns exact = extents.exactly(Area.pageOf(startByte), Area.pageOf(startByte + lengthBytes));
            if (exact != null) {
                return exact;
            }
        }
        scratch.clear();
        extents.appendTo(startByte, lengthBytes, scratch);
        return scratch;
    }
}
