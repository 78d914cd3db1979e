package iommu.mock.hardware;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.dma.ScatterList;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwarePort;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.OptionalInt;

/** A port through which nothing goes: the mock IOMMU aborts all DMA. */
final class MockPort implements HardwarePort {
    private final RequesterId requesterId;
    private final OptionalInt pasid;
    private final FaultSink faults;
    private volatile boolean closed;
    private volatile DmaStatus status = DmaStatus.DONE;
    private volatile Optional<DmaFault> lastFault = Optional.empty();

    MockPort(RequesterId requesterId, int pasid, FaultSink faults) {
        this.requesterId = requesterId;
        this.pasid = pasid == Pasid.NONE ? OptionalInt.empty() : OptionalInt.of(pasid);
        this.faults = faults;
    }

    private DmaStatus refuse(long iova, DmaAccess access) {
        if (closed) {
            status = DmaStatus.CLOSED;
            return status;
        }
        DmaFault fault = new DmaFault(MockBackend.NAME, requesterId, pasid, iova, access, DmaFault.Kind.BLOCKED, 0, "the mock IOMMU moves no data");
        lastFault = Optional.of(fault);
        status = DmaStatus.ABORTED;
        faults.unrecoverable(fault);
        return status;
    }

    @Override
    public DmaStatus read(long iova, MemorySegment target, long targetOffset, long lengthBytes) {
        return refuse(iova, DmaAccess.READ);
    }

    @Override
    public DmaStatus write(long iova, MemorySegment source, long sourceOffset, long lengthBytes) {
        return refuse(iova, DmaAccess.WRITE);
    }

    @Override
    public DmaStatus read(ScatterList list, MemorySegment target, long targetOffset) {
        return refuse(list.count() == 0 ? 0 : list.iova(0), DmaAccess.READ);
    }

    @Override
    public DmaStatus write(ScatterList list, MemorySegment source, long sourceOffset) {
        return refuse(list.count() == 0 ? 0 : list.iova(0), DmaAccess.WRITE);
    }

    @Override
    public long compareAndSwap(long iova, long expected, long desired) {
        refuse(iova, DmaAccess.READ_WRITE);
        return 0;
    }

    @Override
    public long fetchAndAdd(long iova, long addend) {
        refuse(iova, DmaAccess.READ_WRITE);
        return 0;
    }

    @Override
    public long swap(long iova, long desired) {
        refuse(iova, DmaAccess.READ_WRITE);
        return 0;
    }

    @Override
    public DmaStatus status() {
        return status;
    }

    @Override
    public Optional<DmaFault> lastFault() {
        return lastFault;
    }

    @Override
    public boolean close(long timeoutNanos) {
        closed = true;
        return true;
    }
}
