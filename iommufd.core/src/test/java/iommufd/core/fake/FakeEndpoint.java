package iommufd.core.fake;

import iommufd.api.Errno;
import iommufd.api.FaultResponse;
import iommufd.api.HardwareInfo;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.ViommuTable;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareDomain;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.HardwareViommu;
import iommufd.api.hardware.NestedDomain;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PageResponse;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.hardware.ReservedRegion;
import iommufd.api.hardware.SharedDomain;
import iommufd.api.memory.StageTwoTable;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArraySet;

/** An endpoint on {@link FakeHardware}. */
public final class FakeEndpoint implements HardwareEndpoint {
    final FakeHardware hardware;
    final EndpointDescription description;
    final FaultSink faults;
    /** By PASID; its object stays while ports use it. */
    private final Map<Integer, Context> contexts = new ConcurrentHashMap<>();
    private final Set<FakePort> ports = new CopyOnWriteArraySet<>();
    private final Map<Integer, CompletableFuture<FaultResponse>> waiting = new ConcurrentHashMap<>();
    private volatile boolean released;

    /** What one PASID goes through. */
    static final class Context {
        volatile HardwareDomain domain;
    }

    FakeEndpoint(FakeHardware hardware, EndpointDescription description, FaultSink faults) {
        this.hardware = hardware;
        this.description = description;
        this.faults = faults;
    }

    @Override
    public HardwareInfo info() {
        hardware.sabotage.step("info");
        return hardware.info(description);
    }

    @Override
    public List<ReservedRegion> reservedRegions() {
        hardware.sabotage.step("reservedRegions");
        return hardware.reservedRegions;
    }

    @Override
    public PagingDomain allocatePaging(PagingOptions options) {
        hardware.sabotage.refusable("allocatePaging");
        if (options.dirtyTracking() && !hardware.tracksDirty) {
            throw new IommufdException(Errno.EOPNOTSUPP, "no dirty tracking");
        }
        return new FakePagingDomain(hardware, options);
    }

    @Override
    public SharedDomain allocateShared(PagingOptions options, StageTwoTable table) {
        hardware.sabotage.refusable("allocateShared");
        if (table.format() != hardware.walks || options.dirtyTracking()) {
            throw new IommufdException(Errno.EOPNOTSUPP, "not for this hardware");
        }
        return new FakeSharedDomain(hardware, options, table.root());
    }

    @Override
    public NestedDomain allocateNested(PagingDomain parent, NestedTable table) {
        hardware.sabotage.refusable("allocateNested");
        return FakeNestedDomain.of(hardware, parent, table);
    }

    @Override
    public boolean offersViommu(int type) {
        return type == 1;
    }

    @Override
    public HardwareViommu allocateViommu(PagingDomain parent, ViommuTable table) {
        hardware.sabotage.refusable("allocateViommu");
        return new FakeViommu(hardware, (FakePagingDomain) parent, table);
    }

    Context context(int pasid) {
        return contexts.computeIfAbsent(pasid, unused -> new Context());
    }

    @Override
    public void attach(int pasid, HardwareDomain domain) {
        hardware.sabotage.refusable("attach");
        FakePagingDomain paging = domain instanceof FakeNestedDomain nested ? nested.parent : (FakePagingDomain) domain;
        if (paging.hardware != hardware || paging.closed) {
            throw new IllegalArgumentException("attach of a foreign or closed domain");
        }
        if (pasid != Pasid.NONE && description.pasidBits() == 0) {
            throw new IommufdException(Errno.EOPNOTSUPP, "no PASIDs");
        }
        context(pasid).domain = domain;
        hardware.drain();
    }

    @Override
    public void block(int pasid) {
        hardware.sabotage.step("block");
        context(pasid).domain = null;
        hardware.drain();
    }

    @Override
    public HardwarePort openPort(int pasid) {
        hardware.sabotage.refusable("openPort");
        FakePort port = new FakePort(this, context(pasid), pasid);
        ports.add(port);
        return port;
    }

    void forget(FakePort port) {
        ports.remove(port);
    }

    CompletableFuture<FaultResponse> await(int groupIndex) {
        return waiting.computeIfAbsent(groupIndex, unused -> new CompletableFuture<>());
    }

    void forget(int groupIndex) {
        waiting.remove(groupIndex);
    }

    @Override
    public void respond(PageResponse response) {
        CompletableFuture<FaultResponse> asked = waiting.remove(response.groupIndex());
        if (asked != null) {
            asked.complete(response.response());
        }
    }

    @Override
    public void release() {
        hardware.sabotage.step("release");
        released = true;
        ports.forEach(port -> port.close(1));
        contexts.values().forEach(context -> context.domain = null);
        hardware.drain();
        hardware.forget(this);
    }

    Map<Integer, Integer> attached() {
        Map<Integer, Integer> attached = new TreeMap<>();
        contexts.forEach((pasid, context) -> {
            if (context.domain != null) {
                attached.put(pasid, System.identityHashCode(context.domain));
            }
        });
        return attached;
    }

    /** As if the device asked for a page. */
    public boolean report(PageRequest request) {
        return faults.pageRequest(request);
    }

    public int portCount() {
        return ports.size();
    }

    boolean released() {
        return released;
    }
}
