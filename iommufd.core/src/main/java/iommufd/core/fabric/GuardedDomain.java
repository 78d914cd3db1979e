package iommufd.core.fabric;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.hardware.DirtySink;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.DomainGeometry;
import iommufd.api.hardware.IopteResizing;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.SharedDomain;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.StageTwoTable;
import iommufd.api.memory.UserMemory;
import java.util.Optional;
import java.util.function.LongSupplier;

/**
 * A backend's page table as an address space follows it. Refusals pass. A defect never does: the hardware is marked as
 * failed, none of its DMA goes on, and from then on the table changes in name only, because the address space is the truth
 * the next hardware is filled from.
 */
final class GuardedDomain implements PagingDomain {
    private final BoundHardware hardware;
    private final PagingDomain domain;
    private final DomainGeometry geometry;
    private final CallWatch watch;
    private final Quiescence quiescence;
    private final Optional<DirtyTracking> dirtyTracking;
    private final Optional<IopteResizing> resizing;
    /** New mappings get the smallest entries. */
    private volatile boolean smallestOnly;
    /** Of a hypervisor's table: how the domain is told of changes no more. */
    private UserMemory.Subscription changes = () -> { };

    /** Stops all DMA through a hardware that broke, on the thread that noticed. */
    @FunctionalInterface
    interface Quiescence {
        /** None of the hardware's ports lets DMA through on return, if it can be had. Takes no lock that a map may hold. */
        void stop(BoundHardware broken);
    }

    GuardedDomain(BoundHardware hardware, PagingDomain domain, CallWatch watch, Quiescence quiescence) {
        this.hardware = hardware;
        this.domain = domain;
        this.watch = watch;
        this.quiescence = quiescence;
        geometry = hardware.call("geometry", domain::geometry);
        dirtyTracking = hardware.call("dirty tracking", domain::dirtyTracking).map(Tracking::new);
        resizing = hardware.call("sizes of entries", domain::resizing).map(Resizing::new);
    }

    /** The domain is this table: from now on it is told of changes, until it is closed. */
    void follow(StageTwoTable table) {
        changes = table.onChange(this::tableChanged);
    }

    /** From now on, mappings to come get the smallest entries, or again the largest that fit. */
    void mapSmallestOnly(boolean only) {
        smallestOnly = only;
    }

    /** The backend's own object, for the backend's own calls. */
    PagingDomain bare() {
        return domain;
    }

    @Override
    public DomainGeometry geometry() {
        return geometry;
    }

    @Override
    public void map(long iova, PinnedRuns runs, DmaAccess access) {
        change(iova, runs, access, smallestOnly);
    }

    @Override
    public void mapSmallest(long iova, PinnedRuns runs, DmaAccess access) {
        change(iova, runs, access, true);
    }

    private void change(long iova, PinnedRuns runs, DmaAccess access, boolean smallest) {
        if (hardware.severed()) {
            return;
        }
        int place = watch.enter(hardware);
        boolean late = false;
        try {
            if (smallest) {
                domain.mapSmallest(iova, runs, access);
            } else {
                domain.map(iova, runs, access);
            }
        } catch (IommufdException refused) {
            late = watch.exit(place);
            place = CallWatch.UNWATCHED;
            if (!late) {
                throw refused;
            }
            stop("map", refused);
        } catch (RuntimeException | Error broken) {
            stop("map", broken);
        } finally {
            late |= watch.exit(place);
        }
        if (late) {
            stop("map", null);
        }
    }

    @Override
    public long unmap(long iova, long lastIova) {
        long length = lastIova - iova + 1;
        if (hardware.severed()) {
            refuseIfStuck();
            return length;
        }
        int place = watch.enter(hardware);
        boolean late;
        try {
            length = domain.unmap(iova, lastIova);
        } catch (RuntimeException | Error broken) {
            stop("unmap", broken);
        } finally {
            late = watch.exit(place);
        }
        if (late) {
            stop("unmap", null);
        }
        refuseIfStuck();
        return length;
    }

    /** The address space must know that DMA may still reach the pages: it never gives them back then. */
    private void refuseIfStuck() {
        if (hardware.stuck()) {
            throw new IommufdException(Errno.EIO, "a DMA request hangs inside failed hardware " + hardware);
        }
    }

    /** A translation that was to go may still be there: no DMA may use it once this returns. */
    private void stop(String what, Throwable cause) {
        hardware.fail(what + (cause == null ? " took too long" : " threw"), cause);
        quiescence.stop(hardware);
    }

    /** A hypervisor's table changed: no DMA uses former entries on return. Any thread, whatever locks it holds of its own. */
    void tableChanged(long first, long last, boolean tables) {
        if (hardware.severed() || !(domain instanceof SharedDomain shared)) {
            return;
        }
        int place = watch.enter(hardware);
        boolean late;
        try {
            shared.invalidate(first, last, tables);
        } catch (RuntimeException | Error broken) {
            stop("invalidation of a shared table", broken);
        } finally {
            late = watch.exit(place);
        }
        if (late) {
            stop("invalidation of a shared table", null);
        }
    }

    @Override
    public long translate(long iova) {
        if (hardware.severed()) {
            return UNMAPPED;
        }
        try {
            return domain.translate(iova);
        } catch (RuntimeException | Error broken) {
            throw hardware.fail("translate threw", broken);
        }
    }

    @Override
    public Optional<DirtyTracking> dirtyTracking() {
        return dirtyTracking;
    }

    @Override
    public Optional<IopteResizing> resizing() {
        return resizing;
    }

    @Override
    public void close() {
        changes.close();
        if (!hardware.severed()) {
            hardware.callAnyway("return of a page table", domain::close);
        }
    }

    /** What cannot be read counts as written. */
    private final class Tracking implements DirtyTracking {
        private final DirtyTracking tracking;

        Tracking(DirtyTracking tracking) {
            this.tracking = tracking;
        }

        @Override
        public void setEnabled(boolean enabled) {
            if (hardware.severed()) {
                return;
            }
            hardware.call("dirty tracking", () -> {
                tracking.setEnabled(enabled);
                return Boolean.TRUE;
            });
        }

        @Override
        public void read(long iova, long lastIova, boolean clear, DirtySink sink) {
            if (!hardware.severed()) {
                int place = watch.enter(hardware);
                try {
                    tracking.read(iova, lastIova, clear, sink);
                    return;
                } catch (RuntimeException | Error broken) {
                    hardware.fail("reading of dirty pages threw", broken);
                } finally {
                    watch.exit(place);
                }
            }
            sink.dirty(iova, lastIova - iova + 1);
        }
    }

    /** Running out of memory is a refusal; anything else leaves translations nobody knows. */
    private final class Resizing implements IopteResizing {
        private final IopteResizing resizing;

        Resizing(IopteResizing resizing) {
            this.resizing = resizing;
        }

        @Override
        public long split(long iova, long lastIova, long pageBytes) {
            return change("split", () -> resizing.split(iova, lastIova, pageBytes));
        }

        @Override
        public long merge(long iova, long lastIova) {
            return change("merge", () -> resizing.merge(iova, lastIova));
        }

        private long change(String what, LongSupplier change) {
            if (hardware.severed()) {
                return 0;
            }
            long changed = 0;
            int place = watch.enter(hardware);
            boolean late;
            try {
                changed = change.getAsLong();
            } catch (IommufdException refused) {
                throw refused;
            } catch (RuntimeException | Error broken) {
                stop(what, broken);
            } finally {
                late = watch.exit(place);
            }
            if (late) {
                stop(what, null);
            }
            return changed;
        }

        @Override
        public long entryBytes(long iova) {
            try {
                return hardware.severed() ? 0 : resizing.entryBytes(iova);
            } catch (RuntimeException | Error broken) {
                throw hardware.fail("the size of an entry could not be told", broken);
            }
        }
    }
}
