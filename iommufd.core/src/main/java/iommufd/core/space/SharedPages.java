package iommufd.core.space;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A linear part of some memory, shared by every area that was copied from one mapping. Pages are pinned and charged while
 * somebody holds them: an area for the page tables of its space, or an access. Thread-safe by its monitor, as there may be
 * very many; recycled.
 */
final class SharedPages {
    private static final Logger LOG = LoggerFactory.getLogger(SharedPages.class);
    private static final long PAGE_BYTES = UserMemory.PAGE_BYTES;

    private final PagePins pins = new PagePins();
    private UserMemory.Kind kind = UserMemory.Kind.PROCESS;
    private long pageCount;
    private int references;
    private Area firstArea;
    /** Pages {@code [revokedFirst, revokedEnd)} and maybe some between were revoked; empty if none. */
    private long revokedFirst = Long.MAX_VALUE;
    private long revokedEnd;
    /** Survives recycling, so that mapping the same memory again subscribes to nothing. */
    private volatile RevocationWatch watch;

    /**
     * Begins a life with one reference.
     *
     * @param address start in the memory, multiple of a page
     */
    void init(UserMemory ofMemory, long address, long pages, boolean mayBeWritten, PinCharge payer) {
        assert references == 0 : "only pages nobody uses are used anew";
        if (watch != null && watch.memory != ofMemory) {
            forgetMemory();
        }
        begin(ofMemory, address, pages, mayBeWritten, payer);
        try {
            ofMemory.retain();
            if (watch == null) {
                watchMemory();
            }
        } catch (RuntimeException | Error failed) {
            references = 0;
            throw PluginFailure.of("memory asked to stay and to tell of its revocation", failed);
        }
    }

    private synchronized void begin(UserMemory ofMemory, long address, long pages, boolean mayBeWritten, PinCharge payer) {
        kind = ofMemory.kind();
        pins.init(ofMemory, address, mayBeWritten, kind == UserMemory.Kind.EXPORTED ? PinCharge.NONE : payer);
        pageCount = pages;
        revokedFirst = Long.MAX_VALUE;
        revokedEnd = 0;
        references = 1;
    }

    private void watchMemory() {
        RevocationWatch fresh = new RevocationWatch(this, pins.memory());
        watch = fresh;
        try {
            fresh.subscription = fresh.memory.onRevocation(fresh);
        } catch (RuntimeException | Error failed) {
            watch = null;
            letGo(fresh.memory);
            throw failed;
        }
    }

    UserMemory.Kind kind() {
        return kind;
    }

    boolean writable() {
        return pins.writable();
    }

    long startAddress() {
        return pins.startAddress();
    }

    long pageCount() {
        return pageCount;
    }

    synchronized void retain() {
        references++;
    }

    /** @return whether that was the last reference; these pages can then be used anew */
    synchronized boolean release() {
        if (--references > 0) {
            return false;
        }
        if (!pins.isEmpty()) {
            pins.unhold(0, pageCount);
        }
        letGo(pins.memory());
        return true;
    }

    private static void letGo(UserMemory memory) {
        try {
            memory.release();
        } catch (RuntimeException | Error broken) {
            LOG.error("memory failed to be released, which must never fail", broken);
        }
    }

    /** Stops watching the memory these pages were part of; for pages that are thrown away. */
    void forgetMemory() {
        if (watch != null) {
            watch.subscription.close();
            watch = null;
        }
    }

    synchronized void addArea(Area area) {
        area.nextOfPages = firstArea;
        if (firstArea != null) {
            firstArea.previousOfPages = area;
        }
        firstArea = area;
    }

    synchronized void removeArea(Area area) {
        if (area.previousOfPages == null) {
            firstArea = area.nextOfPages;
        } else {
            area.previousOfPages.nextOfPages = area.nextOfPages;
        }
        if (area.nextOfPages != null) {
            area.nextOfPages.previousOfPages = area.previousOfPages;
        }
        area.previousOfPages = null;
        area.nextOfPages = null;
    }

    /**
     * Holds pages {@code [first, end)}, pinning and charging those nobody held, all or nothing.
     *
     * @return false, with nothing held, if any was revoked
     * @throws IommufdException what charging or pinning throws
     */
    synchronized boolean hold(long first, long end) {
        if (revoked(first, end)) {
            return false;
        }
        pins.hold(first, end);
        return true;
    }

    /** Holds exported memory until the last reference goes: its exporter expects a pin as long as there is a mapping. */
    void holdExported() {
        assert kind == UserMemory.Kind.EXPORTED;
        hold(0, pageCount);
    }

    /** Ends one {@link #hold} of the same range, or of a part of one; unpins what nobody holds any more. */
    synchronized void unhold(long first, long end) {
        pins.unhold(first, end);
    }

    /** Keeps held pages pinned for ever: something may still reach them that cannot be stopped. */
    synchronized void leak(long first, long end) {
        pins.holdAgain(first, end);
        references++;
    }

    /**
     * As {@link #hold}, for an access, which is counted on the area; appends the runs behind the bytes.
     *
     * @throws IommufdException {@link Errno#ENODEV} if any was revoked
     */
    synchronized void holdForAccess(Area area, long startByte, long lengthBytes, boolean locking, PinnedRuns runs) {
        long first = Area.pageOf(startByte);
        long end = Area.pageOf(startByte + lengthBytes - 1) + 1;
        if (revoked(first, end)) {
            throw new IommufdException(Errno.ENODEV, "the memory behind this range was revoked by its owner");
        }
        pins.hold(first, end);
        pins.appendTo(startByte, lengthBytes, runs);
        area.accessPins++;
        area.locks += locking ? 1 : 0;
    }

    /** Undoes one {@link #holdForAccess}. */
    synchronized void unholdForAccess(Area area, long startByte, long lengthBytes, boolean locking) {
        area.accessPins--;
        area.locks -= locking ? 1 : 0;
        pins.unhold(Area.pageOf(startByte), Area.pageOf(startByte + lengthBytes - 1) + 1);
    }

    /** Copies as the memory's owner would, whatever is pinned. @return as {@link UserMemory#readAsOwner} */
    boolean copyAsOwner(long startByte, MemorySegment bytes, boolean write) {
        UserMemory memory = pins.memory();
        long address = pins.startAddress() + startByte;
        try {
            return write ? memory.writeAsOwner(address, bytes) : memory.readAsOwner(address, bytes);
        } catch (RuntimeException | Error failed) {
            throw PluginFailure.of("memory asked to copy 0x%x bytes at 0x%x".formatted(bytes.byteSize(), address), failed);
        }
    }

    /**
     * Makes the pages behind some bytes stay for one copy, without a charge, and appends their runs: through what is pinned
     * already, even if its owner is gone; else by a pin of its own. Where one ends and the other begins the runs end.
     *
     * @return whether they are held; {@link #endCopy} needs to know
     */
    synchronized boolean beginCopy(long startByte, long lengthBytes, boolean write, PinnedRuns wholePages) {
        long first = Area.pageOf(startByte);
        long end = Area.pageOf(startByte + lengthBytes - 1) + 1;
        if (revoked(first, end)) {
            throw new IommufdException(Errno.ENODEV, "the memory behind this range was revoked by its owner");
        }
        long heldEnd = pins.nextFree(first, end);
        if (heldEnd > first) {
            pins.appendTo(first * PAGE_BYTES, (heldEnd - first) * PAGE_BYTES, wholePages);
            pins.holdAgain(first, heldEnd);
            return true;
        }
        // As in Linux pages of a process are pinned as the mapping may be used, not as this copy does.
        pins.pin(first, pins.nextHeld(first, end), write || kind == UserMemory.Kind.PROCESS && pins.writable(), wholePages);
        return false;
    }

    /** Ends {@link #beginCopy}. */
    void endCopy(long startByte, long lengthBytes, boolean held, PinnedRuns wholePages) {
        if (held) {
            unhold(Area.pageOf(startByte), Area.pageOf(startByte + lengthBytes - 1) + 1);
        } else {
            PinnedExtents.unpin(wholePages, pins.memory());
        }
    }

    /**
     * The runs behind bytes that are held: the stored ones if they are just these, else put together in {@code scratch}.
     * Valid as long as the bytes are held.
     */
    synchronized PinnedRuns runs(long startByte, long lengthBytes, PinnedRuns scratch) {
        return pins.runs(startByte, lengthBytes, scratch);
    }

    /** Whether any of the pages was revoked. */
    synchronized boolean revokedPages(long first, long end) {
        return revoked(first, end);
    }

    PinCharge charge() {
        return pins.charge();
    }

    /** Pages charged now. All spaces that show these pages are locked by the caller. */
    long chargedPages() {
        return pins.charge() == PinCharge.NONE ? 0 : pins.pinnedPages();
    }

    /** Lets another payer, who was charged already, pay for what is pinned. Locks as {@link #chargedPages}. */
    synchronized void moveCharge(PinCharge to) {
        pins.moveCharge(to);
    }

    private boolean revoked(long first, long end) {
        assert Thread.holdsLock(this);
        return first < revokedEnd && revokedFirst < end;
    }

    /** The memory goes away: on return no page table shows it and every access that pins it was told. */
    private void revoke(RevocationWatch by, long address, long lengthBytes) {
        for (Area area : markRevoked(by, address, lengthBytes)) {
            area.space.revoke(area, this);
        }
    }

    /** @return all areas, if this concerns them */
    private synchronized List<Area> markRevoked(RevocationWatch by, long address, long lengthBytes) {
        long start = pins.startAddress();
        long first = Math.max(0, (address - start) / PAGE_BYTES);
        long end = Math.min(pageCount, (address + lengthBytes - start + PAGE_BYTES - 1) / PAGE_BYTES);
        if (watch != by || references == 0 || first >= end) {
            return List.of();
        }
        revokedFirst = Math.min(revokedFirst, first);
        revokedEnd = Math.max(revokedEnd, end);
        List<Area> affected = new ArrayList<>();
        for (Area area = firstArea; area != null; area = area.nextOfPages) {
            affected.add(area);
        }
        return affected;
    }

    /** Ties one subscription to the pages, so that a late message of former memory is told from one of the present. */
    private static final class RevocationWatch implements UserMemory.RevocationListener {
        final SharedPages pages;
        final UserMemory memory;
        UserMemory.Subscription subscription = () -> { };

        RevocationWatch(SharedPages pages, UserMemory memory) {
            this.pages = pages;
            this.memory = memory;
        }

        @Override
        public void revoked(long address, long lengthBytes) {
            pages.revoke(this, address, lengthBytes);
        }
    }
}
