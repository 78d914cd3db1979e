package iommu.common.dma;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.locks.LockSupport;

/**
 * What one IOMMU unit has invalidated, for its ports to replay, and the wait until all of them have.
 *
 * <p>Entries are published by one thread at a time (the unit's lock); any number of ports read. A port that fell behind by more
 * than {@link #CAPACITY} entries forgets everything instead. The padded word is the number of entries published.
 */
public final class InvalidationLog extends PaddedWord {
    /** Entries kept. */
    public static final int CAPACITY = 256;

    private static final int ENTRY_LONGS = 4;
    private static final int SPINS_BEFORE_YIELD = 500;
    private static final int YIELDS_BEFORE_PARK = 200;
    private static final long PARK_NANOS = 20_000;
    private static final VarHandle LONGS = MethodHandles.arrayElementVarHandle(long[].class);

    private final long[] ring = new long[CAPACITY * ENTRY_LONGS];
    private volatile TranslatingPort[] ports = {};

    /**
     * Publishes an invalidation; no port uses what it covers in a request that starts later. The unit's lock must be held.
     *
     * @param kind the vendor's code; with {@code tag} handed to {@link TranslatingPort#forget}
     * @param tag domain, ASID or whatever the kind says
     * @param first first IOVA concerned
     * @param last last IOVA concerned
     */
    public void publish(int kind, long tag, long first, long last) {
        long next = getOpaque();
        int index = (int) (next & CAPACITY - 1) * ENTRY_LONGS;
        LONGS.setOpaque(ring, index, (long) kind);
        LONGS.setOpaque(ring, index + 1, tag);
        LONGS.setOpaque(ring, index + 2, first);
        LONGS.setOpaque(ring, index + 3, last);
        setVolatile(next + 1);
    }

    /**
     * Waits until no request is inside that may have started before everything published so far.
     *
     * @return false if one was still inside after {@code timeoutNanos}
     */
    public boolean awaitQuiescence(long timeoutNanos) {
        long published = sequence();
        for (TranslatingPort port : ports) {
            if (!await(port, published, timeoutNanos)) {
                return false;
            }
        }
        return true;
    }

    /** Number of entries published so far. */
    long sequence() {
        return getVolatile();
    }

    /** Lets {@code port} replay the entries from {@code seen} to {@code now}. */
    void replay(TranslatingPort port, long seen, long now) {
        if (now - seen > CAPACITY) {
            port.forgetEverything();
            return;
        }
        for (long entry = seen; entry < now; entry++) {
            int index = (int) (entry & CAPACITY - 1) * ENTRY_LONGS;
            port.forget((int) (long) LONGS.getOpaque(ring, index), (long) LONGS.getOpaque(ring, index + 1),
                    (long) LONGS.getOpaque(ring, index + 2), (long) LONGS.getOpaque(ring, index + 3));
        }
        VarHandle.loadLoadFence();
        // The writer may have lapped us while we read: then what we read was not what it had published.
        if (getOpaque() - seen > CAPACITY) {
            port.forgetEverything();
        }
    }

    synchronized void add(TranslatingPort port) {
        TranslatingPort[] more = java.util.Arrays.copyOf(ports, ports.length + 1);
        more[ports.length] = port;
        ports = more;
    }

    synchronized void remove(TranslatingPort port) {
        ports = java.util.Arrays.stream(ports).filter(other -> other != port).toArray(TranslatingPort[]::new);
    }

    /** Waits for one port. */
    static boolean await(TranslatingPort port, long published, long timeoutNanos) {
        if (port.passed(published)) {
            return true;
        }
        long deadlineNanos = System.nanoTime() + timeoutNanos;
        for (int turn = 0; !port.passed(published); turn++) {
            if (turn < SPINS_BEFORE_YIELD) {
                Thread.onSpinWait();
                continue;
            }
            if (System.nanoTime() - deadlineNanos >= 0) {
                return port.passed(published);
            }
            if (turn < SPINS_BEFORE_YIELD + YIELDS_BEFORE_PARK) {
                Thread.yield();
            } else {
                LockSupport.parkNanos(PARK_NANOS);
            }
        }
        return true;
    }
}
