package bench;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import vmm.devices.virtio.QueueLayout;

/** A driver's end of a virtqueue as small as it can be: buffers of one readable descriptor of 64 bytes. One thread. */
abstract sealed class VirtqueueDriver permits SplitRingDriver, PackedRingDriver {
    /** Where guest RAM is for the device. */
    static final long IOVA = 0x1_0000_0000L;
    static final int SIZE = 256;
    static final int BUFFER_BYTES = 64;

    static final VarHandle INDEX = JAVA_SHORT.varHandle();
    private static final long BUFFERS = 1 << 20;

    final MemorySegment ram;
    private final QueueLayout layout;

    /** @param layout with offsets in {@code ram} instead of IO virtual addresses */
    VirtqueueDriver(MemorySegment ram, QueueLayout layout) {
        this.ram = ram;
        this.layout = new QueueLayout(layout.size(), IOVA + layout.descriptorIova(), IOVA + layout.driverIova(), IOVA + layout.deviceIova());
    }

    QueueLayout layout() {
        return layout;
    }

    /** Makes {@code count} buffers available. */
    abstract void put(int count);

    /** @return how many came back */
    abstract int take();

    final void describe(long at, int buffer) {
        ram.set(JAVA_LONG, at, IOVA + BUFFERS + (long) buffer * BUFFER_BYTES);
        ram.set(JAVA_INT, at + 8, BUFFER_BYTES);
    }
}
