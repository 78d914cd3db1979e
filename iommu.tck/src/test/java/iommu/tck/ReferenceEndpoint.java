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
import java.util.concurrent.locks.LockSupport;

/** An endpoint of {@link ReferenceBackend}: which PASID goes through which page table. */
final class ReferenceEndpoint implements HardwareEndpoint {
    private static final long NO_FRAME = 0;

    private final ReferenceBackend backend;
    private final EndpointDescription description;
    private final FaultSink faults;
    private final Map<Integer, Attachment> attachments = new HashMap<>();
    private final List<ReferencePort> ports = new ArrayList<>();
    private final long contextFrame;
    final ReferencePageRequests pageRequests;

    /** What requests with one PASID go through, and the frame that says so; changed under the backend's lock. */
    static final class Attachment {
        ReferenceDomain domain;
        private long frame = NO_FRAME;
    }

    ReferenceEndpoint(ReferenceBackend backend, EndpointDescription description, FaultSink faults, long contextFrame) {
        this.backend = backend;
        this.description = description;
        this.faults = faults;
        this.contextFrame = contextFrame;
        pageRequests = new ReferencePageRequests(backend, faults);
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
        int exaggeration = backend.has(Defect.INFO_EXAGGERATES) ? 1 : 0;
        return new HardwareInfo(0, new byte[0], Set.of(HardwareInfo.Capability.DIRTY_TRACKING), pasidBits() + exaggeration);
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
        throw new IommufdException(backend.has(Defect.UNKNOWN_FORMATS_CALLED_MALFORMED) ? Errno.EINVAL : Errno.EOPNOTSUPP,
                "the reference backend nests nothing");
    }

    @Override
    public HardwareViommu allocateViommu(PagingDomain parent, ViommuTable table) {
        throw new IommufdException(Errno.EOPNOTSUPP, "the reference backend has no vIOMMU");
    }

    @Override
    public void attach(int pasid, HardwareDomain domain) {
        if (!(domain instanceof ReferenceDomain own) || own.backend() != backend && !backend.has(Defect.FOREIGN_TABLES_ATTACHED)) {
            throw new IommufdException(Errno.EINVAL, "the page table belongs to another IOMMU");
        }
        check(pasid);
        if (backend.has(Defect.REPLACE_WITH_A_GAP)) {
            block(pasid);
            LockSupport.parkNanos(200_000);
        }
        long stamp = backend.lockChanges();
        try {
            Attachment attachment = attachment(pasid);
            if (backend.has(Defect.FAILED_ATTACH_BLOCKS)) {
                attachment.domain = null;
            }
            if (backend.has(Defect.FAILED_ATTACH_ATTACHES)) {
                attachment.domain = own;
            }
            // As a driver that writes the new structure aside and then switches.
            long frame = backend.takeFrame();
            freeFrame(attachment);
            attachment.frame = frame;
            attachment.domain = own;
            if (backend.has(Defect.TABLES_HAVE_ONE_ENDPOINT) && own.latestAttachment != null) {
                own.latestAttachment.domain = own.latestAttachment == attachment ? own : null;
            }
            own.latestAttachment = attachment;
        } finally {
            backend.unlockChanges(stamp);
        }
        if (!backend.has(Defect.ATTACH_ENDS_WAITS)) {
            pageRequests.again(pasid);
        } else {
            ports.forEach(pageRequests::leave);
        }
    }

    private void freeFrame(Attachment attachment) {
        if (attachment.frame != NO_FRAME) {
            backend.giveFrame(attachment.frame);
            attachment.frame = NO_FRAME;
        }
    }

    private void check(int pasid) {
        if (backend.has(Defect.PASID_WIDTH_UNCHECKED)) {
            return;
        }
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
            if (backend.has(Defect.BLOCK_BLOCKS_EVERYTHING)) {
                backend.blockEverything();
            }
        } finally {
            backend.unlockChanges(stamp);
        }
        if (!backend.has(Defect.BLOCK_LEAVES_WAITS)) {
            pageRequests.again(pasid);
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
        if (backend.has(Defect.ENDPOINTS_SHARE_ATTACHMENTS)) {
            return backend.sharedAttachment;
        }
        int key = backend.has(Defect.PASID_IGNORED) ? Pasid.NONE : pasid;
        return attachments.computeIfAbsent(key, absent -> new Attachment());
    }

    /** For a defect only. */
    void blockAll() {
        attachments.values().forEach(attachment -> attachment.domain = null);
    }

    /** For a defect only. */
    void closePorts() {
        ports.forEach(ReferencePort::closeLocked);
    }

    @Override
    public void respond(PageResponse response) {
        pageRequests.answer(response);
        if (backend.has(Defect.UNKNOWN_ANSWERS_FAIL)) {
            throw new IllegalArgumentException("nobody asked for " + response);
        }
    }

    @Override
    public void release() {
        long stamp = backend.lockChanges();
        try {
            ports.forEach(ReferencePort::closeLocked);
            for (Attachment attachment : attachments.values()) {
                if (backend.has(Defect.RELEASE_EMPTIES_TABLES) && attachment.domain != null) {
                    attachment.domain.empty();
                }
                attachment.domain = null;
                freeFrame(attachment);
            }
            if (backend.has(Defect.ENDPOINTS_SHARE_ATTACHMENTS)) {
                freeFrame(backend.sharedAttachment);
            }
            if (!backend.has(Defect.RELEASE_LEAKS_A_FRAME)) {
                backend.giveFrame(contextFrame);
            }
            backend.forget(this);
        } finally {
            backend.unlockChanges(stamp);
        }
    }
}
