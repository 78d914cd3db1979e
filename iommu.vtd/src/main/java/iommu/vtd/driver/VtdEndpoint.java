package iommu.vtd.driver;

import iommu.common.dma.PendingPages;
import iommu.common.unit.PhysicalWords;
import iommu.vtd.format.ContextEntry;
import iommu.vtd.format.PasidTableEntry;
import iommu.vtd.format.ScalableContextEntry;
import iommufd.api.Errno;
import iommufd.api.FaultResponse;
import iommufd.api.HardwareInfo;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.NestedTable;
import iommufd.api.ViommuTable;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
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
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.WeakHashMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A device behind the unit: its context entry, in scalable mode its PASID tables, and what they point to.
 *
 * <p>A present entry is changed word by word, in an order in which every mix of old and new words is the old or the new
 * translation, tagged with the old or the new domain; then caches are rid of both domains. So DMA goes on while its target
 * changes, and no memory is needed.
 */
final class VtdEndpoint implements HardwareEndpoint {
    /** PCI Express: a page request group index has 9 bits. */
    private static final int GROUPS = 512;
    /** The PASID that requests without one are given. */
    private static final int RID_PASID = 0;
    /** Response codes (Table 32). */
    private static final int RESPONSE_SUCCESS = 0;
    private static final int RESPONSE_INVALID = 1;
    private static final long CLOSE_NANOS = 5_000_000_000L;
    private static final List<ReservedRegion> RESERVED_REGIONS = List.of(
            new ReservedRegion(new IovaRange(0xFEE0_0000L, 0xFEEF_FFFFL), ReservedRegion.Kind.HARDWARE_MSI));

    private final VtdDriver driver;
    private final EndpointDescription description;
    private final FaultSink faults;
    private final int sourceId;
    private final int pasidBits;
    private final long contextEntry;
    private final Optional<PasidTable> pasidTable;
    /** By PASID, {@link Pasid#NONE} included. Changes are guarded by this; a fault handler must not wait for them. */
    private final Map<Integer, AttachedDomain> attached = new ConcurrentHashMap<>();
    /** Guarded by this. */
    private final Set<HardwarePort> ports = Collections.newSetFromMap(new WeakHashMap<>());
    private final AtomicInteger atsPorts = new AtomicInteger();
    /** What requests of plain ports wait for, if the device may ask for pages. */
    private final Optional<PendingPages> waiting;
    /** Groups of page requests whose last one came and that wait for an answer. */
    private final Set<Group> unanswered = ConcurrentHashMap.newKeySet();
    /** Guarded by this. */
    private boolean released;

    private record Group(int pasid, int index) {
        @Override
        public boolean equals(Object other) {
            return other instanceof Group that && pasid == that.pasid && index == that.index;
        }

        @Override
        public int hashCode() {
            return pasid * 512 + index;
        }
    }

    VtdEndpoint(VtdDriver driver, EndpointDescription description, FaultSink faults) {
        this.driver = driver;
        this.description = description;
        this.faults = faults;
        sourceId = description.requesterId().sourceId();
        waiting = mayHaveDeviceTlb() ? Optional.of(new PendingPages(GROUPS, driver.pageRequestNanos())) : Optional.empty();
        pasidBits = Math.min(description.pasidBits(), driver.pasidBits());
        contextEntry = driver.contextTables().enter(sourceId);
        if (!driver.scalable()) {
            pasidTable = Optional.empty();
            return;
        }
        PasidTable pasids;
        try {
            pasids = new PasidTable(driver.pool(), pasidBits);
        } catch (RuntimeException failure) {
            driver.contextTables().leave(sourceId, driver.queue());
            throw failure;
        }
        pasidTable = Optional.of(pasids);
        PhysicalWords.set(contextEntry + 8, RID_PASID);
        PhysicalWords.setRelease(contextEntry, pasids.directory() | ScalableContextEntry.PRESENT
                | (mayHaveDeviceTlb() ? ScalableContextEntry.DEVICE_TLB | ScalableContextEntry.PAGE_REQUESTS : 0)
                | (long) pasids.directorySize() << ScalableContextEntry.DIRECTORY_SIZE_SHIFT
                | (pasidBits > 0 ? ScalableContextEntry.PASIDS : 0));
    }

    RequesterId requesterId() {
        return description.requesterId();
    }

    /** Whether requests without PASID find {@code iova} mapped now. */
    boolean maps(long iova) {
        return attached.get(Pasid.NONE) instanceof VtdDomain domain && domain.translate(iova) != PagingDomain.UNMAPPED;
    }

    int sourceId() {
        return sourceId;
    }

    /** Whether the device is let translate by itself. */
    boolean mayHaveDeviceTlb() {
        return description.pageRequests() && driver.takesPageRequests();
    }

    /** Whether it does. */
    boolean hasDeviceTlb() {
        return atsPorts.get() > 0;
    }

    DeviceTlbUsers.User deviceTlbUser(int index) {
        return new DeviceTlbUsers.User(this, index == RID_PASID ? Pasid.NONE : index);
    }

    private DeviceTlbUsers ownDeviceTlb(int index) {
        return mayHaveDeviceTlb() ? DeviceTlbUsers.of(List.of(deviceTlbUser(index))) : DeviceTlbUsers.NONE;
    }

    /** The device asks for a page. Without the unit's locks; the answer may come before this returns. */
    void pageRequested(PageRequest request) {
        if (request.lastOfGroup()) {
            unanswered.add(new Group(request.pasid(), request.groupIndex()));
        }
        if (!faults.pageRequest(request) && request.lastOfGroup()) {
            respond(new PageResponse(request.pasid(), request.groupIndex(), FaultResponse.INVALID));
        }
    }

    void faulted(DmaFault fault) {
        faults.unrecoverable(fault);
    }

    @Override
    public HardwareInfo info() {
        return driver.info(pasidBits);
    }

    @Override
    public List<ReservedRegion> reservedRegions() {
        return RESERVED_REGIONS;
    }

    @Override
    public PagingDomain allocatePaging(PagingOptions options) {
        if (options.pasid() && pasidBits == 0) {
            throw new IommufdException(Errno.EOPNOTSUPP, "%s has no PASIDs: ask for a page table without them".formatted(requesterId()));
        }
        return driver.allocatePaging(options);
    }

    @Override
    public SharedDomain allocateShared(PagingOptions options, StageTwoTable table) {
        if (options.pasid() && pasidBits == 0) {
            throw new IommufdException(Errno.EOPNOTSUPP, "%s has no PASIDs: ask for a page table without them".formatted(requesterId()));
        }
        return driver.share(options, table);
    }

    @Override
    public NestedDomain allocateNested(PagingDomain parent, NestedTable table) {
        return driver.allocateNested(parent, table);
    }

    @Override
    public HardwareViommu allocateViommu(PagingDomain parent, ViommuTable table) {
        throw new IommufdException(Errno.EOPNOTSUPP, "VT-d has no vIOMMU of type " + table.type());
    }

    @Override
    public synchronized void attach(int pasid, HardwareDomain domain) {
        checkPasid(pasid);
        if (!(domain instanceof AttachedDomain target) || !target.stage().belongsTo(driver)) {
            throw new IommufdException(Errno.EINVAL, "the page table was made by other hardware than " + driver.name());
        }
        AttachedDomain former = attached.get(pasid);
        if (former == target) {
            return;
        }
        if (pasidTable.isPresent()) {
            attachScalable(pasidTable.get(), pasid, target, Optional.ofNullable(former));
        } else {
            attachLegacy(target.stage(), Optional.ofNullable(former).map(AttachedDomain::stage));
        }
        attached.put(pasid, target);
        lookAgain(pasid);
    }

    /** Requests that wait for pages of another table see this one. Those of a guest's PASIDs go through what has none. */
    private void lookAgain(int pasid) {
        waiting.ifPresent(pages -> pages.release(other -> other == pasid || pasid == Pasid.NONE));
    }

    private void checkPasid(int pasid) {
        if (pasid == Pasid.NONE) {
            return;
        }
        if (pasidBits == 0) {
            throw new IommufdException(Errno.EOPNOTSUPP, "%s has no PASIDs behind %s".formatted(requesterId(), driver.name()));
        }
        if (pasid == RID_PASID || pasid >>> pasidBits != 0) {
            throw new IommufdException(Errno.EINVAL, "PASID %d is not among 1..2^%d-1 (0 stands for requests without PASID)"
                    .formatted(pasid, pasidBits));
        }
    }

    private void attachLegacy(VtdDomain target, Optional<VtdDomain> former) {
        target.join(this, RID_PASID);
        PhysicalWords.set(contextEntry + 8, ContextEntry.domain(target.domainId(), target.levels()));
        PhysicalWords.setRelease(contextEntry, ContextEntry.secondStage(target.root()));
        former.ifPresent(domain -> {
            domain.leave(this, RID_PASID);
            driver.queue().contextChanged(sourceId, domain.domainId(), target.domainId());
            domain.left(RID_PASID);
        });
    }

    /**
     * A guest's table address must never be taken for one of the host, or the other way round, and no order of words keeps it from
     * that: so between nested and other domains the entry is absent for a moment, in which requests fault.
     */
    private void attachScalable(PasidTable pasids, int pasid, AttachedDomain target, Optional<AttachedDomain> former) {
        int index = pasid == Pasid.NONE ? RID_PASID : pasid;
        long entry = former.isPresent() ? pasids.entry(index) : pasids.enter(index);
        former.ifPresent(domain -> domain.leave(this, index));
        boolean inBetween = former.isPresent() && (target instanceof VtdNestedDomain || former.get() instanceof VtdNestedDomain);
        if (inBetween) {
            PhysicalWords.setRelease(entry, 0);
            driver.queue().pasidRemoved(index, former.get().stage().domainId(), true, ownDeviceTlb(index));
        }
        synchronized (target.stage()) {
            target.join(this, index);
            // The tables of a first stage come before the type that makes them valid; they are ignored otherwise.
            if (target.firstStage()) {
                PhysicalWords.setRelease(entry + 16, target.pasidWord2());
            }
            PhysicalWords.setRelease(entry + 8, target.stage().domainId() | PasidTableEntry.WALK_SNOOPS);
            rewrite(index, target);
        }
        former.ifPresent(domain -> {
            if (!inBetween) {
                driver.queue().pasidChanged(index, domain.stage().domainId(), target.stage().domainId(), ownDeviceTlb(index));
            }
            domain.left(index);
            if (!target.firstStage()) {
                PhysicalWords.set(entry + 16, 0);
            }
        });
    }

    /** Writes the word of a PASID entry that says how {@code domain} translates; under the domain's lock. */
    void rewrite(int index, AttachedDomain domain) {
        PhysicalWords.setRelease(pasidTable.orElseThrow().entry(index), domain.pasidWord0());
    }

    @Override
    public synchronized void block(int pasid) {
        AttachedDomain domain = attached.remove(pasid);
        if (domain == null) {
            return;
        }
        int index = pasid == Pasid.NONE ? RID_PASID : pasid;
        domain.leave(this, index);
        if (pasidTable.isPresent()) {
            blockScalable(pasidTable.get(), index, domain);
        } else {
            PhysicalWords.setRelease(contextEntry, 0);
            driver.queue().contextChanged(sourceId, domain.stage().domainId(), domain.stage().domainId());
            PhysicalWords.set(contextEntry + 8, 0);
        }
        domain.left(index);
        lookAgain(pasid);
    }

    private void blockScalable(PasidTable pasids, int index, AttachedDomain domain) {
        long entry = pasids.entry(index);
        PhysicalWords.setRelease(entry, 0);
        long unlinked = pasids.leave(index);
        driver.queue().pasidRemoved(index, domain.stage().domainId(), domain.endsInSecondStage() || unlinked != 0, ownDeviceTlb(index));
        PhysicalWords.set(entry + 8, 0);
        PhysicalWords.set(entry + 16, 0);
        pasids.recycle(unlinked);
    }

    @Override
    public synchronized HardwarePort openPort(int pasid) {
        HardwarePort port = waiting.isPresent() ? driver.requests().openWaiting(requesterId(), pasid, waiting.get())
                : driver.requests().open(requesterId(), pasid);
        ports.add(port);
        return port;
    }

    @Override
    public AtsPort openAtsPort(int pasid, AtsPort.Device device) {
        if (!mayHaveDeviceTlb()) {
            throw new IommufdException(Errno.EOPNOTSUPP, requesterId() + " cannot translate by itself: it has no page requests, or "
                    + driver.name() + " takes none (ECAP.PRS is 0)");
        }
        synchronized (this) {
            AtsPort port = driver.requests().openAts(requesterId(), pasid, device);
            ports.add(port);
            atsPorts.incrementAndGet();
            return port;
        }
    }

    @Override
    public void respond(PageResponse response) {
        if (unanswered.remove(new Group(response.pasid(), response.groupIndex()))) {
            driver.queue().respond(sourceId, response.pasid(), response.groupIndex(),
                    response.response() == FaultResponse.SUCCESS ? RESPONSE_SUCCESS : RESPONSE_INVALID);
        }
    }

    @Override
    public synchronized void release() {
        if (released) {
            return;
        }
        released = true;
        atsPorts.set(0);
        for (HardwarePort port : List.copyOf(ports)) {
            port.close(CLOSE_NANOS);
        }
        ports.clear();
        unanswered.clear();
        for (int pasid : new ArrayList<>(attached.keySet())) {
            block(pasid);
        }
        if (pasidTable.isPresent()) {
            PhysicalWords.setRelease(contextEntry, 0);
            driver.queue().scalableContextRemoved(sourceId);
            pasidTable.get().close();
        }
        driver.contextTables().leave(sourceId, driver.queue());
        driver.forget(this);
    }
}
