package vmm.devices.virtio;

import static vmm.devices.virtio.Descriptor.HALF;
import static vmm.devices.virtio.Descriptor.QUARTER;
import static vmm.devices.virtio.Descriptor.WORD;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import vdpa.device.QueueState;
import vdpa.device.VirtioFeature;

/** A driver's end of a virtqueue, written from the specification without the code under test. One thread. */
public abstract class RingDriver {
    static final int NEXT = 1;
    static final int WRITE = 2;
    static final int INDIRECT = 4;

    /** A part of a buffer. */
    public record Piece(long iova, int lengthBytes, boolean write) {
        public static Piece read(long iova, int lengthBytes) {
            return new Piece(iova, lengthBytes, false);
        }

        public static Piece write(long iova, int lengthBytes) {
            return new Piece(iova, lengthBytes, true);
        }
    }

    /** What came back. */
    public record Used(int id, int lengthBytes) {}

    final QueueBoard board;
    final int size;
    final long features;
    public final QueueLayout layout;
    final MemorySegment descriptors;
    final MemorySegment driverArea;
    final MemorySegment deviceArea;
    private final long[] tables;

    RingDriver(QueueBoard board, int size, long features) {
        this.board = board;
        this.size = size;
        this.features = features;
        long ring = board.allocate(size * 16L);
        long driver = board.allocate(8 + size * 2L);
        long device = board.allocate(8 + size * 8L);
        layout = new QueueLayout(size, ring, driver, device);
        descriptors = board.at(ring, size * 16L);
        driverArea = board.at(driver, 8 + size * 2L);
        deviceArea = board.at(device, 8 + size * 8L);
        tables = new long[size];
    }

    /** A driver in its first state, in the same memory. */
    abstract RingDriver again();

    RingDriver(RingDriver before) {
        board = before.board;
        size = before.size;
        features = before.features;
        layout = before.layout;
        descriptors = before.descriptors;
        driverArea = before.driverArea;
        deviceArea = before.deviceArea;
        tables = before.tables;
    }

    public static RingDriver of(QueueBoard board, boolean packed, int size, long features) {
        return packed ? new PackedDriver(board, size, features | VirtioFeature.RING_PACKED) : new SplitDriver(board, size, features);
    }

    public long features() {
        return features;
    }

    /** Makes a buffer available. @return its id */
    public abstract int put(Piece... pieces);

    /** The same with an indirect table. */
    public abstract int putIndirect(Piece... pieces);

    /** Whether a buffer of that many pieces has room. */
    abstract boolean room(int pieces);

    /** Takes what was used. */
    public abstract List<Used> take();

    /** Whether the device wants to be notified of the buffers put since the last call. */
    public abstract boolean kickWanted();

    /** Wants an interrupt for whatever is used, or for nothing. */
    abstract void wantInterrupts(boolean wanted);

    /** Wants one when {@code more} further buffers (of one descriptor) were used after what is taken. */
    abstract void wantInterruptAfter(int more);

    /** From the start. */
    public Virtqueue open(java.lang.foreign.Arena arena) {
        return open(QueueState.PACKED_START, arena);   // of a split queue it is the same
    }

    public Virtqueue open(QueueState position, java.lang.foreign.Arena arena) {
        return Virtqueue.open(board.port, layout, features, position, arena);
    }

    long table(int id, Piece... pieces) {
        if (tables[id] == 0) {
            tables[id] = board.allocate(4096);
        }
        MemorySegment table = board.at(tables[id], 4096);
        for (int i = 0; i < pieces.length; i++) {
            writeTableEntry(table, i, pieces[i], i + 1 == pieces.length);
        }
        return tables[id];
    }

    abstract void writeTableEntry(MemorySegment table, int index, Piece piece, boolean last);

    static void descriptor(MemorySegment at, long index, long iova, int length, int third, int fourth) {
        at.set(WORD, index * 16, iova);
        at.set(HALF, index * 16 + 8, length);
        at.set(QUARTER, index * 16 + 12, (short) third);
        at.set(QUARTER, index * 16 + 14, (short) fourth);
    }

    /** Ids of what was used, in order. */
    List<Integer> takeIds() {
        List<Integer> ids = new ArrayList<>();
        take().forEach(used -> ids.add(used.id()));
        return ids;
    }
}
