package vmm.qtest.board;

import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.RequesterId;
import iommufd.api.dma.ScatterList;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.IommuModel;
import iommufd.api.hardware.IommuUnit;
import iommufd.api.hardware.UnitBoard;
import iommufd.api.memory.HostMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * An IOMMU whose only table is a sum: address = IOVA - {@link #DISTANCE}; below it, it faults. IOVAs from {@link #DISTANCE} +
 * {@link #MESSAGES} on are messages. Its registers keep what is written; 0 is read-only.
 */
public class FakeIommu implements IommuModel, IommuUnit {
    /** What IOVAs are larger than addresses. */
    public static final long DISTANCE = 1L << 40;
    /** Where messages go. */
    public static final long MESSAGES = 0xfee0_0000L;
    /** What register 0 holds. */
    public static final long IDENTITY = 0x0123_4567_89ab_cdefL;
    /** Register that pulses line 1. */
    public static final int PULSE = 0x80;

    /** Register that nobody can write. */
    public static final int BREAK = 0x88;

    private final TreeMap<Long, Byte> registers = new TreeMap<>();
    public final List<String> accesses = new ArrayList<>();
    public final List<RequesterId> requesters = new ArrayList<>();
    public Map<String, String> properties = Map.of();
    public boolean closed;
    private UnitBoard board;

    @Override
    public String vendor() {
        return "fake";
    }

    @Override
    public IommuUnit create(String name, Map<String, String> given, UnitBoard wired) {
        properties = given;
        board = wired;
        return this;
    }

    @Override
    public long registerBytes() {
        return 4096;
    }

    @Override
    public long read(long offset, int bytes) {
        accesses.add("r%d %x".formatted(bytes, offset));
        long value = 0;
        for (int i = 0; i < bytes; i++) {
            long at = offset + i;
            long next = at < 8 ? IDENTITY >>> 8 * at : registers.getOrDefault(at, (byte) 0);
            value |= (next & 0xff) << 8 * i;
        }
        return value;
    }

    @Override
    public void write(long offset, int bytes, long value) {
        accesses.add("w%d %x".formatted(bytes, offset));
        if (offset == BREAK) {
            throw new IllegalStateException("broken, as a test wants it");
        }
        for (int i = 0; i < bytes; i++) {
            registers.put(offset + i, (byte) (value >>> 8 * i));
        }
        if (offset == PULSE) {
            board.line(1, true);
            board.line(1, false);
            board.message(MESSAGES, (int) value);
        }
    }

    @Override
    public HardwarePort openPort(RequesterId requester, int pasid) {
        requesters.add(requester);
        return new Port();
    }

    @Override
    public AtsPort openAtsPort(RequesterId requester, int pasid, AtsPort.Device device) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void reset() {
        registers.clear();
    }

    @Override
    public void close() {
        closed = true;
    }

    private final class Port implements HardwarePort {
        private DmaStatus status = DmaStatus.DONE;

        @Override
        public DmaStatus read(long iova, MemorySegment target, long targetOffset, long lengthBytes) {
            long at = board.memory().hostAddress(iova - DISTANCE);
            status = at < 0 || board.memory().hostAddress(iova - DISTANCE + lengthBytes - 1) < 0 ? DmaStatus.FAULTED : DmaStatus.DONE;
            if (status == DmaStatus.DONE) {
                MemorySegment.copy(HostMemory.WINDOW, at, target, targetOffset, lengthBytes);
            }
            return status;
        }

        @Override
        public DmaStatus write(long iova, MemorySegment source, long sourceOffset, long lengthBytes) {
            if (iova >= DISTANCE + MESSAGES) {
                board.message(iova - DISTANCE, source.get(ValueLayout.JAVA_INT_UNALIGNED, sourceOffset));
                return DmaStatus.DONE;
            }
            long at = board.memory().hostAddress(iova - DISTANCE);
            status = at < 0 || board.memory().hostAddress(iova - DISTANCE + lengthBytes - 1) < 0 ? DmaStatus.FAULTED : DmaStatus.DONE;
            if (status == DmaStatus.DONE) {
                MemorySegment.copy(source, sourceOffset, HostMemory.WINDOW, at, lengthBytes);
            }
            return status;
        }

        @Override
        public DmaStatus read(ScatterList list, MemorySegment target, long targetOffset) {
            throw new UnsupportedOperationException();
        }

        @Override
        public DmaStatus write(ScatterList list, MemorySegment source, long sourceOffset) {
            throw new UnsupportedOperationException();
        }

        @Override
        public long compareAndSwap(long iova, long expected, long desired) {
            throw new UnsupportedOperationException();
        }

        @Override
        public long fetchAndAdd(long iova, long addend) {
            throw new UnsupportedOperationException();
        }

        @Override
        public long swap(long iova, long desired) {
            throw new UnsupportedOperationException();
        }

        @Override
        public DmaStatus status() {
            return status;
        }

        @Override
        public Optional<DmaFault> lastFault() {
            return Optional.empty();
        }

        @Override
        public boolean close(long timeoutNanos) {
            return true;
        }
    }
}
