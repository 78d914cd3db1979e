package iommufd.core.fabric;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.ScatterList;
import iommufd.api.hardware.HardwarePort;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The port a device holds: one acquire-read and one call away from the hardware's own port. Everything else (no hardware,
 * closed, broken) happens off the fast path.
 */
final class FabricPort implements DmaPort {
    private static final VarHandle CURRENT;

    static {
        try {
            CURRENT = MethodHandles.lookup().findVarHandle(FabricPort.class, "current", HardwarePort.class);
        } catch (ReflectiveOperationException missing) {
            throw new ExceptionInInitializerError(missing);
        }
    }

    private final FabricEndpoint endpoint;
    private final int pasid;
    /** Null while gated; written under the endpoint's lock. */
    @SuppressWarnings("unused")   // read and written by CURRENT
    private HardwarePort current;
    private DmaStatus status = DmaStatus.DONE;
    private Optional<DmaFault> lastFault = Optional.empty();
    private volatile boolean closed;

    FabricPort(FabricEndpoint endpoint, int pasid) {
        this.endpoint = endpoint;
        this.pasid = pasid;
    }

    int pasid() {
        return pasid;
    }

    boolean closed() {
        return closed;
    }

    /** Takes the hardware's port away or gives another. @return the one before, or null */
    HardwarePort connect(HardwarePort next) {
        return (HardwarePort) CURRENT.getAndSet(this, next);
    }

    HardwarePort current() {
        return (HardwarePort) CURRENT.getAcquire(this);
    }

    @Override
    public DmaStatus read(long iova, MemorySegment target, long targetOffset, long lengthBytes) {
        HardwarePort port = current();
        Objects.checkFromIndexSize(targetOffset, lengthBytes, target.byteSize());
        if (port != null) {
            try {
                DmaStatus answer = port.read(iova, target, targetOffset, lengthBytes);
                if (answer == DmaStatus.DONE) {
                    return done();
                }
                if (answer != DmaStatus.CLOSED) {
                    return refused(port, answer);
                }
            } catch (RuntimeException | Error broken) {
                return broken(port, iova, DmaAccess.READ, target, false, broken);
            }
        }
        return awaitHardware(port, iova, DmaAccess.READ) ? read(iova, target, targetOffset, lengthBytes) : status;
    }

    @Override
    public DmaStatus write(long iova, MemorySegment source, long sourceOffset, long lengthBytes) {
        HardwarePort port = current();
        Objects.checkFromIndexSize(sourceOffset, lengthBytes, source.byteSize());
        if (port != null) {
            try {
                DmaStatus answer = port.write(iova, source, sourceOffset, lengthBytes);
                if (answer == DmaStatus.DONE) {
                    return done();
                }
                if (answer != DmaStatus.CLOSED) {
                    return refused(port, answer);
                }
            } catch (RuntimeException | Error broken) {
                return broken(port, iova, DmaAccess.WRITE, source, true, broken);
            }
        }
        return awaitHardware(port, iova, DmaAccess.WRITE) ? write(iova, source, sourceOffset, lengthBytes) : status;
    }

    @Override
    public DmaStatus read(ScatterList list, MemorySegment target, long targetOffset) {
        HardwarePort port = current();
        Objects.checkFromIndexSize(targetOffset, list.totalBytes(), target.byteSize());
        if (port != null) {
            try {
                DmaStatus answer = port.read(list, target, targetOffset);
                if (answer == DmaStatus.DONE) {
                    return done();
                }
                if (answer != DmaStatus.CLOSED) {
                    return refused(port, answer);
                }
            } catch (RuntimeException | Error broken) {
                return broken(port, firstIova(list), DmaAccess.READ, target, false, broken);
            }
        }
        return awaitHardware(port, firstIova(list), DmaAccess.READ) ? read(list, target, targetOffset) : status;
    }

    @Override
    public DmaStatus write(ScatterList list, MemorySegment source, long sourceOffset) {
        HardwarePort port = current();
        Objects.checkFromIndexSize(sourceOffset, list.totalBytes(), source.byteSize());
        if (port != null) {
            try {
                DmaStatus answer = port.write(list, source, sourceOffset);
                if (answer == DmaStatus.DONE) {
                    return done();
                }
                if (answer != DmaStatus.CLOSED) {
                    return refused(port, answer);
                }
            } catch (RuntimeException | Error broken) {
                return broken(port, firstIova(list), DmaAccess.WRITE, source, true, broken);
            }
        }
        return awaitHardware(port, firstIova(list), DmaAccess.WRITE) ? write(list, source, sourceOffset) : status;
    }

    private static long firstIova(ScatterList list) {
        return list.count() == 0 ? 0 : list.iova(0);
    }

    @Override
    public long compareAndSwap(long iova, long expected, long desired) {
        return atomic(Atomic.COMPARE_AND_SWAP, iova, expected, desired);
    }

    @Override
    public long fetchAndAdd(long iova, long addend) {
        return atomic(Atomic.FETCH_AND_ADD, iova, addend, 0);
    }

    @Override
    public long swap(long iova, long desired) {
        return atomic(Atomic.SWAP, iova, desired, 0);
    }

    private enum Atomic { COMPARE_AND_SWAP, FETCH_AND_ADD, SWAP }

    private long atomic(Atomic operation, long iova, long first, long second) {
        if ((iova & Long.BYTES - 1) != 0) {
            throw new IommufdException(Errno.EINVAL, "an atomic DMA at 0x%x, which is no multiple of 8".formatted(iova));
        }
        HardwarePort port = current();
        if (port != null) {
            try {
                long found = switch (operation) {
                    case COMPARE_AND_SWAP -> port.compareAndSwap(iova, first, second);
                    case FETCH_AND_ADD -> port.fetchAndAdd(iova, first);
                    case SWAP -> port.swap(iova, first);
                };
                DmaStatus answer = port.status();
                if (answer == DmaStatus.DONE) {
                    done();
                    return found;
                }
                if (answer != DmaStatus.CLOSED) {
                    refused(port, answer);
                    return 0;
                }
            } catch (RuntimeException | Error broken) {
                broken(port, iova, DmaAccess.READ_WRITE, MemorySegment.NULL, false, broken);
                return 0;
            }
        }
        return awaitHardware(port, iova, DmaAccess.READ_WRITE) ? atomic(operation, iova, first, second) : 0;
    }

    /** Storing a reference costs a barrier of the collector, at times a fence; so it is stored if it changes. */
    private DmaStatus done() {
        if (status != DmaStatus.DONE) {
            status = DmaStatus.DONE;
        }
        return DmaStatus.DONE;
    }

    /** The hardware said no. Null is nonsense, and treated as a defect by the caller's catch. */
    private DmaStatus refused(HardwarePort port, DmaStatus answer) {
        lastFault = Objects.requireNonNull(port.lastFault());
        return status = Objects.requireNonNull(answer);
    }

    /** A request must not throw. Whose fault is it? */
    private DmaStatus broken(HardwarePort port, long iova, DmaAccess access, MemorySegment own, boolean onlyRead, Throwable thrown) {
        boolean ownFault = !own.scope().isAlive() || !own.isAccessibleBy(Thread.currentThread()) || !onlyRead && own.isReadOnly();
        if (ownFault && own.byteSize() > 0 && thrown instanceof RuntimeException refused) {
            throw refused;
        }
        if (thrown instanceof InternalError || thrown instanceof OutOfMemoryError) {   // a truncated file; a full heap
            return abort(iova, access, DmaFault.Kind.EXTERNAL_ABORT, "memory went away: " + thrown.getMessage());
        }
        endpoint.portBroke(this, port, thrown);
        return abort(iova, access, DmaFault.Kind.EXTERNAL_ABORT, "the hardware broke its contract: " + thrown);
    }

    /** Waits for a port that is not {@code stale}. @return false if the request was aborted */
    private boolean awaitHardware(HardwarePort stale, long iova, DmaAccess access) {
        Optional<DmaFault.Kind> end = endpoint.awaitPort(this, stale);
        end.ifPresent(kind -> abort(iova, access, kind, switch (kind) {
            case UNPLUGGED -> "the endpoint or port is closed";
            default -> "no IOMMU hardware served the endpoint in time; deploy some or raise the gate time";
        }));
        return end.isEmpty();
    }

    private DmaStatus abort(long iova, DmaAccess access, DmaFault.Kind kind, String text) {
        DmaFault fault = new DmaFault("fabric", endpoint.description().requesterId(),
                pasid == Pasid.NONE ? OptionalInt.empty() : OptionalInt.of(pasid), iova, access, kind, 0, text);
        lastFault = Optional.of(fault);
        endpoint.faults().unrecoverable(fault);
        return status = DmaStatus.ABORTED;
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
        endpoint.closePort(this);
    }
}
