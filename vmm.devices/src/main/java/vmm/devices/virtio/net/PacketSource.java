package vmm.devices.virtio.net;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;

/** Where packets for a driver come from, header in front. One thread at a time, between {@link #claim} and {@link #unclaim}. */
abstract class PacketSource {
    /** What {@link #peek} answers if there is no packet. */
    static final long NOTHING = -1;

    private final AtomicBoolean claimed = new AtomicBoolean();

    /** Takes it for the calling thread. @return false if another has it */
    final boolean claim() {
        return claimed.compareAndSet(false, true);
    }

    /** Lets it go. */
    final void unclaim() {
        claimed.set(false);
    }

    /** Where packets are. */
    abstract MemorySegment memory();

    /** The next packet, which stays until {@link #release}; it may be changed there. @return where in {@link #memory}, or {@link #NOTHING} */
    abstract long peek();

    /** How long the packet is that was peeked last. */
    abstract int peekedBytes();

    /** The packet that was peeked is taken. */
    abstract void release();
}
