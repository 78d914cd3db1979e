package bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemorySegment;
import vmm.devices.virtio.QueueLayout;

/** Of a packed queue. */
final class PackedRingDriver extends VirtqueueDriver {
    private static final long RING = 0x10000;
    private static final long DRIVER_EVENTS = 0x14000;
    private static final long DEVICE_EVENTS = 0x16000;
    private static final int AVAILABLE_FLAG = 0x80;
    private static final int USED_FLAG = 0x8000;
    private static final int EVENTS_AT_DESCRIPTOR = 2;

    private int available;
    private int availableFlags = AVAILABLE_FLAG;
    private int taken;
    private int takenFlags = AVAILABLE_FLAG | USED_FLAG;

    PackedRingDriver(MemorySegment ram) {
        super(ram, new QueueLayout(SIZE, RING, DRIVER_EVENTS, DEVICE_EVENTS));
        ram.set(JAVA_SHORT, DRIVER_EVENTS + 2, (short) EVENTS_AT_DESCRIPTOR);
    }

    @Override
    void put(int count) {
        for (int i = 0; i < count; i++) {
            long at = RING + available * 16L;
            describe(at, available);
            ram.set(JAVA_SHORT, at + 12, (short) available);
            INDEX.setRelease(ram, at + 14, (short) availableFlags);
            if (++available == SIZE) {
                available = 0;
                availableFlags ^= AVAILABLE_FLAG | USED_FLAG;
            }
        }
    }

    @Override
    int take() {
        int count = 0;
        for (; ((short) INDEX.getAcquire(ram, RING + taken * 16L + 14) & (AVAILABLE_FLAG | USED_FLAG)) == takenFlags; count++) {
            int id = ram.get(JAVA_INT, RING + taken * 16L + 12) & 0xffff;
            if (id != taken) {
                throw new IllegalStateException("buffer " + id + " came back out of order");
            }
            if (++taken == SIZE) {
                taken = 0;
                takenFlags ^= AVAILABLE_FLAG | USED_FLAG;
            }
        }
        ram.set(JAVA_SHORT, DRIVER_EVENTS, (short) (taken | (takenFlags != 0 ? 0x8000 : 0)));
        return count;
    }
}
