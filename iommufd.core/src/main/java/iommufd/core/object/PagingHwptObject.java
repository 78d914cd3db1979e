package iommufd.core.object;

import iommufd.api.Hwpt;
import iommufd.api.Ioas;
import iommufd.api.PagingHwpt;
import iommufd.core.fabric.SpaceTable;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/** A page table that follows an IOAS. */
final class PagingHwptObject extends HwptObject implements PagingHwpt {
    private final IoasObject ioas;
    private final SpaceTable table;
    private final boolean automatic;

    PagingHwptObject(IoasObject ioas, SpaceTable table, boolean automatic, Optional<FaultQueueObject> faults) {
        super(ioas.context(), faults);
        this.ioas = ioas;
        this.table = table;
        this.automatic = automatic;
        ioas.hold();
        if (automatic) {
            ioas.automaticHwpts().add(this);
        }
    }

    @Override
    String kind() {
        return automatic ? "automatic HWPT" : "HWPT";
    }

    @Override
    void releaseParents() {
        if (automatic) {
            ioas.automaticHwpts().remove(this);
        }
        ioas.letGo();
    }

    @Override
    SpaceTable table() {
        return table;
    }

    @Override
    boolean forPasid() {
        return table.options().pasid();
    }

    @Override
    PagingHwptObject paging() {
        return this;
    }

    @Override
    Hwpt asHwpt() {
        return this;
    }

    boolean canCarryNested() {
        return !automatic && table.options().nestParent();
    }

    IoasObject ioasObject() {
        return ioas;
    }

    @Override
    public Ioas ioas() {
        return ioas;
    }

    @Override
    public boolean automatic() {
        return automatic;
    }

    @Override
    public void setDirtyTracking(boolean enabled) {
        context().run(() -> {
            checkAlive();
            table.setDirtyTracking(enabled);
        });
    }

    @Override
    public void readDirty(long iova, long lengthBytes, long pageSizeBytes, MemorySegment bitmap, boolean clear) {
        checkAlive();
        table.readDirty(iova, lengthBytes, pageSizeBytes, bitmap, clear);
    }

    @Override
    public long split(long iova, long lengthBytes, long pageBytes) {
        checkAlive();
        return table.split(iova, lengthBytes, pageBytes);
    }

    @Override
    public long merge(long iova, long lengthBytes) {
        checkAlive();
        return table.merge(iova, lengthBytes);
    }

    @Override
    public long entryBytes(long iova) {
        checkAlive();
        return table.entryBytes(iova);
    }
}
