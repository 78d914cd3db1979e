package iommufd.core.fake;

import iommufd.api.Errno;
import iommufd.api.HardwareInfo;
import iommufd.api.IommufdException;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.hardware.ReservedRegion;
import iommufd.api.memory.StageTwoTable;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.StampedLock;
import java.util.function.Predicate;

/** A backend true to the SPI with page maps for tables, real bytes, and whatever goes wrong on demand. */
public final class FakeHardware implements IommuHardware {
    public final Sabotage sabotage = new Sabotage();
    /** Every request is inside it as a reader; whoever takes it as a writer has drained them. */
    final StampedLock epoch = new StampedLock();
    /** Changes with every change of tables or attachments; ports forget what they cached. */
    final AtomicLong generation = new AtomicLong();
    final List<FakePagingDomain> domains = new ArrayList<>();
    final List<FakeViommu> viommus = new ArrayList<>();
    private final String name;
    private final String vendor;
    private final Map<RequesterId, FakeEndpoint> endpoints = new ConcurrentHashMap<>();
    public volatile List<ReservedRegion> reservedRegions = List.of();
    public volatile Predicate<EndpointDescription> accepts = description -> true;
    public volatile boolean tracksDirty = true;
    /** Tables made from now on have entries of 64 KiB as well, whose size can change. */
    public volatile boolean largeEntries;
    /** What tables of hypervisors it walks. */
    public volatile StageTwoTable.Format walks = StageTwoTable.Format.EPT;

    public FakeHardware(String name, String vendor) {
        this.name = name;
        this.vendor = vendor;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public String vendor() {
        return vendor;
    }

    HardwareInfo info(EndpointDescription description) {
        return new HardwareInfo(1, new byte[] {1, 2, 3},
                tracksDirty ? Set.of(HardwareInfo.Capability.DIRTY_TRACKING) : Set.of(), description.pasidBits());
    }

    @Override
    public HardwareEndpoint probe(EndpointDescription description, FaultSink faults) {
        sabotage.refusable("probe");
        if (!accepts.test(description)) {
            throw new IommufdException(Errno.ENODEV, description.requesterId() + " is not behind " + name);
        }
        FakeEndpoint endpoint = new FakeEndpoint(this, description, faults);
        if (endpoints.putIfAbsent(description.requesterId(), endpoint) != null) {
            throw new IommufdException(Errno.EBUSY, description.requesterId() + " is here already");
        }
        return endpoint;
    }

    void forget(FakeEndpoint endpoint) {
        endpoints.remove(endpoint.description.requesterId(), endpoint);
    }

    /** Waits until no request is inside; new ones see what changed. */
    void drain() {
        generation.incrementAndGet();
        epoch.unlockWrite(epoch.writeLock());
    }

    public int endpointCount() {
        return endpoints.size();
    }

    public int domainCount() {
        synchronized (domains) {
            return domains.size();
        }
    }

    public int viommuCount() {
        synchronized (viommus) {
            return viommus.size();
        }
    }

    public FakeEndpoint endpoint(RequesterId id) {
        return endpoints.get(id);
    }

    public FakeViommu viommu(int index) {
        synchronized (viommus) {
            return viommus.get(index);
        }
    }

    /** As a new start of the bundle: nothing is known any more. */
    public void reset() {
        endpoints.clear();
        synchronized (domains) {
            domains.clear();
        }
        synchronized (viommus) {
            viommus.clear();
        }
    }

    /** What is attached where, for comparing before and after. */
    public String attachments() {
        StringBuilder text = new StringBuilder();
        endpoints.entrySet().stream().sorted((a, b) -> Integer.compare(a.getKey().value(), b.getKey().value()))
                .forEach(entry -> text.append(entry.getKey()).append('=').append(entry.getValue().attached()).append('\n'));
        return text.toString();
    }
}
