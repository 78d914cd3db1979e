package vfio.adapter.dma;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.ScatterList;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.OptionalInt;

/** A device's port: passes requests on while the command register allows it, and records what they write. As thread-safe as a port. */
public final class GatedPort implements DmaPort {
    private static final String NAME = "vfio.adapter";

    private final DmaPort port;
    private final DmaGate gate;
    private boolean refused;
    private long refusedIova;
    private DmaAccess refusedAccess = DmaAccess.READ;

    /** @param port taken over */
    public GatedPort(DmaPort port, DmaGate gate) {
        this.port = port;
        this.gate = gate;
    }

    private boolean refuses(long iova, DmaAccess access) {
        refused = !gate.isOpen();
        if (refused) {
            refusedIova = iova;
            refusedAccess = access;
        }
        return refused;
    }

    @Override
    public DmaStatus read(long iova, MemorySegment target, long targetOffset, long lengthBytes) {
        return refuses(iova, DmaAccess.READ) ? DmaStatus.ABORTED : port.read(iova, target, targetOffset, lengthBytes);
    }

    @Override
    public DmaStatus write(long iova, MemorySegment source, long sourceOffset, long lengthBytes) {
        if (refuses(iova, DmaAccess.WRITE)) {
            return DmaStatus.ABORTED;
        }
        DmaStatus status = port.write(iova, source, sourceOffset, lengthBytes);
        gate.log().record(iova, lengthBytes);
        return status;
    }

    @Override
    public DmaStatus read(ScatterList list, MemorySegment target, long targetOffset) {
        return refuses(first(list), DmaAccess.READ) ? DmaStatus.ABORTED : port.read(list, target, targetOffset);
    }

    @Override
    public DmaStatus write(ScatterList list, MemorySegment source, long sourceOffset) {
        if (refuses(first(list), DmaAccess.WRITE)) {
            return DmaStatus.ABORTED;
        }
        DmaStatus status = port.write(list, source, sourceOffset);
        DmaLog log = gate.log();
        if (log.isOn()) {
            for (int i = 0; i < list.count(); i++) {
                log.record(list.iova(i), list.lengthBytes(i));
            }
        }
        return status;
    }

    private static long first(ScatterList list) {
        return list.count() == 0 ? 0 : list.iova(0);
    }

    @Override
    public long compareAndSwap(long iova, long expected, long desired) {
        if (refuses(iova, DmaAccess.READ_WRITE)) {
            return 0;
        }
        long found = port.compareAndSwap(iova, expected, desired);
        gate.log().record(iova, Long.BYTES);
        return found;
    }

    @Override
    public long fetchAndAdd(long iova, long addend) {
        if (refuses(iova, DmaAccess.READ_WRITE)) {
            return 0;
        }
        long found = port.fetchAndAdd(iova, addend);
        gate.log().record(iova, Long.BYTES);
        return found;
    }

    @Override
    public long swap(long iova, long desired) {
        if (refuses(iova, DmaAccess.READ_WRITE)) {
            return 0;
        }
        long found = port.swap(iova, desired);
        gate.log().record(iova, Long.BYTES);
        return found;
    }

    @Override
    public DmaStatus status() {
        return refused ? DmaStatus.ABORTED : port.status();
    }

    @Override
    public Optional<DmaFault> lastFault() {
        return refused ? Optional.of(new DmaFault(NAME, gate.requesterId(), OptionalInt.empty(), refusedIova, refusedAccess, DmaFault.Kind.BLOCKED, 0,
                "bus mastering is off in the command register")) : port.lastFault();
    }

    @Override
    public void close() {
        port.close();
    }
}
