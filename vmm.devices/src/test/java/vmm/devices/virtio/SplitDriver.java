package vmm.devices.virtio;

import static vmm.devices.virtio.Descriptor.HALF;
import static vmm.devices.virtio.Descriptor.QUARTER;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import vdpa.device.VirtioFeature;

/** A driver's end of a split virtqueue. */
final class SplitDriver extends RingDriver {
    private int free;
    private int freeCount;
    int available;
    int taken;
    private int kicked;
    private final int[] lengths;

    SplitDriver(QueueBoard board, int size, long features) {
        super(board, size, features);
        lengths = new int[size];
        link();
    }

    private SplitDriver(SplitDriver before) {
        super(before);
        lengths = new int[size];
        link();
    }

    @Override
    RingDriver again() {
        return new SplitDriver(this);
    }

    private void link() {
        for (int i = 0; i < size; i++) {
            descriptors.set(QUARTER, i * 16L + 14, (short) (i + 1));
        }
        freeCount = size;
    }

    private int next(int index) {
        return descriptors.get(QUARTER, index * 16L + 14) & 0xffff;
    }

    @Override
    public int put(Piece... pieces) {
        int head = free;
        int index = head;
        for (int i = 0; i < pieces.length; i++) {
            boolean last = i + 1 == pieces.length;
            int following = next(index);
            descriptor(descriptors, index, pieces[i].iova(), pieces[i].lengthBytes(), (last ? 0 : NEXT) | (pieces[i].write() ? WRITE : 0), following);
            index = following;
        }
        return offer(head, index, pieces.length);
    }

    @Override
    public int putIndirect(Piece... pieces) {
        int head = free;
        int following = next(head);
        descriptor(descriptors, head, table(head, pieces), pieces.length * 16, INDIRECT, following);
        return offer(head, following, 1);
    }

    private int offer(int head, int newFree, int count) {
        free = newFree;
        freeCount -= count;
        lengths[head] = count;
        offerHead(head);
        return head;
    }

    /** Makes whatever {@code head} names available. */
    void offerHead(int head) {
        driverArea.set(QUARTER, 4 + (available & size - 1) * 2L, (short) head);
        available = available + 1 & 0xffff;
        driverArea.set(QUARTER, 2, (short) available);
    }

    @Override
    boolean room(int pieces) {
        return freeCount >= pieces;
    }

    @Override
    public List<Used> take() {
        List<Used> found = new ArrayList<>();
        while (taken != (deviceArea.get(QUARTER, 2) & 0xffff)) {
            long at = 4 + (taken & size - 1) * 8L;
            int id = deviceArea.get(HALF, at);
            found.add(new Used(id, deviceArea.get(HALF, at + 4)));
            taken = taken + 1 & 0xffff;
            int last = id;
            for (int i = 1; i < lengths[id]; i++) {
                last = next(last);
            }
            descriptors.set(QUARTER, last * 16L + 14, (short) free);
            free = id;
            freeCount += lengths[id];
        }
        return found;
    }

    @Override
    public boolean kickWanted() {
        int before = kicked;
        kicked = available;
        if ((features & VirtioFeature.EVENT_IDX) == 0) {
            return (deviceArea.get(QUARTER, 0) & 1) == 0;
        }
        int event = deviceArea.get(QUARTER, 4 + size * 8L) & 0xffff;
        return (available - event - 1 & 0xffff) < (available - before & 0xffff);
    }

    @Override
    void wantInterrupts(boolean wanted) {
        driverArea.set(QUARTER, 0, (short) (wanted ? 0 : 1));
    }

    @Override
    void wantInterruptAfter(int more) {
        driverArea.set(QUARTER, 4 + size * 2L, (short) (taken + more));
    }

    @Override
    void writeTableEntry(MemorySegment table, int index, Piece piece, boolean last) {
        descriptor(table, index, piece.iova(), piece.lengthBytes(), (last ? 0 : NEXT) | (piece.write() ? WRITE : 0), last ? 0 : index + 1);
    }
}
