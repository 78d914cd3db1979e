package vmm.devices.virtio.net;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import vmm.devices.virtio.Rest;

/** Rests until a packet comes, or another thread writes to an eventfd. */
final class TapRest implements Rest {
    private static final int FILES = 2;
    private static final int EVENTS_OFFSET = 4;
    private static final int FILE_BYTES = 8;
    private static final short READABLE = 1;
    private static final long NANOS_PER_MILLI = 1_000_000;

    private final Arena arena = Arena.ofAuto();
    private final MemorySegment files = arena.allocate(FILES * FILE_BYTES, 8);
    private final MemorySegment one = arena.allocateFrom(JAVA_LONG, 1);
    private final MemorySegment count = arena.allocate(Long.BYTES, Long.BYTES);
    private final int event = TapCalls.event();
    private boolean closed;

    TapRest(int tap) {
        files.set(JAVA_INT, 0, tap);
        files.set(JAVA_SHORT, EVENTS_OFFSET, READABLE);
        files.set(JAVA_INT, FILE_BYTES, event);
        files.set(JAVA_SHORT, FILE_BYTES + EVENTS_OFFSET, READABLE);
    }

    @Override
    public boolean await(long nanos) {
        int ready = TapCalls.poll(files, FILES, (int) Math.ceilDiv(nanos, NANOS_PER_MILLI));
        TapCalls.read(event, count, Long.BYTES);
        return ready != 0;
    }

    @Override
    public synchronized void wake() {
        if (!closed) {
            TapCalls.write(event, one, Long.BYTES);
        }
    }

    @Override
    public synchronized void close() {
        closed = true;
        TapCalls.close(event);
    }
}
