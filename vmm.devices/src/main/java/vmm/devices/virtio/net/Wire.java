package vmm.devices.virtio.net;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * One direction of one pair between two devices: a ring of packets. The sender waits when it is full, so that nothing is lost between
 * two drivers that keep up; when the receiver has taken nothing for a while, it drops.
 */
final class Wire extends PacketSource implements PacketSink {
    private static final int CAPACITY = 1 << 20;
    private static final int LENGTH_BYTES = 8;
    /** In place of a length: nothing follows before the end of the ring. */
    private static final int PADDING = -1;
    private static final long PATIENCE_NANOS = TimeUnit.MILLISECONDS.toNanos(200);
    /** Places of the counters, in cache lines of their own. */
    private static final int HEAD = 16;
    private static final int TAIL = 32;
    private static final int PLACES = 48;

    private final MemorySegment ring;
    /** For packets that go nowhere. */
    private final MemorySegment memory;
    private final AtomicLongArray counters = new AtomicLongArray(PLACES);
    private final Runnable wakeReceiver;
    private final Runnable wakeSender;
    private volatile boolean receiving;
    private volatile boolean blocked;
    /** The sender's. */
    private long knownHead;
    private long reservedAt;
    private boolean dropping;
    private boolean news;
    private long fullSinceNanos;
    private long fullHead = -1;

    /** @param memory {@link #bytes} long */
    Wire(MemorySegment memory, Runnable wakeReceiver, Runnable wakeSender) {
        this.memory = memory;
        ring = memory.asSlice(0, CAPACITY);
        this.wakeReceiver = wakeReceiver;
        this.wakeSender = wakeSender;
    }

    /** What one takes. */
    static long bytes() {
        return CAPACITY + PacketHeader.MAX_PACKET_BYTES;
    }

    /** Whether someone receives. Not receiving forgets all packets. Any thread. */
    void receiving(boolean now) {
        receiving = now;
        if (!now) {
            while (!claim()) {
                Thread.yield();
            }
            counters.setRelease(HEAD, counters.getAcquire(TAIL));
            unclaim();
            wakeSender.run();
        }
    }

    @Override
    public MemorySegment memory() {
        return memory;
    }

    private static long recordBytes(int bytes) {
        return LENGTH_BYTES + bytes + 7 & -8;
    }

    @Override
    public long reserve(int bytes) {
        long tail = counters.getPlain(TAIL);
        long at = tail & CAPACITY - 1;
        long needed = recordBytes(bytes);
        long padding = needed > CAPACITY - at ? CAPACITY - at : 0;
        dropping = !receiving;
        if (!dropping && !room(tail + padding + needed)) {
            if (!impatient()) {
                return FULL;
            }
            dropping = true;
        }
        if (dropping) {
            return CAPACITY;
        }
        if (padding > 0) {
            ring.set(JAVA_INT, at, PADDING);
        }
        reservedAt = tail + padding;
        return (reservedAt & CAPACITY - 1) + LENGTH_BYTES;
    }

    private boolean room(long newTail) {
        if (newTail - knownHead <= CAPACITY || newTail - (knownHead = counters.getAcquire(HEAD)) <= CAPACITY) {
            fullHead = -1;
            return true;
        }
        blocked = true;   // before the last look: the receiver takes first and looks at this then
        knownHead = counters.get(HEAD);
        return newTail - knownHead <= CAPACITY;
    }

    /** Whether the receiver has stood still for too long. */
    private boolean impatient() {
        if (fullHead != knownHead) {
            fullHead = knownHead;
            fullSinceNanos = System.nanoTime();
            return false;
        }
        return System.nanoTime() - fullSinceNanos > PATIENCE_NANOS;
    }

    @Override
    public void commit(int bytes) {
        if (!dropping) {
            ring.set(JAVA_INT, reservedAt & CAPACITY - 1, bytes);
            counters.setRelease(TAIL, reservedAt + recordBytes(bytes));
            news = true;
        }
    }

    @Override
    public void flush() {
        if (news) {
            news = false;
            wakeReceiver.run();
        }
    }

    @Override
    long peek() {
        long head = counters.getPlain(HEAD);
        if (head == counters.getAcquire(TAIL)) {
            return NOTHING;
        }
        long at = head & CAPACITY - 1;
        if (ring.get(JAVA_INT, at) != PADDING) {
            return at + LENGTH_BYTES;
        }
        counters.setRelease(HEAD, head + CAPACITY - at);
        return LENGTH_BYTES;
    }

    @Override
    int peekedBytes() {
        return ring.get(JAVA_INT, counters.getPlain(HEAD) & CAPACITY - 1);
    }

    @Override
    void release() {
        counters.set(HEAD, counters.getPlain(HEAD) + recordBytes(peekedBytes()));
        if (blocked) {
            blocked = false;
            wakeSender.run();
        }
    }
}
