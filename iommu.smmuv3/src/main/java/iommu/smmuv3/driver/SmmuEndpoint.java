package iommu.smmuv3.driver;

import iommu.smmuv3.format.SmmuEvent;
import iommu.smmuv3.format.StreamTableEntry;
import iommufd.api.Errno;
import iommufd.api.FaultResponse;
import iommufd.api.HardwareInfo;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.ViommuTable;
import iommufd.api.dma.DmaFault;
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
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One stream. Its entry in the stream table is invalid while nothing is attached, stage 1 with its context table, or
 * stage 2; then it can have no substreams.
 */
final class SmmuEndpoint implements HardwareEndpoint {
    private static final Logger LOG = LoggerFactory.getLogger(SmmuEndpoint.class);
    private static final long CLOSE_NANOS = 5_000_000_000L;
    private static final int SHARED_GRANULE_LG2 = 12;

    /** What requests without PASID go through. */
    private enum Unnamed { BLOCKED, STAGE1, STAGE2, NESTED }

    private final SmmuDriver driver;
    private final EndpointDescription description;
    private final FaultSink faults;
    private final int streamId;
    private final int substreamIdBits;
    private final ReentrantLock lock = new ReentrantLock();
    private final List<HardwarePort> ports = new ArrayList<>();
    private final BitSet pasids = new BitSet();
    private Unnamed unnamed = Unnamed.BLOCKED;
    /** Only while a first stage is attached. */
    private Optional<ContextTable> contexts = Optional.empty();
    private boolean released;
    /** Whose guest's entry is attached. */
    private volatile Optional<SmmuViommu> guest = Optional.empty();
    /** Requests that wait for an answer, by their tokens. */
    private final Map<Integer, DmaFault> pending = new ConcurrentHashMap<>();

    SmmuEndpoint(SmmuDriver driver, EndpointDescription description, FaultSink faults) {
        this.driver = driver;
        this.description = description;
        this.faults = faults;
        streamId = description.requesterId().value();
        substreamIdBits = driver.prefersStage2() ? 0 : Math.min(description.pasidBits(), driver.substreamIdBits());
    }

    int streamId() {
        return streamId;
    }

    /** An event of this stream. Called from any thread, with no lock. */
    void event(long[] record, DmaFault fault) {
        if ((record[1] & SmmuEvent.STALL) != 0) {
            stalled(record, fault);
            return;
        }
        guest.ifPresent(viommu -> viommu.report(this, record));
        faults.unrecoverable(fault);
    }

    /** A group has one request: the token of a stall is its number. */
    private void stalled(long[] record, DmaFault fault) {
        int tag = (int) (record[1] & SmmuEvent.STALL_TAG);
        int pasid = fault.pasid().orElse(Pasid.NONE);
        pending.put(tag, fault);
        PageRequest request = new PageRequest(pasid, tag, fault.iova() & -DriverOptions.PAGE_BYTES, fault.access(),
                (record[1] & SmmuEvent.INSTRUCTION) != 0, (record[1] & SmmuEvent.PRIVILEGED) != 0, true);
        boolean heard = description.pageRequests() && faults.pageRequest(request);
        if (!heard && pending.remove(tag, fault)) {
            faults.unrecoverable(fault);
            driver.commands().resume(streamId, tag, false);
        }
    }

    @Override
    public HardwareInfo info() {
        return driver.info(substreamIdBits);
    }

    @Override
    public List<ReservedRegion> reservedRegions() {
        return List.of(driver.messageWindow());
    }

    @Override
    public PagingDomain allocatePaging(PagingOptions options) {
        boolean stage2 = options.nestParent() || driver.prefersStage2();
        if (stage2 && options.pasid()) {
            throw new IommufdException(Errno.EOPNOTSUPP, "a second stage cannot be attached to PASIDs");
        }
        return new SmmuPagingDomain(driver, stage2, options, driver.granuleLg2());
    }

    /** A hypervisor's stage 2 as it is. */
    @Override
    public SharedDomain allocateShared(PagingOptions options, StageTwoTable table) {
        if (table.format() != StageTwoTable.Format.ARM_STAGE_2 || !driver.walksGranule(SHARED_GRANULE_LG2) || options.dirtyTracking()) {
            throw new IommufdException(Errno.EOPNOTSUPP, "%s cannot walk a table of format %s%s".formatted(driver.name(), table.format(),
                    options.dirtyTracking() ? " with dirty tracking" : ""));
        }
        if (options.pasid()) {
            throw new IommufdException(Errno.EOPNOTSUPP, "a second stage cannot be attached to PASIDs");
        }
        return new SmmuPagingDomain(driver, options.nestParent(), SHARED_GRANULE_LG2, table.root());
    }

    @Override
    public NestedDomain allocateNested(PagingDomain parent, NestedTable table) {
        throw new IommufdException(Errno.EOPNOTSUPP, "nested tables of an SMMUv3 belong to a vIOMMU");
    }

    @Override
    public HardwareViommu allocateViommu(PagingDomain parent, ViommuTable table) {
        if (!offersViommu(table.type())) {
            throw new IommufdException(Errno.EOPNOTSUPP, "this SMMUv3 has no vIOMMU of type 0x%x".formatted(table.type()));
        }
        if (!(parent instanceof SmmuPagingDomain second) || !second.belongsTo(driver) || !second.stage2()) {
            throw new IommufdException(Errno.EINVAL, "a vIOMMU of an SMMUv3 stands on a second stage of " + driver.name());
        }
        return new SmmuViommu(driver, second);
    }

    @Override
    public boolean offersViommu(int type) {
        return type == SmmuViommu.TYPE;
    }

    @Override
    public void attach(int pasid, HardwareDomain domain) {
        if (domain instanceof SmmuNestedDomain nested) {
            attachNested(pasid, nested);
            return;
        }
        if (!(domain instanceof SmmuPagingDomain paging) || !paging.belongsTo(driver)) {
            throw new IommufdException(Errno.EINVAL, "the domain is none of " + driver.name());
        }
        lock.lock();
        try {
            checkHeld();
            if (pasid != Pasid.NONE) {
                attachPasid(pasid, paging);
            } else if (paging.stage2()) {
                attachStage2(paging);
            } else {
                attachStage1(paging);
            }
        } finally {
            freeUnusedContexts();
            lock.unlock();
        }
    }

    private void attachNested(int pasid, SmmuNestedDomain domain) {
        if (!domain.viommu().belongsTo(driver) || pasid != Pasid.NONE) {
            throw new IommufdException(Errno.EINVAL, "a guest's stream table entry is for all requests of an endpoint of its SMMUv3");
        }
        lock.lock();
        try {
            checkHeld();
            if (!pasids.isEmpty()) {
                throw new IommufdException(Errno.EBUSY, description.requesterId() + " has PASIDs attached");
            }
            if (domain.translates() && !domain.viommu().knows(this)) {
                throw new IommufdException(Errno.ENOENT, "the guest has no number for " + description.requesterId());
            }
            driver.streams().replace(streamId, domain.streamTableEntry());
            unnamed = Unnamed.NESTED;
            guest = Optional.of(domain.viommu());
        } finally {
            freeUnusedContexts();
            lock.unlock();
        }
    }

    private void checkHeld() {
        assert lock.isHeldByCurrentThread();
        if (released) {
            throw new IommufdException(Errno.ENODEV, description.requesterId() + " was given back");
        }
    }

    private void attachStage2(SmmuPagingDomain domain) {
        if (!pasids.isEmpty()) {
            throw new IommufdException(Errno.EINVAL, "%s has PASIDs attached: its requests without need a first stage"
                    .formatted(description.requesterId()));
        }
        driver.streams().replace(streamId, domain.streamTableEntry());
        unnamed = Unnamed.STAGE2;
        guest = Optional.empty();
    }

    private void attachStage1(SmmuPagingDomain domain) {
        ContextTable table = contexts();
        if (!table.hasSubstreams()) {
            table.write(domain.contextDescriptor());
            try {
                driver.streams().replace(streamId, stage1Entry(table, StreamTableEntry.S1DSS_TERMINATE));
            } catch (IommufdException failure) {
                table.undoWrite();
                throw failure;
            }
        } else if (unnamed == Unnamed.STAGE1) {
            table.set(0, domain.contextDescriptor());
        } else {
            table.set(0, domain.contextDescriptor());
            try {
                driver.streams().replace(streamId, stage1Entry(table, StreamTableEntry.S1DSS_SUBSTREAM0));
            } catch (IommufdException failure) {
                table.clear(0);
                throw failure;
            }
        }
        unnamed = Unnamed.STAGE1;
        guest = Optional.empty();
    }

    private void attachPasid(int pasid, SmmuPagingDomain domain) {
        if (substreamIdBits == 0) {
            throw new IommufdException(Errno.EOPNOTSUPP, description.requesterId() + " has no PASIDs");
        }
        if (pasid <= 0 || pasid >>> substreamIdBits != 0) {
            throw new IommufdException(Errno.EINVAL, "PASID %d is outside 1..%d; 0 serves requests without"
                    .formatted(pasid, (1 << substreamIdBits) - 1));
        }
        if (domain.stage2() || unnamed == Unnamed.STAGE2 || unnamed == Unnamed.NESTED) {
            throw new IommufdException(Errno.EINVAL, "PASIDs need first stages, and none but one under requests without PASID");
        }
        ContextTable table = contexts();
        boolean fresh = !pasids.get(pasid);
        table.set(pasid, domain.contextDescriptor());
        if (unnamed == Unnamed.BLOCKED && pasids.isEmpty()) {
            try {
                driver.streams().replace(streamId, stage1Entry(table, StreamTableEntry.S1DSS_TERMINATE));
            } catch (IommufdException failure) {
                if (fresh) {
                    table.clear(pasid);
                }
                throw failure;
            }
        }
        pasids.set(pasid);
    }

    private static long[] stage1Entry(ContextTable table, long unnamedRequests) {
        long[] words = new long[StreamTableEntry.WORDS];
        words[0] = table.streamWord0();
        words[1] = unnamedRequests;
        return words;
    }

    private ContextTable contexts() {
        if (contexts.isEmpty()) {
            contexts = Optional.of(new ContextTable(driver.pool().memory(), driver.commands(), streamId, substreamIdBits));
        }
        return contexts.get();
    }

    private void freeUnusedContexts() {
        if (unnamed != Unnamed.STAGE1 && pasids.isEmpty()) {
            contexts.ifPresent(ContextTable::free);
            contexts = Optional.empty();
        }
    }

    @Override
    public void block(int pasid) {
        lock.lock();
        try {
            if (released) {
                return;
            }
            if (pasid == Pasid.NONE) {
                unnamed = Unnamed.BLOCKED;
                guest = Optional.empty();
                if (pasids.isEmpty()) {
                    driver.streams().block(streamId);
                } else {
                    driver.streams().setWord(streamId, 1, StreamTableEntry.S1DSS_TERMINATE);
                    contexts().clear(0);
                }
            } else if (pasid > 0 && pasids.get(pasid)) {
                pasids.clear(pasid);
                if (pasids.isEmpty() && unnamed == Unnamed.BLOCKED) {
                    driver.streams().block(streamId);
                }
                contexts().clear(pasid);
            }
        } finally {
            freeUnusedContexts();
            lock.unlock();
        }
        lookAgain(pasid);
    }

    @Override
    public HardwarePort openPort(int pasid) {
        lock.lock();
        try {
            checkHeld();
            HardwarePort port = driver.bus().openPort(description.requesterId(), pasid);
            ports.add(port);
            return port;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void respond(PageResponse response) {
        DmaFault fault = pending.get(response.groupIndex());
        if (fault == null || fault.pasid().orElse(Pasid.NONE) != response.pasid() || !pending.remove(response.groupIndex(), fault)) {
            return;
        }
        boolean retry = response.response() == FaultResponse.SUCCESS;
        if (!retry) {
            faults.unrecoverable(fault);
        }
        driver.commands().resume(streamId, response.groupIndex(), retry);
    }

    /** What they were refused by is no more: requests of the PASID that wait look again. */
    private void lookAgain(int pasid) {
        pending.forEach((tag, fault) -> {
            if (fault.pasid().orElse(Pasid.NONE) == pasid && pending.remove(tag, fault)) {
                driver.commands().resume(streamId, tag, true);
            }
        });
    }

    @Override
    public void release() {
        lock.lock();
        try {
            if (released) {
                return;
            }
            released = true;
            driver.streams().block(streamId);
            for (HardwarePort port : ports) {
                if (!port.close(CLOSE_NANOS)) {
                    LOG.warn("a DMA request of {} has been inside for more than {} s", description.requesterId(),
                            CLOSE_NANOS / 1_000_000_000);
                }
            }
            ports.clear();
            if (driver.stalls()) {
                driver.commands().terminateStalls(streamId);
            }
            driver.forget(streamId);
            contexts.ifPresent(ContextTable::free);
            contexts = Optional.empty();
        } finally {
            lock.unlock();
        }
    }
}
