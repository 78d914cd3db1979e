package iommu.smmuv3.unit;

import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.ScatterList;
import iommufd.api.hardware.HardwarePort;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/**
 * A port whose refused requests may stall, or be completed with zeros, and whose writes may be messages. What succeeds at once
 * costs one call more than {@link SmmuPort} alone. One device thread at a time; {@link #close} from any thread.
 */
final class AnsweringPort implements HardwarePort {
    private static final long PAGE_BYTES = 4096;
    /** A device whose request stalls more often at one place, whatever it is told, gives it up. */
    private static final int MOST_ASKS = 8;

    private final SmmuUnit unit;
    private final SmmuPort inner;
    private final boolean divides;
    private volatile boolean closed;
    private DmaStatus status = DmaStatus.DONE;
    private Optional<DmaFault> lastFault = Optional.empty();
    /** How often the current request has stalled at one address. */
    private int asks;
    private long askedAt;

    AnsweringPort(SmmuUnit unit, SmmuPort inner) {
        this.unit = unit;
        this.inner = inner;
        divides = unit.features().has(SmmuFeature.STALL) || unit.features().has(SmmuFeature.TERMINATE_RAZ_WI);
    }

    /** A request, or a part of it. */
    private record Move(HardwarePort port, boolean writes, MemorySegment memory) {
        DmaStatus run(long iova, long offset, long length) {
            return writes ? port.write(iova, memory, offset, length) : port.read(iova, memory, offset, length);
        }

        void complete(long offset, long length) {
            if (!writes) {
                memory.asSlice(offset, length).fill((byte) 0);
            }
        }
    }

    @Override
    public DmaStatus read(long iova, MemorySegment target, long targetOffset, long lengthBytes) {
        DmaStatus first = inner.read(iova, target, targetOffset, lengthBytes);
        if (first == DmaStatus.DONE) {
            return status = first;
        }
        DmaStatus last = answered(first, new Move(inner, false, target), iova, targetOffset, lengthBytes);
        if (last != DmaStatus.DONE && last != DmaStatus.CLOSED) {   // what is closed leaves the target to its successor
            target.asSlice(targetOffset, lengthBytes).fill((byte) 0);
        }
        return ended(last);
    }

    @Override
    public DmaStatus write(long iova, MemorySegment source, long sourceOffset, long lengthBytes) {
        DmaStatus first = inner.write(iova, source, sourceOffset, lengthBytes);
        if (first == DmaStatus.DONE) {
            return status = first;
        }
        return ended(answered(first, new Move(inner, true, source), iova, sourceOffset, lengthBytes));
    }

    /** A refusal that was healed is no fault of this port. */
    private DmaStatus ended(DmaStatus last) {
        if (last == DmaStatus.FAULTED || last == DmaStatus.ABORTED) {
            lastFault = inner.lastFault();
        }
        return status = last;
    }

    private DmaStatus answered(DmaStatus first, Move move, long iova, long offset, long length) {
        DmaStatus now = first;
        asks = 0;
        long at = iova;
        long from = offset;
        long left = length;
        while (true) {
            if (now != DmaStatus.FAULTED) {
                return now == DmaStatus.ABORTED && move.writes() && isMessage(move.memory(), at, from, left) ? DmaStatus.DONE : now;
            }
            switch (answer()) {
                case ABORT -> {
                    return closed ? DmaStatus.CLOSED : DmaStatus.FAULTED;
                }
                case RETRY -> now = move.run(at, from, left);
                case COMPLETE -> {
                    long before = inner.refusedAt() - at;
                    if (before > 0 && !move.writes()) {   // zeros are there, now that a later part was refused
                        DmaStatus again = answered(move.run(at, from, before), move, at, from, before);
                        if (again != DmaStatus.DONE) {
                            return again;
                        }
                    }
                    long piece = Math.min(PAGE_BYTES - (at + before & PAGE_BYTES - 1), left - before);
                    move.complete(from + before, piece);
                    at += before + piece;
                    from += before + piece;
                    left -= before + piece;
                    now = left == 0 ? DmaStatus.DONE : move.run(at, from, left);
                }
            }
        }
    }

    /** What becomes of the request that was just refused. */
    private StalledRequests.Answer answer() {
        Optional<StalledRequests.Stall> stall = inner.takeStall();
        if (stall.isPresent()) {
            StalledRequests.Answer answer = unit.stalls().await(stall.get(), () -> closed);
            asks = inner.refusedAt() == askedAt ? asks + 1 : 1;
            askedAt = inner.refusedAt();
            return answer == StalledRequests.Answer.RETRY && asks > MOST_ASKS ? StalledRequests.Answer.ABORT : answer;
        }
        return inner.completes() ? StalledRequests.Answer.COMPLETE : StalledRequests.Answer.ABORT;
    }

    private boolean isMessage(MemorySegment source, long iova, long offset, long length) {
        long address = inner.takeMissed();
        if (address == SmmuBus.NOWHERE || length != Integer.BYTES || (iova & Integer.BYTES - 1) != 0) {
            return false;
        }
        return unit.bus().interrupt(address, source.get(ValueLayout.JAVA_INT_UNALIGNED, offset));
    }

    @Override
    public DmaStatus read(ScatterList list, MemorySegment target, long targetOffset) {
        if (!divides) {
            return ended(inner.read(list, target, targetOffset));
        }
        long offset = targetOffset;
        for (int piece = 0; piece < list.count(); piece++) {
            if (read(list.iova(piece), target, offset, list.lengthBytes(piece)) != DmaStatus.DONE) {
                if (status != DmaStatus.CLOSED) {
                    target.asSlice(targetOffset, list.totalBytes()).fill((byte) 0);
                }
                return status;
            }
            offset += list.lengthBytes(piece);
        }
        return status = DmaStatus.DONE;
    }

    @Override
    public DmaStatus write(ScatterList list, MemorySegment source, long sourceOffset) {
        if (!divides) {
            return ended(inner.write(list, source, sourceOffset));
        }
        long offset = sourceOffset;
        for (int piece = 0; piece < list.count(); piece++) {
            if (write(list.iova(piece), source, offset, list.lengthBytes(piece)) != DmaStatus.DONE) {
                return status;
            }
            offset += list.lengthBytes(piece);
        }
        return status = DmaStatus.DONE;
    }

    @Override
    public long compareAndSwap(long iova, long expected, long desired) {
        long found = inner.compareAndSwap(iova, expected, desired);
        asks = 0;
        while (again()) {
            found = inner.compareAndSwap(iova, expected, desired);
        }
        return found;
    }

    @Override
    public long fetchAndAdd(long iova, long addend) {
        long found = inner.fetchAndAdd(iova, addend);
        asks = 0;
        while (again()) {
            found = inner.fetchAndAdd(iova, addend);
        }
        return found;
    }

    @Override
    public long swap(long iova, long desired) {
        long found = inner.swap(iova, desired);
        asks = 0;
        while (again()) {
            found = inner.swap(iova, desired);
        }
        return found;
    }

    /** Whether the atomic operation that just ended must be tried again; else {@link #status} is how it ended. */
    private boolean again() {
        Optional<DmaFault> former = lastFault;
        ended(inner.status());
        if (status != DmaStatus.FAULTED) {
            return false;
        }
        StalledRequests.Answer answer = answer();
        if (answer != StalledRequests.Answer.ABORT) {
            lastFault = former;
        }
        if (answer == StalledRequests.Answer.COMPLETE) {
            status = DmaStatus.DONE;
        } else if (answer == StalledRequests.Answer.ABORT && closed) {
            status = DmaStatus.CLOSED;
        }
        return answer == StalledRequests.Answer.RETRY;
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
        unit.stalls().lookAgain();
        boolean drained = inner.close(timeoutNanos);
        if (drained) {
            unit.forget(this);
        }
        return drained;
    }
}
