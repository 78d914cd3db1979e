package iommufd.core.node;

import iommufd.api.Errno;
import iommufd.api.FaultQueue;
import iommufd.api.FaultRecord;
import iommufd.api.FaultResponse;
import iommufd.api.IommufdException;
import iommufd.api.node.Caller;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IommuHwptPageResponse;
import iommufd.api.uapi.IommuHwptPgfault;
import iommufd.api.uapi.IommufdFile;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/** The file of a fault queue: faults are read from it, responses written to it. It holds queue and context. */
final class FaultFile implements OpenNode {
    private final OpenIommu iommu;
    private final IommufdFile.Hold context;
    private final FaultQueue queue;
    private final AtomicBoolean closed = new AtomicBoolean();

    FaultFile(OpenIommu iommu, FaultQueue queue) {
        this.iommu = iommu;
        this.queue = queue;
        iommu.client().hold(queue);
        context = iommu.hold();
    }

    @Override
    public long ioctl(Caller caller, int request, long argument) {
        throw new IommufdException(Errno.ENOTTY, "a fault queue has no ioctls");
    }

    @Override
    public int read(Caller caller, MemorySegment target, long offset) {
        checkWhole(target.byteSize(), IommuHwptPgfault.SIZE_BYTES, offset);
        List<FaultRecord> records = queue.read((int) (target.byteSize() / IommuHwptPgfault.SIZE_BYTES));
        for (int i = 0; i < records.size(); i++) {
            store(records.get(i), target.asSlice((long) i * IommuHwptPgfault.SIZE_BYTES, IommuHwptPgfault.SIZE_BYTES));
        }
        return records.size() * IommuHwptPgfault.SIZE_BYTES;
    }

    private static void checkWhole(long bytes, int recordBytes, long offset) {
        if (offset != 0 || bytes % recordBytes != 0) {
            throw new IommufdException(Errno.ESPIPE, "a fault queue is read and written in records of %d bytes, without position".formatted(recordBytes));
        }
    }

    private static void store(FaultRecord record, MemorySegment struct) {
        struct.fill((byte) 0);
        int flags = (record.pasid().isPresent() ? IommuHwptPgfault.IOMMU_PGFAULT_FLAGS_PASID_VALID : 0)
                | (record.lastOfGroup() ? IommuHwptPgfault.IOMMU_PGFAULT_FLAGS_LAST_PAGE : 0);
        int permissions = (record.access().readable() ? IommuHwptPgfault.IOMMU_PGFAULT_PERM_READ : 0)
                | (record.access().writable() ? IommuHwptPgfault.IOMMU_PGFAULT_PERM_WRITE : 0)
                | (record.execute() ? IommuHwptPgfault.IOMMU_PGFAULT_PERM_EXEC : 0)
                | (record.privileged() ? IommuHwptPgfault.IOMMU_PGFAULT_PERM_PRIV : 0);
        IommuHwptPgfault.flags(struct, flags);
        IommuHwptPgfault.devId(struct, record.deviceId());
        IommuHwptPgfault.pasid(struct, record.pasid().orElse(0));
        IommuHwptPgfault.grpid(struct, record.groupIndex());
        IommuHwptPgfault.perm(struct, permissions);
        IommuHwptPgfault.addr(struct, record.iova());
        IommuHwptPgfault.length(struct, (int) record.lengthHintBytes());
        IommuHwptPgfault.cookie(struct, record.cookie());
    }

    @Override
    public int write(Caller caller, MemorySegment source, long offset) {
        checkWhole(source.byteSize(), IommuHwptPageResponse.SIZE_BYTES, offset);
        int done = 0;
        while (done < source.byteSize()) {
            try {
                respond(source.asSlice(done, IommuHwptPageResponse.SIZE_BYTES));
            } catch (IommufdException refused) {
                if (done == 0) {
                    throw refused;
                }
                return done;
            }
            done += IommuHwptPageResponse.SIZE_BYTES;
        }
        return done;
    }

    private void respond(MemorySegment struct) {
        FaultResponse response = switch (IommuHwptPageResponse.code(struct)) {
            case IommuHwptPageResponse.IOMMUFD_PAGE_RESP_SUCCESS -> FaultResponse.SUCCESS;
            case IommuHwptPageResponse.IOMMUFD_PAGE_RESP_INVALID -> FaultResponse.INVALID;
            default -> throw new IommufdException(Errno.EINVAL, "response code %d is not known".formatted(IommuHwptPageResponse.code(struct)));
        };
        queue.respond(IommuHwptPageResponse.cookie(struct), response);
    }

    @Override
    public int poll() {
        return WRITABLE | (Readiness.readable(queue::awaitReadable) ? READABLE : 0);
    }

    @Override
    public void onPollChange(Runnable listener) {
        queue.onReadable(listener);
    }

    @Override
    public void close() {
        if (closed.getAndSet(true)) {
            return;
        }
        Unwind.quietly(() -> iommu.client().letGo(queue));
        context.close();
    }
}
