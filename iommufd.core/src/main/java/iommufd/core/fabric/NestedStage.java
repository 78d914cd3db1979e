package iommufd.core.fabric;

import iommufd.api.Errno;
import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.hardware.HardwareDomain;
import iommufd.api.hardware.HardwareViommu;
import iommufd.api.hardware.NestedDomain;
import java.util.Optional;

/** A first stage in user memory; it moves only to hardware of the vendor whose format it is. */
public final class NestedStage extends TranslationTable {
    private final HardwareRack rack;
    private final SpaceTable parent;
    private final Optional<GuestIommu> guest;
    private final NestedTable table;
    private final FabricEndpoint origin;
    private final String vendor;
    private volatile NestedDomain domain;

    private NestedStage(HardwareRack rack, SpaceTable parent, Optional<GuestIommu> guest, NestedTable table, FabricEndpoint origin,
            Optional<PageRequestReceiver> receiver) {
        super(receiver);
        this.rack = rack;
        this.parent = parent;
        this.guest = guest;
        this.table = table;
        this.origin = origin;
        this.vendor = origin.seat().vacant() ? "" : origin.seat().hardware().vendor();
    }

    /** Over a nest parent, or in a guest's numbers if {@code guest} is there. */
    public static NestedStage create(HardwareRack rack, SpaceTable parent, Optional<GuestIommu> guest, NestedTable table,
            FabricEndpoint origin, Optional<PageRequestReceiver> receiver) {
        NestedStage stage = new NestedStage(rack, parent, guest, table, origin, receiver);
        Seat seat = origin.seat();
        if (seat.vacant()) {
            throw noHardware("a nested table");
        }
        if (!parent.on(seat.hardware()) || guest.isPresent() && !guest.get().on(seat.hardware())) {
            throw new IommufdException(Errno.EINVAL, "device %s is not behind the IOMMU of the nested table's parent"
                    .formatted(origin.description().requesterId()));
        }
        stage.adopt(stage.build(seat, parent.guarded(), guest.map(GuestIommu::hardwareViommu)), seat.hardware());
        rack.register(stage);
        return stage;
    }

    NestedDomain build(Seat seat, GuardedDomain parentDomain, Optional<HardwareViommu> viommu) {
        return viommu.isPresent() ? seat.ask("allocation of a nested table", e -> viommu.get().allocateNested(e, table))
                : seat.allocateNested(parentDomain.bare(), table);
    }

    Optional<NestedDomain> adopt(NestedDomain built, BoundHardware owner) {
        Optional<NestedDomain> former = Optional.ofNullable(domain);
        domain = built;
        moveTo(owner);
        return former;
    }

    /** The hardware leaves: gives it the table back. */
    void orphan(BoundHardware leaving) {
        NestedDomain former = domain;
        domain = null;
        moveTo(null);
        if (former != null) {
            retire(former, leaving);
        }
    }

    static void retire(NestedDomain former, BoundHardware owner) {
        if (!owner.severed()) {
            owner.callAnyway("return of a nested table", former::close);
        }
    }

    /** As {@link iommufd.api.NestedHwpt#invalidate}. */
    public InvalidationResult invalidate(InvalidationEntries entries) {
        NestedDomain held = domain;
        BoundHardware owner = hardware();
        if (held == null || owner == null) {
            return InvalidationResult.complete(entries.count());   // nothing is cached where no hardware is
        }
        return rack.watched(owner, "invalidation", () -> held.invalidate(entries));
    }

    @Override
    public HardwareDomain bare() {
        NestedDomain held = domain;
        if (held == null) {
            throw noHardware("its nested table");
        }
        return held;
    }

    @Override
    public SpaceTable paging() {
        return parent;
    }

    /** The second stage. */
    SpaceTable parent() {
        return parent;
    }

    Optional<GuestIommu> guest() {
        return guest;
    }

    FabricEndpoint origin() {
        return origin;
    }

    String vendor() {
        return vendor;
    }

    @Override
    public void close() {
        rack.unregister(this);
        BoundHardware owner = hardware();
        if (owner != null) {
            orphan(owner);
        }
    }
}
