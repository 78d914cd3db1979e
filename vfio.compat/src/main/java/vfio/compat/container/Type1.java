package vfio.compat.container;

import static iommufd.api.uapi.VfioIommuType1DirtyBitmap.VFIO_IOMMU_DIRTY_PAGES;
import static iommufd.api.uapi.VfioIommuType1DmaMap.VFIO_IOMMU_MAP_DMA;
import static iommufd.api.uapi.VfioIommuType1DmaUnmap.VFIO_IOMMU_UNMAP_DMA;
import static iommufd.api.uapi.VfioIommuType1Info.VFIO_IOMMU_GET_INFO;
import static iommufd.api.uapi.VfioRequest.VFIO_DMA_CC_IOMMU;
import static iommufd.api.uapi.VfioRequest.VFIO_TYPE1V2_IOMMU;
import static iommufd.api.uapi.VfioRequest.VFIO_TYPE1_IOMMU;
import static iommufd.api.uapi.VfioRequest.VFIO_UNMAP_ALL;
import static iommufd.api.uapi.VfioRequest.VFIO_UPDATE_VADDR;

import iommufd.api.ContextOwner;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.IommufdService;
import iommufd.api.PinAccounting;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.Caller;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import vfio.device.VfioGroup;

/**
 * A container that has become one of type 1 or 1v2 ({@code vfio_iommu_type1.c}): a context with one address space, and what type 1
 * knows of its mappings. Thread-safe.
 */
final class Type1 {
    /** No page table behind is coarser, and finer ones are not told (Linux does the same). */
    static final long PAGE_BYTES = UserMemory.PAGE_BYTES;

    private final IommufdContext context;
    private final Ioas ioas;
    private final boolean wholeMappingsOnly;
    private final ReentrantLock lock = new ReentrantLock();
    /** Guarded by the lock, as all that follows. */
    private final List<VfioGroup.Claim> groups = new ArrayList<>();
    private final DmaMappings mappings = new DmaMappings();
    private final DirtyLog log;
    private final MapRequests mapRequests;
    private final int entryLimit;

    /** @param wholeMappingsOnly whether it is type 1v2 */
    Type1(IommufdService iommufd, Caller caller, boolean wholeMappingsOnly, int entryLimit) {
        ContextOwner owner = caller.owner();
        // Type 1 charges processes, whoever they are.
        context = iommufd.open(new ContextOwner(owner.processId(), owner.userId(), owner.lockedMemoryLimitBytes(), true, owner.rawIo()));
        try {
            context.setPinAccounting(PinAccounting.PROCESS);
            ioas = context.allocateIoas();
        } catch (RuntimeException | Error refused) {
            context.close();
            throw refused;
        }
        this.wholeMappingsOnly = wholeMappingsOnly;
        this.entryLimit = entryLimit;
        log = new DirtyLog(context, ioas, mappings);
        mapRequests = new MapRequests(this, new Payer(caller, owner));
    }

    /** What every container can become. */
    static boolean offers(long extension) {
        return extension == VFIO_TYPE1_IOMMU || extension == VFIO_TYPE1V2_IOMMU || extension == VFIO_UNMAP_ALL;
    }

    boolean checkExtension(long extension) {
        boolean coherent = extension == VFIO_DMA_CC_IOMMU;   // memory is coherent here, whatever a device asks for
        return offers(extension) || coherent || extension == VFIO_UPDATE_VADDR && !anyEmulated();
    }

    private boolean anyEmulated() {
        lock.lock();
        try {
            return hasEmulated();
        } finally {
            lock.unlock();
        }
    }

    long ioctl(Caller caller, int request, long argument) {
        lock.lock();
        try {
            switch (request) {
                case VFIO_IOMMU_GET_INFO -> InfoRequest.answer(this, caller.memory(), argument);
                case VFIO_IOMMU_MAP_DMA -> mapRequests.map(caller, argument);
                case VFIO_IOMMU_UNMAP_DMA -> mapRequests.unmap(caller, argument);
                case VFIO_IOMMU_DIRTY_PAGES -> DirtyRequests.serve(this, caller.memory(), argument);
                default -> throw new IommufdException(Errno.ENOTTY, "request 0x%x is not known to a container of type 1".formatted(request));
            }
            return 0;
        } finally {
            lock.unlock();
        }
    }

    void attach(VfioGroup.Claim group) {
        lock.lock();
        try {
            if (mappings.anyMovedAway()) {
                throw new IommufdException(Errno.EBUSY, "no group can be added while memory of mappings moves (VFIO_DMA_UNMAP_FLAG_VADDR)");
            }
            try {
                group.attach(context, ioas);
            } catch (IommufdException refused) {
                boolean collides = refused.errno() == Errno.EADDRINUSE;
                throw collides ? new IommufdException(Errno.EINVAL, "mappings collide with what the group reserves", refused) : refused;
            }
            groups.add(group);
            log.follow(groups);
        } finally {
            lock.unlock();
        }
    }

    /** None of the group's devices is open. */
    void detach(VfioGroup.Claim group) {
        lock.lock();
        try {
            if (groups.remove(group)) {
                log.lose(groups);
                group.detach();
                log.dropUnused();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Detaches what is attached, and ends the context. */
    void close() {
        List.copyOf(groups).forEach(this::detach);
        context.close();
    }

    Ioas ioas() {
        return ioas;
    }

    DmaMappings mappings() {
        assert lock.isHeldByCurrentThread();
        return mappings;
    }

    DirtyLog log() {
        assert lock.isHeldByCurrentThread();
        return log;
    }

    boolean wholeMappingsOnly() {
        return wholeMappingsOnly;
    }

    int entriesLeft() {
        return entryLimit - mappings.count();
    }

    /** Whether a device is software that has no IOMMU of its own. */
    boolean hasEmulated() {
        assert lock.isHeldByCurrentThread();
        return groups.stream().anyMatch(group -> group.boundDevices().isEmpty());
    }

    /** Whether a page table shows the mappings. */
    boolean hasTable() {
        assert lock.isHeldByCurrentThread();
        return groups.stream().anyMatch(group -> !group.boundDevices().isEmpty());
    }
}
