package iommu.s390.driver;

import iommufd.api.Errno;
import iommufd.api.HardwareInfo;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.NestedTable;
import iommufd.api.ViommuTable;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
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
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.WeakHashMap;

/** A device as a zPCI function: enabled as long as it is here, registered while it is attached. */
final class ZpciEndpoint implements HardwareEndpoint {
    private static final long CLOSE_NANOS = 5_000_000_000L;

    private final ZpciDriver driver;
    private final EndpointDescription description;
    private final FaultSink faults;
    private final FunctionControl control;
    /** Guarded by this, as everything below. */
    private final Set<HardwarePort> ports = Collections.newSetFromMap(new WeakHashMap<>());
    private Optional<TranslationTable> attached = Optional.empty();
    private boolean released;

    ZpciEndpoint(ZpciDriver driver, EndpointDescription description, FaultSink faults) {
        this.driver = driver;
        this.description = description;
        this.faults = faults;
        control = driver.newControl(description.requesterId());
        try {
            control.enable(driver.slots().plug(description.requesterId()));
        } catch (RuntimeException failure) {
            control.close();
            throw failure;
        }
    }

    RequesterId requesterId() {
        return description.requesterId();
    }

    void faulted(DmaFault fault) {
        faults.unrecoverable(fault);
    }

    @Override
    public HardwareInfo info() {
        return ZpciDriver.INFO;
    }

    @Override
    public List<ReservedRegion> reservedRegions() {
        long first = driver.options().firstDma();
        return first == 0 ? List.of() : List.of(new ReservedRegion(new IovaRange(0, first - 1), ReservedRegion.Kind.RESERVED));
    }

    @Override
    public PagingDomain allocatePaging(PagingOptions options) {
        return driver.allocatePaging(options);
    }

    @Override
    public NestedDomain allocateNested(PagingDomain parent, NestedTable table) {
        return new ZpciNestedDomain(own(parent) instanceof ZpciDomain host ? host : foreign(), driver.options(), table);
    }

    @Override
    public boolean offersViommu(int type) {
        return false;
    }

    @Override
    public HardwareViommu allocateViommu(PagingDomain parent, ViommuTable table) {
        throw new IommufdException(Errno.EOPNOTSUPP, "zPCI has no vIOMMU of type " + table.type());
    }

    @Override
    public synchronized void attach(int pasid, HardwareDomain domain) {
        if (pasid != Pasid.NONE) {
            throw new IommufdException(Errno.EOPNOTSUPP, "%s has no PASIDs: zPCI has none".formatted(requesterId()));
        }
        TranslationTable target = own(domain);
        if (attached.filter(former -> former == target).isPresent()) {
            return;
        }
        target.join(this);
        try {
            control.register(target, attached.isPresent());
        } catch (RuntimeException failure) {
            target.leave(this);
            throw failure;
        }
        Optional<TranslationTable> former = attached;
        attached = Optional.of(target);
        former.ifPresent(table -> table.leave(this));
    }

    private TranslationTable own(HardwareDomain domain) {
        return domain instanceof TranslationTable table && table.driver() == driver ? table : foreign();
    }

    private <T> T foreign() {
        throw new IommufdException(Errno.EINVAL, "the page table was made by other hardware than " + driver.name());
    }

    /** The table changed in a range: returns when no request uses what it said before. */
    synchronized void refresh(TranslationTable table, long first, long last) {
        if (uses(table)) {
            // Ranges that lie outside of what is registered are refused.
            long from = Long.compareUnsigned(first, table.base()) < 0 ? table.base() : first;
            long to = Long.compareUnsigned(last, table.limit()) > 0 ? table.limit() : last;
            if (Long.compareUnsigned(from, to) <= 0) {
                control.refresh(from, to - from == -1L ? -1L : to - from + 1);
            }
        }
    }

    /** What lies below the table changed. */
    synchronized void refreshAll(TranslationTable table) {
        refresh(table, table.base(), table.limit());
    }

    private boolean uses(TranslationTable table) {
        return attached.isPresent() && attached.get() == table;
    }

    @Override
    public synchronized void block(int pasid) {
        if (pasid != Pasid.NONE || attached.isEmpty()) {
            return;
        }
        control.deregister();
        TranslationTable former = attached.get();
        attached = Optional.empty();
        former.leave(this);
    }

    @Override
    public synchronized HardwarePort openPort(int pasid) {
        HardwarePort port = driver.slots().open(requesterId(), pasid);
        ports.add(port);
        return port;
    }

    @Override
    public void respond(PageResponse response) {
        // zPCI has no page requests, so that every response is to an unknown one.
    }

    @Override
    public synchronized void release() {
        if (released) {
            return;
        }
        released = true;
        for (HardwarePort port : List.copyOf(ports)) {
            port.close(CLOSE_NANOS);
        }
        ports.clear();
        block(Pasid.NONE);
        control.disable();
        driver.slots().unplug(requesterId());
        control.close();
        driver.forget(this);
    }
}
