package iommu.tck;

import iommufd.api.Errno;
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
import iommufd.api.hardware.PageResponse;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.hardware.ReservedRegion;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** An endpoint of {@link ReferenceBackend}: which PASID goes through which page table. */
final class ReferenceEndpoint implements HardwareEndpoint {
    private static final long NO_FRAME = 0;

    private final ReferenceBackend backend;
    private final EndpointDescription description;
    private final FaultSink faults;
    private final Map<Integer, Attachment> attachments = new HashMap<>();
    private final List<ReferencePort> ports = new ArrayList<>();
    private final long contextFrame;
    private long pasidFrame = NO_FRAME;

    /** What requests with one PASID go through; changed under the backend's lock. */
    static final class Attachment {
        ReferenceDomain domain;
    }

    ReferenceEndpoint(ReferenceBackend backend, EndpointDescription description, FaultSink faults, long contextFrame) {
        this.backend = backend;
        this.description = description;
        this.faults = faults;
        this.contextFrame = contextFrame;
    }

    EndpointDescription description() {
        return description;
    }

    FaultSink faults() {
        return faults;
    }

    private int pasidBits() {
        return Math.min(description.pasidBits(), ReferenceBackend.PASID_BITS);
    }

    @Override
    public HardwareInfo info() {
        return new HardwareInfo(0, new byte[0], Set.of(HardwareInfo.Capability.DIRTY_TRACKING), pasidBits());
    }

    @Override
    public List<ReservedRegion> reservedRegions() {
        return List.of();
    }

    @Override
    public PagingDomain allocatePaging(PagingOptions options) {
        return new ReferenceDomain(backend, options.dirtyTracking());
    }

    @Override
    public NestedDomain allocateNested(PagingDomain parent, NestedTable table) {
        throw new IommufdException(Errno.EOPNOTSUPP, "the reference backend nests nothing");
    }

    @Override
    public HardwareViommu allocateViommu(PagingDomain parent, ViommuTable table) {
        throw new IommufdException(Errno.EOPNOTSUPP, "the reference backend has no vIOMMU");
    }

    @Override
    public void attach(int pasid, HardwareDomain domain) {
        if (!(domain instanceof ReferenceDomain own) || own.backend() != backend) {
            throw new IommufdException(Errno.EINVAL, "the page table belongs to another IOMMU");
        }
        check(pasid);
        long stamp = backend.lockChanges();
        try {
            if (pasid != Pasid.NONE && pasidFrame == NO_FRAME) {
                pasidFrame = backend.tables.allocate(ReferenceBackend.FRAME_LG2);
            }
            attachment(pasid).domain = own;
        } finally {
            backend.unlockChanges(stamp);
        }
    }

    private void check(int pasid) {
        if (pasid != Pasid.NONE && pasidBits() == 0) {
            throw new IommufdException(Errno.EOPNOTSUPP, "the endpoint has no PASIDs");
        }
        if (pasid != Pasid.NONE && pasid >>> pasidBits() != 0) {
            throw new IommufdException(Errno.EINVAL, "PASID %d is wider than %d bits".formatted(pasid, pasidBits()));
        }
    }

    @Override
    public void block(int pasid) {
        long stamp = backend.lockChanges();
        try {
            attachment(pasid).domain = null;
        } finally {
            backend.unlockChanges(stamp);
        }
    }

    @Override
    public HardwarePort openPort(int pasid) {
        check(pasid);
        long stamp = backend.lockChanges();
        try {
            ReferencePort port = new ReferencePort(backend, this, pasid, attachment(pasid));
            ports.add(port);
            return port;
        } finally {
            backend.unlockChanges(stamp);
        }
    }

    private Attachment attachment(int pasid) {
        return attachments.computeIfAbsent(pasid, absent -> new Attachment());
    }

    @Override
    public void respond(PageResponse response) {
        // No request ever waits for user space here.
    }

    @Override
    public void release() {
        long stamp = backend.lockChanges();
        try {
            ports.forEach(ReferencePort::closeLocked);
            attachments.values().forEach(attachment -> attachment.domain = null);
            backend.tables.free(contextFrame, ReferenceBackend.FRAME_LG2);
            if (pasidFrame != NO_FRAME) {
                backend.tables.free(pasidFrame, ReferenceBackend.FRAME_LG2);
            }
            backend.forget(this);
        } finally {
            backend.unlockChanges(stamp);
        }
    }
}
