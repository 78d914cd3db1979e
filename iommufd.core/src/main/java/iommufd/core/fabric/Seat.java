package iommufd.core.fabric;

import iommufd.api.HardwareInfo;
import iommufd.api.IovaRange;
import iommufd.api.NestedTable;
import iommufd.api.ViommuTable;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareDomain;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.HardwareViommu;
import iommufd.api.hardware.NestedDomain;
import iommufd.api.hardware.PageResponse;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.hardware.ReservedRegion;
import iommufd.api.memory.StageTwoTable;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/**
 * An endpoint's place on one hardware. Its identity also owns the endpoint's reserved regions. A vacated seat remembers what
 * the hardware said, so that contexts can go on while none serves.
 */
public final class Seat {
    private final BoundHardware hardware;
    private final HardwareInfo info;
    private final List<ReservedRegion> reservedRegions;
    private volatile HardwareEndpoint endpoint;

    private Seat(BoundHardware hardware, HardwareEndpoint endpoint, HardwareInfo info, List<ReservedRegion> reservedRegions) {
        this.hardware = hardware;
        this.endpoint = endpoint;
        this.info = info;
        this.reservedRegions = reservedRegions;
    }

    /** The seat of an endpoint that never had hardware. */
    static Seat none() {
        return new Seat(null, null, new HardwareInfo(0, new byte[0], Set.of(), 0), List.of());
    }

    /** Takes the endpoint in on that hardware, DMA blocked. */
    static Seat take(BoundHardware hardware, EndpointDescription description, FaultSink faults) {
        return hardware.call("probe of " + description.requesterId(), () -> {
            HardwareEndpoint endpoint = hardware.service().probe(description, faults);
            try {
                return new Seat(hardware, endpoint, endpoint.info(), List.copyOf(endpoint.reservedRegions()));
            } catch (RuntimeException broken) {
                endpoint.release();
                throw broken;
            }
        });
    }

    /** Whether no hardware serves here. */
    public boolean vacant() {
        return endpoint == null;
    }

    /** Whose seat it is or was; null if never any. */
    BoundHardware hardware() {
        return hardware;
    }

    boolean on(BoundHardware other) {
        return hardware == other && !vacant();
    }

    /** What the hardware says, or said last. */
    public HardwareInfo info() {
        return info;
    }

    /** Regions not to be mapped. */
    public List<ReservedRegion> reservedRegions() {
        return reservedRegions;
    }

    /** The ranges of {@link #reservedRegions()}. */
    List<IovaRange> reservedRanges() {
        return reservedRegions.stream().map(ReservedRegion::range).toList();
    }

    PagingDomain allocatePaging(PagingOptions options, Optional<NestedTable> data) {
        return ask("allocation of a page table", e -> data.isPresent() ? e.allocatePaging(options, data.get()) : e.allocatePaging(options));
    }

    PagingDomain allocateShared(PagingOptions options, StageTwoTable table) {
        return ask("use of a hypervisor's page table", e -> e.allocateShared(options, table));
    }

    NestedDomain allocateNested(PagingDomain parent, NestedTable table) {
        return ask("allocation of a nested table", e -> e.allocateNested(parent, table));
    }

    HardwareViommu allocateViommu(PagingDomain parent, ViommuTable table) {
        return ask("allocation of a vIOMMU", e -> e.allocateViommu(parent, table));
    }

    /** As {@link HardwareEndpoint#offersViommu}; without hardware nothing is ruled out. */
    public boolean offersViommu(int type) {
        return vacant() || ask("vIOMMU types", e -> e.offersViommu(type));
    }

    void attach(int pasid, HardwareDomain domain) {
        ask("attach", e -> {
            e.attach(pasid, domain);
            return Boolean.TRUE;
        });
    }

    /** Never fails. */
    void block(int pasid) {
        HardwareEndpoint held = endpoint;
        if (held != null) {
            hardware.callAnyway("block", () -> held.block(pasid));
        }
    }

    HardwarePort openPort(int pasid) {
        return ask("opening of a port", e -> e.openPort(pasid));
    }

    /** Passes a vIOMMU's wish for this endpoint's backend object on. */
    <T> T ask(String what, Function<HardwareEndpoint, T> request) {
        HardwareEndpoint held = endpoint;
        return hardware.call(what, () -> request.apply(held));
    }

    /** Answers a page request. Never fails; without hardware nobody waits any more. */
    public void respond(PageResponse response) {
        HardwareEndpoint held = endpoint;
        if (held == null || hardware.failed()) {
            return;
        }
        try {
            held.respond(response);
        } catch (RuntimeException | Error broken) {
            hardware.fail("respond threw", broken);
        }
    }

    /** Gives the endpoint back to the hardware. Never fails. */
    void release() {
        HardwareEndpoint held = endpoint;
        endpoint = null;
        if (held != null && !hardware.severed()) {
            hardware.callAnyway("release", held::release);
        }
    }
}
