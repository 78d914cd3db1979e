package iommufd.core.fake;

import iommufd.api.DmaAccess;
import iommufd.api.FaultResponse;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.ScatterList;
import iommufd.api.hardware.HardwareDomain;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PageRequest;
import iommufd.api.memory.HostMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;

/** Moves bytes page by page, one epoch per request; remembers one translation. */
final class FakePort implements HardwarePort {
    private static final VarHandle WORD = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
    private static final AtomicInteger GROUPS = new AtomicInteger();

    private final FakeEndpoint endpoint;
    private final FakeEndpoint.Context context;
    private final int pasid;
    private final FakeHardware hardware;
    private volatile boolean closed;
    private DmaStatus status = DmaStatus.DONE;
    private Optional<DmaFault> lastFault = Optional.empty();
    private long cachedPage = -1;
    private long cachedGeneration = -1;
    private FakePagingDomain.Entry cached;
    private DmaFault.Kind refusal;

    FakePort(FakeEndpoint endpoint, FakeEndpoint.Context context, int pasid) {
        this.endpoint = endpoint;
        this.context = context;
        this.pasid = pasid;
        hardware = endpoint.hardware;
    }

    @Override
    public DmaStatus read(long iova, MemorySegment target, long targetOffset, long lengthBytes) {
        return move(iova, target, targetOffset, lengthBytes, false);
    }

    @Override
    public DmaStatus write(long iova, MemorySegment source, long sourceOffset, long lengthBytes) {
        return move(iova, source, sourceOffset, lengthBytes, true);
    }

    private DmaStatus move(long iova, MemorySegment own, long ownOffset, long lengthBytes, boolean write) {
        hardware.sabotage.step(write ? "write" : "read");
        while (true) {
            long done = 0;
            long stamp = hardware.epoch.readLock();
            try {
                if (closed) {
                    return status = DmaStatus.CLOSED;
                }
                while (done < lengthBytes) {
                    long at = iova + done;
                    long part = Math.min(lengthBytes - done, FakePagingDomain.PAGE - (at & FakePagingDomain.PAGE - 1));
                    long physical = translate(at, write);
                    if (physical < 0) {
                        break;
                    }
                    if (write) {
                        MemorySegment.copy(own, ownOffset + done, HostMemory.WINDOW, physical, part);
                    } else {
                        MemorySegment.copy(HostMemory.WINDOW, physical, own, ownOffset + done, part);
                    }
                    done += part;
                }
            } finally {
                hardware.epoch.unlockRead(stamp);
            }
            if (done == lengthBytes) {
                return status = DmaStatus.DONE;
            }
            if (!askForPage(iova + done, write)) {
                return closed ? status = DmaStatus.CLOSED : fault(iova + done, write ? DmaAccess.WRITE : DmaAccess.READ);
            }
        }
    }

    /** Inside the epoch. */
    private long translate(long iova, boolean write) {
        HardwareDomain domain = context.domain;
        if (domain == null) {
            refusal = DmaFault.Kind.BLOCKED;
            return -1;
        }
        long offset = domain instanceof FakeNestedDomain nested ? nested.offset : 0;
        FakePagingDomain paging = domain instanceof FakeNestedDomain nested ? nested.parent : (FakePagingDomain) domain;
        long address = iova + offset;
        long generation = hardware.generation.get();
        if (cached == null || cachedPage != address >>> 12 || cachedGeneration != generation) {
            cached = paging.entry(address);
            cachedPage = address >>> 12;
            cachedGeneration = generation;
        }
        FakePagingDomain.Entry entry = cached;
        if (entry == null) {
            refusal = DmaFault.Kind.TRANSLATION;
            return -1;
        }
        if (write ? !entry.access.writable() : !entry.access.readable()) {
            refusal = DmaFault.Kind.PERMISSION;
            return -1;
        }
        if (write && paging.tracking) {
            entry.leaf.dirty = true;
        }
        return entry.physicalAddress + (address & FakePagingDomain.PAGE - 1);
    }

    /** Outside the epoch. @return whether to try again */
    private boolean askForPage(long iova, boolean write) {
        if (!endpoint.description.pageRequests() || refusal != DmaFault.Kind.TRANSLATION) {
            return false;
        }
        int group = GROUPS.incrementAndGet() & 0x1ff;
        CompletableFuture<FaultResponse> answer = endpoint.await(group);
        try {
            boolean heard = endpoint.faults.pageRequest(new PageRequest(pasid, group, iova & -FakePagingDomain.PAGE,
                    write ? DmaAccess.WRITE : DmaAccess.READ, false, false, true));
            while (heard && !closed) {
                try {
                    return answer.get(5, TimeUnit.MILLISECONDS) == FaultResponse.SUCCESS;
                } catch (TimeoutException again) {
                    // looks whether the port was closed
                }
            }
            return false;
        } catch (InterruptedException | ExecutionException stop) {
            return false;
        } finally {
            endpoint.forget(group);
        }
    }

    private DmaStatus fault(long iova, DmaAccess access) {
        DmaFault fault = new DmaFault(hardware.name(), endpoint.description.requesterId(),
                pasid == Pasid.NONE ? OptionalInt.empty() : OptionalInt.of(pasid), iova, access, refusal, 7, "fake");
        lastFault = Optional.of(fault);
        endpoint.faults.unrecoverable(fault);
        return status = DmaStatus.FAULTED;
    }

    @Override
    public DmaStatus read(ScatterList list, MemorySegment target, long targetOffset) {
        return move(list, target, targetOffset, false);
    }

    @Override
    public DmaStatus write(ScatterList list, MemorySegment source, long sourceOffset) {
        return move(list, source, sourceOffset, true);
    }

    private DmaStatus move(ScatterList list, MemorySegment own, long ownOffset, boolean write) {
        long at = ownOffset;
        for (int piece = 0; piece < list.count(); piece++) {
            if (move(list.iova(piece), own, at, list.lengthBytes(piece), write) != DmaStatus.DONE) {
                return status;
            }
            at += list.lengthBytes(piece);
        }
        return status = DmaStatus.DONE;
    }

    @Override
    public long compareAndSwap(long iova, long expected, long desired) {
        return atomic(iova, physical -> (long) WORD.compareAndExchange(HostMemory.WINDOW, physical, expected, desired));
    }

    @Override
    public long fetchAndAdd(long iova, long addend) {
        return atomic(iova, physical -> (long) WORD.getAndAdd(HostMemory.WINDOW, physical, addend));
    }

    @Override
    public long swap(long iova, long desired) {
        return atomic(iova, physical -> (long) WORD.getAndSet(HostMemory.WINDOW, physical, desired));
    }

    private interface WordOperation {
        long at(long physicalAddress);
    }

    private long atomic(long iova, WordOperation operation) {
        hardware.sabotage.step("atomic");
        do {
            long stamp = hardware.epoch.readLock();
            try {
                if (closed) {
                    status = DmaStatus.CLOSED;
                    return 0;
                }
                long physical = translate(iova, true);
                if (physical >= 0) {
                    status = DmaStatus.DONE;
                    return operation.at(physical);
                }
            } finally {
                hardware.epoch.unlockRead(stamp);
            }
        } while (askForPage(iova, true));
        if (closed) {
            status = DmaStatus.CLOSED;
        } else {
            fault(iova, DmaAccess.READ_WRITE);
        }
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
        hardware.sabotage.step("closePort");
        closed = true;
        endpoint.forget(this);
        try {
            long stamp = hardware.epoch.tryWriteLock(timeoutNanos, TimeUnit.NANOSECONDS);
            if (stamp != 0) {
                hardware.epoch.unlockWrite(stamp);
            }
            return stamp != 0;
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
