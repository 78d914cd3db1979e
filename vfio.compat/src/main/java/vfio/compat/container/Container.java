package vfio.compat.container;

import static iommufd.api.uapi.VfioRequest.VFIO_API_VERSION;
import static iommufd.api.uapi.VfioRequest.VFIO_CHECK_EXTENSION;
import static iommufd.api.uapi.VfioRequest.VFIO_GET_API_VERSION;
import static iommufd.api.uapi.VfioRequest.VFIO_NOIOMMU_IOMMU;
import static iommufd.api.uapi.VfioRequest.VFIO_SET_IOMMU;
import static iommufd.api.uapi.VfioRequest.VFIO_TYPE1V2_IOMMU;
import static iommufd.api.uapi.VfioRequest.VFIO_TYPE1_IOMMU;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IommufdService;
import iommufd.api.node.Caller;
import iommufd.api.node.IoctlDecoder;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IoctlText;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;
import vfio.device.VfioGroup;

/**
 * A container ({@code container.c}). It can do nothing until it has a group, which is what gives a client the right to use an
 * IOMMU, and forgets everything when it has lost the last. It outlives its file as long as it has groups. Thread-safe.
 */
public final class Container implements OpenNode {
    private final IommufdService iommufd;
    private final Supplier<ContainerOptions> options;
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
    /** Guarded by the lock. */
    private final List<VfioGroup.Claim> groups = new ArrayList<>();
    /** Guarded by the lock. */
    private Optional<Type1> type1 = Optional.empty();

    Container(IommufdService iommufd, Supplier<ContainerOptions> options) {
        this.iommufd = iommufd;
        this.options = options;
    }

    @Override
    public long ioctl(Caller caller, int request, long argument) {
        return switch (request) {
            case VFIO_GET_API_VERSION -> VFIO_API_VERSION;
            case VFIO_CHECK_EXTENSION -> {
                Lock reading = locked(lock.readLock());
                try {
                    yield checkExtension(argument) ? 1 : 0;
                } finally {
                    reading.unlock();
                }
            }
            case VFIO_SET_IOMMU -> {
                Lock writing = locked(lock.writeLock());
                try {
                    setIommu(caller, argument);
                    yield 0;
                } finally {
                    writing.unlock();
                }
            }
            default -> {
                Lock reading = locked(lock.readLock());
                try {
                    yield served().ioctl(caller, request, argument);
                } finally {
                    reading.unlock();
                }
            }
        };
    }

    /** Not to be interrupted: Linux's are not, and programs do not expect {@code EINTR} here. */
    private static Lock locked(Lock lock) {
        lock.lock();
        return lock;
    }

    private Type1 served() {
        return type1.orElseThrow(() -> new IommufdException(Errno.EINVAL, "the container has no type yet: put a group into it, then VFIO_SET_IOMMU"));
    }

    private boolean checkExtension(long extension) {
        if (type1.isPresent()) {
            return type1.get().checkExtension(extension);
        }
        boolean noIommu = extension == VFIO_NOIOMMU_IOMMU && groups.isEmpty() && options.get().noIommu();
        return noIommu || Type1.offers(extension);
    }

    private void setIommu(Caller caller, long type) {
        if (groups.isEmpty() || type1.isPresent()) {
            throw new IommufdException(Errno.EINVAL, groups.isEmpty() ? "the container has no group" : "the container has its type already");
        }
        if (type != VFIO_TYPE1_IOMMU && type != VFIO_TYPE1V2_IOMMU) {
            throw new IommufdException(Errno.ENODEV, "there are containers of type 1 (1) and 1v2 (3), none of type " + type);
        }
        Type1 made = new Type1(iommufd, caller, type == VFIO_TYPE1V2_IOMMU, options.get().entryLimit());
        try {
            groups.forEach(made::attach);
        } catch (RuntimeException | Error refused) {
            made.close();
            throw refused;
        }
        type1 = Optional.of(made);
    }

    /**
     * Puts a group in; it is attached if the container has a type.
     *
     * @throws IommufdException what attaching says; nothing has changed then
     */
    public void add(VfioGroup.Claim group) {
        lock.writeLock().lock();
        try {
            type1.ifPresent(iommu -> iommu.attach(group));
            groups.add(group);
        } finally {
            lock.writeLock().unlock();
        }
    }

    /** Takes a group out. None of its devices is open. With the last group goes the type, and what was mapped. Never fails. */
    public void remove(VfioGroup.Claim group) {
        lock.writeLock().lock();
        try {
            if (!groups.remove(group)) {
                return;
            }
            type1.ifPresent(iommu -> iommu.detach(group));
            if (groups.isEmpty()) {
                type1.ifPresent(Type1::close);
                type1 = Optional.empty();
            }
        } finally {
            lock.writeLock().unlock();
        }
    }

    /** Whether devices of its groups may be opened. */
    public boolean ready() {
        lock.readLock().lock();
        try {
            return type1.isPresent();
        } finally {
            lock.readLock().unlock();
        }
    }

    @Override
    public IoctlDecoder decoder() {
        return IoctlText.DECODER;
    }

    /** As a character device that knows nothing of poll(2). */
    @Override
    public int poll() {
        return READABLE | WRITABLE;
    }

    @Override
    public void close() {
        // It stays as long as it has groups, and has nothing without.
    }
}
