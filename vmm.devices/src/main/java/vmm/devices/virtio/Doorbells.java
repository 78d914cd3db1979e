package vmm.devices.virtio;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.List;
import java.util.function.IntPredicate;

/**
 * The pages by which a driver kicks a thread's queues with a store, which nobody tells of: the thread looks at them while it rests.
 * That thread only.
 */
final class Doorbells {
    /** None: kicks come by eventfds alone. */
    static final Doorbells NONE = new Doorbells(List.of(), queue -> false);
    /** What no driver writes: it writes the number of a queue, in 16 bits or with data in 32. */
    private static final int QUIET = -1;
    private static final VarHandle WORD = ValueLayout.JAVA_INT.varHandle();

    private final MemorySegment[] pages;
    private final IntPredicate mine;

    /**
     * @param pages one of each queue of the device, shared with the client
     * @param mine whether a queue is this thread's now: which one is the control queue is for the driver to choose
     */
    Doorbells(List<MemorySegment> pages, IntPredicate mine) {
        this.mine = mine;
        this.pages = pages.toArray(MemorySegment[]::new);
        for (MemorySegment page : this.pages) {
            WORD.setVolatile(page, 0L, QUIET);
        }
    }

    /** Whether there are any. */
    boolean present() {
        return pages.length > 0;
    }

    /** Whether one was rung since the last look. A ring that comes later is found by the next one, its buffers perhaps before. */
    boolean rung() {
        boolean any = false;
        for (int queue = 0; queue < pages.length; queue++) {
            if ((int) WORD.getOpaque(pages[queue], 0L) != QUIET && mine.test(queue)) {
                WORD.setVolatile(pages[queue], 0L, QUIET);   // before the look at the ring: the driver writes there first, and rings then
                any = true;
            }
        }
        return any;
    }
}
