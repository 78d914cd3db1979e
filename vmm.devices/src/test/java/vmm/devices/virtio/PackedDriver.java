package vmm.devices.virtio;

import static vmm.devices.virtio.Descriptor.HALF;
import static vmm.devices.virtio.Descriptor.QUARTER;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/** A driver's end of a packed virtqueue. */
final class PackedDriver extends RingDriver {
    private final Deque<Integer> ids = new ArrayDeque<>();
    private final int[] slots;
    private int freeSlots;
    int available;
    boolean wrap = true;
    int taken;
    boolean takenWrap = true;
    private int putSlots;

    PackedDriver(QueueBoard board, int size, long features) {
        super(board, size, features);
        slots = new int[size];
        freeAll();
    }

    private PackedDriver(PackedDriver before) {
        super(before);
        slots = new int[size];
        freeAll();
    }

    @Override
    RingDriver again() {
        return new PackedDriver(this);
    }

    private void freeAll() {
        freeSlots = size;
        for (int i = 0; i < size; i++) {
            ids.add(i);
        }
    }

    private int mine() {
        return wrap ? 1 << 7 : 1 << 15;
    }

    private void advance() {
        if (++available == size) {
            available = 0;
            wrap = !wrap;
        }
    }

    @Override
    public int put(Piece... pieces) {
        int id = ids.remove();
        int first = available;
        int firstFlags = 0;
        for (int i = 0; i < pieces.length; i++) {
            int flags = mine() | (pieces[i].write() ? WRITE : 0) | (i + 1 < pieces.length ? NEXT : 0);
            if (i == 0) {
                firstFlags = flags;
            }
            int kept = descriptors.get(QUARTER, first * 16L + 14);
            descriptor(descriptors, available, pieces[i].iova(), pieces[i].lengthBytes(), id, i == 0 ? kept : flags);
            advance();
        }
        descriptors.set(QUARTER, first * 16L + 14, (short) firstFlags);
        return put(id, pieces.length);
    }

    @Override
    public int putIndirect(Piece... pieces) {
        int id = ids.remove();
        descriptor(descriptors, available, table(id, pieces), pieces.length * 16, id, mine() | INDIRECT);
        advance();
        return put(id, 1);
    }

    private int put(int id, int count) {
        slots[id] = count;
        freeSlots -= count;
        putSlots += count;
        return id;
    }

    /** Makes one descriptor available, whatever it is. */
    void offerRaw(long iova, int length, int id, int flags) {
        descriptor(descriptors, available, iova, length, id, flags | mine());
        advance();
    }

    @Override
    boolean room(int pieces) {
        return freeSlots >= pieces;
    }

    @Override
    public List<Used> take() {
        List<Used> found = new ArrayList<>();
        while (true) {
            int flags = descriptors.get(QUARTER, taken * 16L + 14);
            if ((flags & 1 << 7) != 0 != takenWrap || (flags & 1 << 15) != 0 != takenWrap) {
                return found;
            }
            int id = descriptors.get(QUARTER, taken * 16L + 12) & 0xffff;
            found.add(new Used(id, descriptors.get(HALF, taken * 16L + 8)));
            taken += slots[id];
            if (taken >= size) {
                taken -= size;
                takenWrap = !takenWrap;
            }
            freeSlots += slots[id];
            ids.add(id);
        }
    }

    @Override
    public boolean kickWanted() {
        int news = putSlots;
        putSlots = 0;
        int flags = deviceArea.get(QUARTER, 2);
        if (flags != 2) {
            return flags == 0;
        }
        int wish = deviceArea.get(QUARTER, 0);
        int event = (wish & 0x7fff) - ((wish & 0x8000) != 0 == wrap ? 0 : size);
        return (available - event - 1 & 0xffff) < (news & 0xffff);
    }

    @Override
    void wantInterrupts(boolean wanted) {
        driverArea.set(QUARTER, 2, (short) (wanted ? 0 : 1));
    }

    @Override
    void wantInterruptAfter(int more) {
        int at = taken + more;
        boolean lap = at >= size;
        driverArea.set(QUARTER, 0, (short) (at - (lap ? size : 0) | (lap != takenWrap ? 0x8000 : 0)));
        driverArea.set(QUARTER, 2, (short) 2);
    }

    @Override
    void writeTableEntry(MemorySegment table, int index, Piece piece, boolean last) {
        descriptor(table, index, piece.iova(), piece.lengthBytes(), 0, piece.write() ? WRITE : 0);
    }
}
