package iommufd.core.object;

import iommufd.api.ContextOwner;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.IovaRanges;
import iommufd.api.OnDemandMapping;
import iommufd.api.OnDemandOptions;
import iommufd.api.memory.StageTwoTable;
import iommufd.api.memory.UserMemory;
import iommufd.core.fabric.PageRequestReceiver;
import iommufd.core.space.IovaSpace;
import iommufd.core.space.PinCharge;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** An IO address space under a number. Mapping takes no lock of the context. */
final class IoasObject extends ContextObject implements Ioas {
    private final IovaSpace space;
    /** Tables that attaching made, in order. */
    private final List<PagingHwptObject> automaticHwpts = new ArrayList<>();
    private volatile Payer lastPayer;
    private final DemandPager pager;
    private volatile boolean forPasids;

    private record Payer(ContextOwner owner, PinCharge charge) {}

    IoasObject(Context context, PinCharge charge) {
        this(context, charge, Optional.empty());
    }

    /** @param shared a hypervisor's table, if this address space is that */
    IoasObject(Context context, PinCharge charge, Optional<StageTwoTable> shared) {
        super(context);
        space = new IovaSpace(charge, shared);
        lastPayer = new Payer(null, charge);
        pager = new DemandPager(space);
    }

    /** Who answers page requests that meet a table of this address space. @param others for IOVA that nobody mapped on demand */
    PageRequestReceiver faultReceiver(Optional<FaultQueueObject> others) {
        return pager.before(others.map(queue -> queue));
    }

    IovaSpace space() {
        return space;
    }

    List<PagingHwptObject> automaticHwpts() {
        context().assertLocked();
        return automaticHwpts;
    }

    @Override
    String kind() {
        return "IOAS";
    }

    @Override
    void release() {
        context().forgetVfioIoas(this);
        pager.close();
        space.close();
    }

    private void checkMappable() {
        checkAlive();
        if (space.shared().isPresent()) {
            throw new IommufdException(Errno.EOPNOTSUPP, this + " is a hypervisor's page table: what it maps, devices see; nothing is mapped here");
        }
    }

    /** A map that raced with the end of the object would pin for nobody. */
    private void undoIfDestroyed() {
        if (destroyed()) {
            space.unmapAll();
            checkAlive();
        }
    }

    @Override
    public long map(UserMemory memory, long address, long lengthBytes, DmaAccess access) {
        checkMappable();
        long iova = space.map(memory, address, lengthBytes, access);
        undoIfDestroyed();
        return iova;
    }

    /** As {@link #map} or {@link #mapAt}; {@code payer} is charged. */
    long map(boolean automatic, long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access, PinCharge payer) {
        checkMappable();
        long mapped = space.map(automatic, iova, memory, address, lengthBytes, access, payer);
        undoIfDestroyed();
        return mapped;
    }

    @Override
    public void mapAt(long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access) {
        checkMappable();
        space.mapAt(iova, memory, address, lengthBytes, access);
        undoIfDestroyed();
    }

    @Override
    public void mapAt(long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access, ContextOwner payer) {
        map(false, iova, memory, address, lengthBytes, access, chargeFor(payer));
    }

    /** Without the context's lock for who paid last. */
    private PinCharge chargeFor(ContextOwner payer) {
        Payer known = lastPayer;
        if (known.owner() != payer) {
            known = new Payer(payer, context().chargeFor(payer));
            lastPayer = known;
        }
        return known.charge();
    }

    @Override
    public OnDemandMapping mapOnDemand(long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access, OnDemandOptions options) {
        checkMappable();
        OnDemandMapping mapping = pager.add(iova, memory, address, lengthBytes, access, options);
        if (destroyed()) {
            pager.close();
            checkAlive();
        }
        return mapping;
    }

    @Override
    public long copy(Ioas source, long sourceIova, long lengthBytes, DmaAccess access) {
        checkMappable();
        long iova = space.copy(other(source).space, sourceIova, lengthBytes, access);
        undoIfDestroyed();
        return iova;
    }

    @Override
    public void copyAt(long iova, Ioas source, long sourceIova, long lengthBytes, DmaAccess access) {
        checkMappable();
        space.copyAt(iova, other(source).space, sourceIova, lengthBytes, access);
        undoIfDestroyed();
    }

    private IoasObject other(Ioas ioas) {
        if (!(ioas instanceof IoasObject other) || other.context() != context()) {
            throw new IommufdException(Errno.ENOENT, "the source IOAS belongs to another context");
        }
        other.checkAlive();
        return other;
    }

    @Override
    public long unmap(long iova, long lengthBytes) {
        checkAlive();
        return space.unmap(iova, lengthBytes);
    }

    @Override
    public long unmapAll() {
        checkAlive();
        return space.unmapAll();
    }

    @Override
    public IovaRanges iovaRanges() {
        checkAlive();
        return space.iovaRanges();
    }

    @Override
    public void allowIovas(List<IovaRange> ranges) {
        checkAlive();
        space.allowIovas(ranges);
    }

    @Override
    public boolean hugePages() {
        checkAlive();
        return space.hugePages();
    }

    @Override
    public void setHugePages(boolean allowed) {
        checkAlive();
        space.setHugePages(allowed);
    }

    @Override
    public boolean forPasids() {
        checkAlive();
        return forPasids;
    }

    @Override
    public void setForPasids(boolean made) {
        checkAlive();
        forPasids = made;
    }

    @Override
    public long pageSizes() {
        checkAlive();
        return space.commonPageSizes();
    }

    @Override
    public long mappedBytes() {
        checkAlive();
        return space.mappedBytes();
    }
}
