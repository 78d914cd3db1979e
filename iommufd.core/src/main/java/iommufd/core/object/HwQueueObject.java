package iommufd.core.object;

import iommufd.api.Errno;
import iommufd.api.HwQueue;
import iommufd.api.IommufdException;
import iommufd.api.Viommu;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import iommufd.core.fabric.GuestIommu;
import iommufd.core.space.SpaceAccess;
import java.util.Optional;

/** A queue in guest memory that hardware reads: its pages are pinned, contiguous, and cannot be unmapped meanwhile. */
final class HwQueueObject extends ContextObject implements HwQueue {
    private static final long PAGE_MASK = UserMemory.PAGE_BYTES - 1;

    private final ViommuObject viommu;
    private final int type;
    private final int index;
    private final SpaceAccess pages;
    private final GuestIommu.GuestQueue queue;
    private Optional<QueueAccess> access = Optional.empty();

    private HwQueueObject(ViommuObject viommu, int type, int index, SpaceAccess pages, GuestIommu.GuestQueue queue) {
        super(viommu.context());
        this.viommu = viommu;
        this.type = type;
        this.index = index;
        this.pages = pages;
        this.queue = queue;
    }

    /** Range checked by the caller. */
    static HwQueueObject open(ViommuObject viommu, int type, int index, long baseIova, long lengthBytes, Runnable beforeHardware) {
        long pageOffset = baseIova & PAGE_MASK;
        long pinnedBytes = pageOffset + lengthBytes + PAGE_MASK & ~PAGE_MASK;
        if (Long.compareUnsigned(pinnedBytes, lengthBytes) < 0) {
            throw new IommufdException(Errno.ERANGE, "a hardware queue of 0x%x bytes is too long".formatted(lengthBytes));
        }
        SpaceAccess pages = viommu.parentObject().ioasObject().space().openLockingAccess();
        try {
            PinnedRuns runs = new PinnedRuns(1);
            pages.pin(baseIova - pageOffset, pinnedBytes, false, runs);
            if (runs.count() != 1) {
                throw new IommufdException(Errno.EFAULT, "the hardware queue at 0x%x lies in %d pieces of physical memory; it must be contiguous"
                        .formatted(baseIova, runs.count()));
            }
            beforeHardware.run();
            return new HwQueueObject(viommu, type, index, pages,
                    viommu.guest().openQueue(type, index, runs.physicalAddress(0) + pageOffset, lengthBytes));
        } catch (RuntimeException | Error refused) {
            pages.close();
            throw refused;
        }
    }

    /** Its access takes the next number. */
    void numberAccess() {
        access = Optional.of(context().publish(new QueueAccess(context())));
    }

    int type() {
        return type;
    }

    @Override
    String kind() {
        return "hardware queue";
    }

    /** @throws IommufdException {@link Errno#EBUSY} if the hardware needs it for another queue, too */
    @Override
    public void destroy() {
        context().run(() -> {
            checkAlive();
            if (viommu.guest().inUse(queue)) {
                throw new IommufdException(Errno.EBUSY, this + " is needed by another hardware queue; destroy that one first");
            }
            super.destroy();
        });
    }

    @Override
    void release() {
        viommu.guest().closeQueue(queue);
        pages.close();
        access.ifPresent(context()::withdraw);
        viommu.remove(this);
    }

    @Override
    public Viommu viommu() {
        return viommu;
    }

    @Override
    public int index() {
        return index;
    }
}
