package vfio.adapter.dma;

import iommufd.api.Access;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.RequesterId;
import iommufd.api.dma.ScatterList;
import iommufd.api.memory.FarMemory;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Optional;
import java.util.OptionalInt;

/** A port of a device whose DMA is copies by software through an iommufd access. As thread-safe as a port. */
public final class AccessPort implements DmaPort {
    private static final String NAME = "iommufd access";
    private static final long PAGE_BYTES = 4096;
    private static final VarHandle WORD = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();

    private final Access access;
    private final RequesterId requesterId;
    private final PinnedRuns runs = new PinnedRuns(1);
    private boolean closed;
    private DmaStatus status = DmaStatus.DONE;
    private Optional<DmaFault> lastFault = Optional.empty();

    /** @param requesterId for fault records only */
    public AccessPort(Access access, RequesterId requesterId) {
        this.access = access;
        this.requesterId = requesterId;
    }

    /** A copy that may be refused. */
    @FunctionalInterface
    private interface Copy {
        void run();
    }

    private DmaStatus attempt(long iova, DmaAccess wanted, Copy copy) {
        if (closed) {
            return refuse(iova, wanted, DmaFault.Kind.UNPLUGGED, DmaStatus.ABORTED, "the port is closed");
        }
        try {
            copy.run();
            status = DmaStatus.DONE;
            return status;
        } catch (IommufdException refused) {
            DmaFault.Kind kind = refused.errno() == Errno.EPERM ? DmaFault.Kind.PERMISSION : DmaFault.Kind.TRANSLATION;
            return refuse(iova, wanted, kind, DmaStatus.FAULTED, refused.getMessage());
        }
    }

    private DmaStatus refuse(long iova, DmaAccess wanted, DmaFault.Kind kind, DmaStatus how, String why) {
        lastFault = Optional.of(new DmaFault(NAME, requesterId, OptionalInt.empty(), iova, wanted, kind, 0, why));
        status = how;
        return how;
    }

    @Override
    public DmaStatus read(long iova, MemorySegment target, long targetOffset, long lengthBytes) {
        MemorySegment part = target.asSlice(targetOffset, lengthBytes);
        DmaStatus done = attempt(iova, DmaAccess.READ, () -> access.read(iova, part));
        if (done == DmaStatus.FAULTED) {
            part.fill((byte) 0);
        }
        return done;
    }

    @Override
    public DmaStatus write(long iova, MemorySegment source, long sourceOffset, long lengthBytes) {
        return attempt(iova, DmaAccess.WRITE, () -> access.write(iova, source.asSlice(sourceOffset, lengthBytes)));
    }

    @Override
    public DmaStatus read(ScatterList list, MemorySegment target, long targetOffset) {
        long done = 0;
        for (int i = 0; i < list.count(); i++) {
            if (read(list.iova(i), target, targetOffset + done, list.lengthBytes(i)) != DmaStatus.DONE) {
                target.asSlice(targetOffset, list.totalBytes()).fill((byte) 0);
                return status;
            }
            done += list.lengthBytes(i);
        }
        return DmaStatus.DONE;
    }

    @Override
    public DmaStatus write(ScatterList list, MemorySegment source, long sourceOffset) {
        long done = 0;
        for (int i = 0; i < list.count(); i++) {
            if (write(list.iova(i), source, sourceOffset + done, list.lengthBytes(i)) != DmaStatus.DONE) {
                return status;
            }
            done += list.lengthBytes(i);
        }
        return DmaStatus.DONE;
    }

    /** An atomic change of a word in place. */
    @FunctionalInterface
    private interface Change {
        long at(long physicalAddress);
    }

    private long change(long iova, Change change) {
        if ((iova & Long.BYTES - 1) != 0) {
            throw new IommufdException(Errno.EINVAL, "an atomic request at 0x%x, which is no multiple of 8".formatted(iova));
        }
        long[] found = {0};
        attempt(iova, DmaAccess.READ_WRITE, () -> {
            long page = iova & -PAGE_BYTES;
            runs.clear();
            access.pin(page, PAGE_BYTES, true, runs);
            try {
                long physical = runs.physicalAddress(0) + (iova - page);
                if (FarMemory.isFar(physical)) {
                    throw new IommufdException(Errno.EFAULT, "no atomic requests to private memory of another process");
                }
                found[0] = change.at(physical);
            } finally {
                access.unpin(page, PAGE_BYTES);
            }
        });
        return found[0];
    }

    @Override
    public long compareAndSwap(long iova, long expected, long desired) {
        return change(iova, physical -> (long) WORD.compareAndExchange(HostMemory.WINDOW, physical, expected, desired));
    }

    @Override
    public long fetchAndAdd(long iova, long addend) {
        return change(iova, physical -> {
            long old;
            do {
                old = (long) WORD.getVolatile(HostMemory.WINDOW, physical);
            } while (!WORD.compareAndSet(HostMemory.WINDOW, physical, old, old + addend));
            return old;
        });
    }

    @Override
    public long swap(long iova, long desired) {
        return change(iova, physical -> (long) WORD.getAndSet(HostMemory.WINDOW, physical, desired));
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
    public void close() {
        closed = true;
    }
}
