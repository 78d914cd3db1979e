package iommu.tck;

import static iommufd.api.DmaAccess.READ_BIT;
import static iommufd.api.DmaAccess.WRITE_BIT;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.ScatterList;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.memory.HostMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.Optional;
import java.util.OptionalInt;

/** A port of {@link ReferenceBackend}: looks every piece up and copies it, under the backend's lock. */
final class ReferencePort implements HardwarePort {
    private static final MemorySegment WINDOW = HostMemory.WINDOW;
    private static final VarHandle WORD = ValueLayout.JAVA_LONG.varHandle();

    private enum Atomic { COMPARE_AND_SWAP, FETCH_AND_ADD, SWAP }

    private final ReferenceBackend backend;
    private final ReferenceEndpoint endpoint;
    private final int pasid;
    private final ReferenceEndpoint.Attachment attachment;
    private final ScatterList single = new ScatterList(1);
    private boolean closed;
    private DmaStatus status = DmaStatus.DONE;
    private DmaFault lastFault;
    private long refusedIova;
    private DmaFault.Kind refusedKind;

    ReferencePort(ReferenceBackend backend, ReferenceEndpoint endpoint, int pasid, ReferenceEndpoint.Attachment attachment) {
        this.backend = backend;
        this.endpoint = endpoint;
        this.pasid = pasid;
        this.attachment = attachment;
    }

    @Override
    public DmaStatus read(long iova, MemorySegment target, long targetOffset, long lengthBytes) {
        return read(single.clear().add(iova, lengthBytes), target, targetOffset);
    }

    @Override
    public DmaStatus write(long iova, MemorySegment source, long sourceOffset, long lengthBytes) {
        return write(single.clear().add(iova, lengthBytes), source, sourceOffset);
    }

    @Override
    public DmaStatus read(ScatterList list, MemorySegment target, long targetOffset) {
        status = request(list, target, targetOffset, READ_BIT);
        if (status == DmaStatus.FAULTED || status == DmaStatus.ABORTED) {
            target.asSlice(targetOffset, list.totalBytes()).fill((byte) 0);
        }
        return status;
    }

    @Override
    public DmaStatus write(ScatterList list, MemorySegment source, long sourceOffset) {
        return status = request(list, source, sourceOffset, WRITE_BIT);
    }

    private DmaStatus request(ScatterList list, MemorySegment buffer, long bufferOffset, int accessBit) {
        DmaStatus result;
        long stamp = backend.enter();
        try {
            result = closed ? DmaStatus.CLOSED : move(list, buffer, bufferOffset, accessBit);
        } finally {
            backend.leave(stamp);
        }
        if (result == DmaStatus.FAULTED || result == DmaStatus.ABORTED) {
            report(accessBit == READ_BIT ? DmaAccess.READ : DmaAccess.WRITE, result);
        }
        return result;
    }

    private DmaStatus move(ScatterList list, MemorySegment buffer, long bufferOffset, int accessBit) {
        long offset = bufferOffset;
        for (int piece = 0; piece < list.count(); piece++) {
            long iova = list.iova(piece);
            for (long left = list.lengthBytes(piece); left > 0; ) {
                int entry = entry(iova, accessBit);
                if (entry < 0) {
                    return DmaStatus.FAULTED;
                }
                ReferenceDomain domain = attachment.domain;
                long run = Math.min(left, domain.last(entry) - iova + 1);
                long address = domain.address(entry, iova);
                if (!HostMemory.isBacked(address)) {
                    refusedKind = DmaFault.Kind.EXTERNAL_ABORT;
                    return DmaStatus.ABORTED;
                }
                if (accessBit == READ_BIT) {
                    MemorySegment.copy(WINDOW, address, buffer, offset, run);
                } else {
                    MemorySegment.copy(buffer, offset, WINDOW, address, run);
                    domain.written(entry);
                }
                iova += run;
                offset += run;
                left -= run;
            }
        }
        return DmaStatus.DONE;
    }

    /** Entry that allows the access, or -1, having noted why not. */
    private int entry(long iova, int accessBit) {
        refusedIova = iova;
        ReferenceDomain domain = attachment.domain;
        if (domain == null) {
            refusedKind = DmaFault.Kind.BLOCKED;
            return -1;
        }
        int entry = domain.find(iova);
        if (entry < 0) {
            refusedKind = DmaFault.Kind.TRANSLATION;
        } else if (!domain.allows(entry, accessBit)) {
            refusedKind = DmaFault.Kind.PERMISSION;
            return -1;
        }
        return entry;
    }

    private void report(DmaAccess access, DmaStatus result) {
        lastFault = new DmaFault(backend.name(), endpoint.description().requesterId(),
                pasid == Pasid.NONE ? OptionalInt.empty() : OptionalInt.of(pasid), refusedIova, access, refusedKind, 0,
                refusedKind + " " + result);
        endpoint.faults().unrecoverable(lastFault);
    }

    @Override
    public long compareAndSwap(long iova, long expected, long desired) {
        return atomic(Atomic.COMPARE_AND_SWAP, iova, expected, desired);
    }

    @Override
    public long fetchAndAdd(long iova, long addend) {
        return atomic(Atomic.FETCH_AND_ADD, iova, 0, addend);
    }

    @Override
    public long swap(long iova, long desired) {
        return atomic(Atomic.SWAP, iova, 0, desired);
    }

    private long atomic(Atomic operation, long iova, long expected, long operand) {
        long found = 0;
        long stamp = backend.enter();
        try {
            if (closed) {
                status = DmaStatus.CLOSED;
                return 0;
            }
            int entry = entry(iova, READ_BIT);
            if (entry >= 0) {
                entry = entry(iova, WRITE_BIT);
            }
            if (entry < 0) {
                status = DmaStatus.FAULTED;
            } else if (!HostMemory.isBacked(attachment.domain.address(entry, iova))) {
                refusedKind = DmaFault.Kind.EXTERNAL_ABORT;
                status = DmaStatus.ABORTED;
            } else {
                found = apply(operation, attachment.domain.address(entry, iova), expected, operand);
                attachment.domain.written(entry);
                status = DmaStatus.DONE;
            }
        } finally {
            backend.leave(stamp);
        }
        if (status != DmaStatus.DONE) {
            report(DmaAccess.READ_WRITE, status);
        }
        return found;
    }

    private static long apply(Atomic operation, long address, long expected, long operand) {
        return switch (operation) {
            case COMPARE_AND_SWAP -> (long) WORD.compareAndExchange(WINDOW, address, expected, operand);
            case FETCH_AND_ADD -> (long) WORD.getAndAdd(WINDOW, address, operand);
            case SWAP -> (long) WORD.getAndSet(WINDOW, address, operand);
        };
    }

    @Override
    public DmaStatus status() {
        return status;
    }

    @Override
    public Optional<DmaFault> lastFault() {
        return Optional.ofNullable(lastFault);
    }

    @Override
    public boolean close(long timeoutNanos) {
        long stamp = backend.lockChanges();
        try {
            closeLocked();
        } finally {
            backend.unlockChanges(stamp);
        }
        return true;
    }

    /** The backend's lock must be held for changes. */
    void closeLocked() {
        closed = true;
    }
}
