package bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemorySegment;
import vmm.devices.virtio.QueueLayout;

/** Of a split queue. */
final class SplitRingDriver extends VirtqueueDriver {
    private static final long AVAILABLE = 0x4000;
    private static final long USED = 0x6000;

    private int available;
    private int taken;

    SplitRingDriver(MemorySegment ram) {
        super(ram, new QueueLayout(SIZE, 0, AVAILABLE, USED));
    }

    @Override
    void put(int count) {
        for (int i = 0; i < count; i++) {
            int descriptor = available & SIZE - 1;
            describe(descriptor * 16L, descriptor);
            ram.set(JAVA_INT, descriptor * 16L + 12, 0);
            ram.set(JAVA_SHORT, AVAILABLE + 4 + descriptor * 2L, (short) descriptor);
            available = available + 1 & 0xffff;
        }
        INDEX.setRelease(ram, AVAILABLE + 2, (short) available);
    }

    @Override
    int take() {
        int used = (short) INDEX.getAcquire(ram, USED + 2) & 0xffff;
        int count = 0;
        for (; taken != used; count++) {
            int id = ram.get(JAVA_INT, USED + 4 + (taken & SIZE - 1) * 8L);
            if (id != (taken & SIZE - 1)) {
                throw new IllegalStateException("buffer " + id + " came back out of order");
            }
            taken = taken + 1 & 0xffff;
        }
        ram.set(JAVA_SHORT, AVAILABLE + 4 + SIZE * 2L, (short) taken);
        return count;
    }
}
