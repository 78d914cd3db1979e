package iommu.tck;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.memory.FarMemory;
import iommufd.api.memory.TableMemory;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.StampedLock;

/**
 * The simplest backend that keeps the contract: one lock, which requests hold shared and changes hold alone, is the epoch, the
 * invalidation and the visibility at once. Frames are taken in proportion to what is mapped, so that they can run out.
 *
 * <p>With a {@link Defect} it breaks the contract in one place.
 */
final class ReferenceBackend implements IommuHardware {
    static final int FRAME_LG2 = 12;
    static final int PASID_BITS = 16;
    private static final long PATIENCE_SECONDS = 2;

    final TableMemory tables;
    final Defect defect;
    volatile Optional<FarMemory> far = Optional.empty();
    private final StampedLock lock = new StampedLock();
    private final Map<Integer, ReferenceEndpoint> endpoints = new HashMap<>();
    /** For defects only: open tables of all instances, and the latest one of this. */
    static final List<ReferenceDomain> OPEN_TABLES = new CopyOnWriteArrayList<>();
    ReferenceDomain latestTable;
    ReferenceDomain recycledTable;
    ReferenceEndpoint.Attachment sharedAttachment = new ReferenceEndpoint.Attachment();

    ReferenceBackend(TableMemory tables, Defect defect) {
        this.tables = tables;
        this.defect = defect;
    }

    boolean has(Defect which) {
        return defect == which;
    }

    /** Enters a request's epoch. */
    long enter() {
        return lock.readLock();
    }

    void leave(long stamp) {
        lock.unlockRead(stamp);
    }

    /** Waits until no request is inside, and keeps new ones out. */
    long lockChanges() {
        try {
            long stamp = lock.tryWriteLock(PATIENCE_SECONDS, TimeUnit.SECONDS);
            if (stamp == 0) {
                throw new IllegalStateException("a request did not leave within " + PATIENCE_SECONDS + " s");
            }
            return stamp;
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for requests to leave", interrupted);
        }
    }

    void unlockChanges(long stamp) {
        lock.unlockWrite(stamp);
    }

    @Override
    public String name() {
        return "reference";
    }

    @Override
    public String vendor() {
        return "reference";
    }

    @Override
    public HardwareEndpoint probe(EndpointDescription description, FaultSink faults) {
        if (description.requesterId().segment() != 0 && !has(Defect.STRANGERS_PROBED)) {
            throw new IommufdException(Errno.ENODEV, description.requesterId() + " is in another segment");
        }
        long stamp = lockChanges();
        try {
            if (endpoints.containsKey(description.requesterId().value()) && !has(Defect.PROBED_TWICE)) {
                throw new IommufdException(Errno.EBUSY, description.requesterId() + " was probed already");
            }
            if (has(Defect.FAILED_PROBE_REMEMBERED)) {
                endpoints.put(description.requesterId().value(), null);
            }
            ReferenceEndpoint endpoint = new ReferenceEndpoint(this, description, faults, takeFrame());
            endpoints.put(description.requesterId().value(), endpoint);
            return endpoint;
        } finally {
            unlockChanges(stamp);
        }
    }

    long takeFrame() {
        try {
            return tables.allocate(FRAME_LG2);
        } catch (IommufdException noMemory) {
            throw has(Defect.OUT_OF_MEMORY_CALLED_BAD_ADDRESS) ? new IommufdException(Errno.EFAULT, "no frame") : noMemory;
        }
    }

    void giveFrame(long frame) {
        tables.free(frame, FRAME_LG2);
    }

    void forget(ReferenceEndpoint endpoint) {
        if (!has(Defect.RELEASE_REMEMBERED)) {
            endpoints.remove(endpoint.description().requesterId().value());
        }
    }

    /** For a defect only. */
    void blockEverything() {
        endpoints.values().forEach(ReferenceEndpoint::blockAll);
    }
}
