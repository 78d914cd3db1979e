package iommufd.core.fabric;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.NestedTable;
import iommufd.api.hardware.DomainGeometry;
import iommufd.api.hardware.HardwareDomain;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.memory.UserMemory;
import iommufd.core.space.DirtyBitmap;
import iommufd.core.space.IovaSpace;
import iommufd.core.space.SpaceAccess;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A page table that follows an address space, on whatever hardware serves now. */
public final class SpaceTable extends TranslationTable {
    private static final Logger LOG = LoggerFactory.getLogger(SpaceTable.class);

    private final HardwareRack rack;
    private final IovaSpace space;
    private final PagingOptions options;
    /** In the vendor's format; then the table moves to no other vendor's hardware. */
    private final Optional<NestedTable> data;
    private final FabricEndpoint origin;
    /** Held while dirty pages of former hardware are taken over, so that no reader misses them. */
    private final ReentrantLock dirtyLock = new ReentrantLock();
    private final DirtyCarry carry = new DirtyCarry();
    private volatile boolean tracking;
    /** Tracking goes by the smallest entries; so does the table on hardware to come. */
    private volatile boolean preciseDirty;
    private volatile GuardedDomain domain;
    /** Open while no hardware serves. */
    private Optional<SpaceAccess> alignment = Optional.empty();

    private SpaceTable(HardwareRack rack, IovaSpace space, PagingOptions options, Optional<NestedTable> data, FabricEndpoint origin,
            Optional<PageRequestReceiver> receiver) {
        super(receiver);
        this.rack = rack;
        this.space = space;
        this.options = options;
        this.data = data;
        this.origin = origin;
    }

    /**
     * A table for that endpoint, filled from {@code space}. Without hardware it keeps the space's pages pinned until some
     * comes.
     */
    public static SpaceTable create(HardwareRack rack, IovaSpace space, PagingOptions options, Optional<NestedTable> data,
            FabricEndpoint origin, Optional<PageRequestReceiver> receiver) {
        SpaceTable table = new SpaceTable(rack, space, options, data, origin, receiver);
        if (origin.seat().vacant()) {
            space.holdPins(table);
            try {
                table.keepAlignment();
            } catch (RuntimeException | Error refused) {
                space.releasePins(table);
                throw refused;
            }
        } else {
            table.materialize(origin.seat());
        }
        rack.register(table);
        return table;
    }

    /** Makes the table on the seat's hardware, filled. On failure nothing has changed. */
    GuardedDomain build(Seat seat) {
        PagingDomain bare = space.shared().map(table -> seat.allocateShared(options, table)).orElseGet(() -> seat.allocatePaging(options, data));
        GuardedDomain built = new GuardedDomain(seat.hardware(), bare, rack.watch(), rack::quiesce);
        try {
            space.shared().ifPresent(built::follow);
            if (options.dirtyTracking() && built.dirtyTracking().isEmpty()) {
                throw new IommufdException(Errno.EOPNOTSUPP, "hardware %s made a page table without the dirty tracking it was asked for"
                        .formatted(seat.hardware()));
            }
            built.mapSmallestOnly(preciseDirty);
            space.addDomain(built);
        } catch (RuntimeException | Error refused) {
            built.close();
            throw refused;
        }
        return built;
    }

    void materialize(Seat seat) {
        GuardedDomain built = build(seat);
        try {
            trackOn(built);
        } catch (RuntimeException refused) {
            retire(built);
            throw refused;
        }
        adopt(built, seat.hardware());
    }

    /** Starts tracking on a table no DMA goes through yet, if it is on. */
    void trackOn(GuardedDomain built) {
        if (tracking) {
            built.dirtyTracking().orElseThrow(SpaceTable::notTracking).setEnabled(true);
        }
    }

    /** From now on that is the table. @return the one before, if any */
    Optional<GuardedDomain> adopt(GuardedDomain built, BoundHardware owner) {
        Optional<GuardedDomain> former = Optional.ofNullable(domain);
        domain = built;
        moveTo(owner);
        endWaiting();
        return former;
    }

    /** While no hardware serves, nothing may be mapped that the next one could not show. */
    private void keepAlignment() {
        alignment = Optional.of(space.openLockingAccess());
    }

    private void endWaiting() {
        space.releasePins(this);
        space.unreserve(this);
        alignment.ifPresent(SpaceAccess::close);
        alignment = Optional.empty();
    }

    private void waitForHardware(DomainGeometry geometry) {
        space.holdPins(this);
        if (geometry.smallestPageBytes() == UserMemory.PAGE_BYTES) {
            keepAlignment();
        }
        space.reserve(this, outside(geometry.aperture()));
    }

    private static List<IovaRange> outside(IovaRange aperture) {
        List<IovaRange> outside = new ArrayList<>(2);
        if (aperture.start() != 0) {
            outside.add(new IovaRange(0, aperture.start() - 1));
        }
        if (aperture.last() != -1L) {
            outside.add(new IovaRange(aperture.last() + 1, -1L));
        }
        return outside;
    }

    /** Leaves its hardware without a successor: pages stay pinned, what was dirty is kept. */
    void orphan() {
        GuardedDomain former = domain;
        if (former == null) {
            return;
        }
        dirtyLock.lock();
        try {
            harvest(former);
            waitForHardware(former.geometry());
            domain = null;
            moveTo(null);
        } finally {
            dirtyLock.unlock();
        }
        retire(former);
    }

    /** Gives a table nothing is attached to any more back to its hardware. Never fails. */
    void retire(GuardedDomain former) {
        space.removeDomain(former);   // touches nothing of hardware that is severed
        former.close();
    }

    /** Takes dirty pages over from hardware that serves no more. Hold {@link #dirtyLock()} since it served last. */
    void harvest(GuardedDomain former) {
        assert dirtyLock.isHeldByCurrentThread();
        if (tracking) {
            var aperture = former.geometry().aperture();
            former.dirtyTracking().ifPresent(t -> t.read(aperture.start(), aperture.last(), true, carry));
        }
    }

    ReentrantLock dirtyLock() {
        return dirtyLock;
    }

    boolean tracking() {
        return tracking;
    }

    GuardedDomain guarded() {
        GuardedDomain held = domain;
        if (held == null) {
            throw noHardware("its page table");
        }
        return held;
    }

    @Override
    public SpaceTable paging() {
        return this;
    }

    @Override
    public HardwareDomain bare() {
        return guarded().bare();
    }

    /** The address space it shows. */
    public IovaSpace space() {
        return space;
    }

    /** How it was made. */
    public PagingOptions options() {
        return options;
    }

    /** The endpoint it was made for. */
    FabricEndpoint origin() {
        return origin;
    }

    /** As {@link iommufd.api.PagingHwpt#setDirtyTracking}. */
    public void setDirtyTracking(boolean enabled) {
        dirtyLock.lock();
        try {
            if (!options.dirtyTracking()) {
                throw notTracking();
            }
            Optional<GuardedDomain> held = Optional.ofNullable(domain);
            if (enabled) {
                preciseDirty = rack.dirtyPages() || preciseDirty;
                held.filter(d -> preciseDirty).ifPresent(this::splitForTracking);
            }
            try {
                held.ifPresent(d -> d.dirtyTracking().orElseThrow(SpaceTable::notTracking).setEnabled(enabled));
            } catch (RuntimeException | Error refused) {
                if (enabled && !tracking) {
                    endPrecision(held);
                }
                throw refused;
            }
            if (!enabled) {
                endPrecision(held);
            }
            carry.clear();
            tracking = enabled;
        } finally {
            dirtyLock.unlock();
        }
    }

    /** What cannot be split is tracked by the entry, which is true though less precise. */
    private void splitForTracking(GuardedDomain table) {
        table.mapSmallestOnly(true);
        if (table.resizing().isEmpty()) {
            return;
        }
        try {
            space.splitEntries(table, 0, -1L, table.geometry().smallestPageBytes());
        } catch (IommufdException refused) {
            LOG.info("entries could not all be split for dirty tracking; some of it goes by large entries: {}", refused.getMessage());
        }
    }

    private void endPrecision(Optional<GuardedDomain> held) {
        if (!preciseDirty) {
            return;
        }
        preciseDirty = false;
        held.ifPresent(table -> {
            table.mapSmallestOnly(false);
            if (table.resizing().isPresent() && space.hugePages()) {
                space.mergeEntries(table, 0, -1L);
            }
        });
    }

    /** As {@link iommufd.api.PagingHwpt#split}. */
    public long split(long iova, long lengthBytes, long pageBytes) {
        return resize(iova, lengthBytes, (table, last) -> space.splitEntries(table, iova, last, pageBytes));
    }

    /** As {@link iommufd.api.PagingHwpt#merge}. */
    public long merge(long iova, long lengthBytes) {
        return resize(iova, lengthBytes, (table, last) -> space.mergeEntries(table, iova, last));
    }

    /** Something that changes sizes up to an IOVA. */
    @FunctionalInterface
    private interface Resize {
        long in(GuardedDomain table, long last);
    }

    private long resize(long iova, long lengthBytes, Resize change) {
        long last = iova + (lengthBytes - 1);
        if (lengthBytes == 0 || Long.compareUnsigned(last, iova) < 0) {
            throw new IommufdException(lengthBytes == 0 ? Errno.EINVAL : Errno.EOVERFLOW,
                    "0x%x bytes at 0x%x are no range of addresses".formatted(lengthBytes, iova));
        }
        dirtyLock.lock();
        try {
            return change.in(guarded(), last);
        } finally {
            dirtyLock.unlock();
        }
    }

    /** As {@link iommufd.api.PagingHwpt#entryBytes}. */
    public long entryBytes(long iova) {
        return guarded().resizing().orElseThrow(() -> new IommufdException(Errno.EOPNOTSUPP, "the hardware does not tell sizes of entries"))
                .entryBytes(iova);
    }

    /** As {@link iommufd.api.PagingHwpt#readDirty}, pages former hardware recorded included. */
    public void readDirty(long iova, long lengthBytes, long pageSizeBytes, MemorySegment bitmap, boolean clear) {
        dirtyLock.lock();
        try {
            checkRange(iova, lengthBytes, pageSizeBytes, bitmap);
            if (!options.dirtyTracking()) {
                throw notTracking();
            }
            if (!tracking) {
                throw new IommufdException(Errno.EINVAL, "dirty tracking is off: call setDirtyTracking(true) first");
            }
            GuardedDomain held = domain;
            if (held != null) {
                space.readDirty(held, iova, lengthBytes, pageSizeBytes, bitmap, clear);
            }
            carry.read(iova, iova + lengthBytes - 1, clear, new DirtyBitmap(iova, lengthBytes, pageSizeBytes, bitmap));
        } finally {
            dirtyLock.unlock();
        }
    }

    private void checkRange(long iova, long lengthBytes, long pageSizeBytes, MemorySegment bitmap) {
        long lastIova = iova + lengthBytes - 1;
        if (lengthBytes == 0 || Long.bitCount(pageSizeBytes) != 1) {
            throw new IommufdException(Errno.EINVAL, "a dirty bitmap of 0x%x bytes in pages of 0x%x bytes".formatted(lengthBytes, pageSizeBytes));
        }
        if (Long.compareUnsigned(lastIova, iova) < 0) {
            throw new IommufdException(Errno.EOVERFLOW, "a dirty bitmap of 0x%x bytes at 0x%x passes the end of the address space"
                    .formatted(lengthBytes, iova));
        }
        long alignment = space.iovaRanges().alignmentBytes();
        if (((iova | lastIova + 1) & (alignment - 1 | pageSizeBytes - 1)) != 0) {
            throw new IommufdException(Errno.EINVAL, "the range 0x%x + 0x%x of a dirty bitmap is not aligned to 0x%x and its pages of 0x%x"
                    .formatted(iova, lengthBytes, alignment, pageSizeBytes));
        }
        if (bitmap.byteSize() < DirtyBitmap.bytesFor(lengthBytes, pageSizeBytes)) {
            throw new IommufdException(Errno.EINVAL, "a dirty bitmap of %d bytes is too short for 0x%x bytes in pages of 0x%x"
                    .formatted(bitmap.byteSize(), lengthBytes, pageSizeBytes));
        }
    }

    private static IommufdException notTracking() {
        return new IommufdException(Errno.EOPNOTSUPP, "the page table was not allocated for dirty tracking");
    }

    @Override
    public void close() {
        rack.unregister(this);
        GuardedDomain held = domain;
        domain = null;
        moveTo(null);
        if (held != null) {
            retire(held);
        }
        endWaiting();
    }
}
