package vmm.devices.virtio.net;

import java.lang.foreign.MemorySegment;

/** Where packets that a driver sends go, header in front. One thread. */
interface PacketSink {
    /** What {@link #reserve} answers if the packet must wait; the lane is woken when it may be tried again. */
    long FULL = -1;

    /** Where packets are put. */
    MemorySegment memory();

    /** Room for a packet. @return where in {@link #memory}, or {@link #FULL} */
    long reserve(int bytes);

    /** The packet for which there was room, the latest, is complete. */
    void commit(int bytes);

    /** No packet follows for now. */
    default void flush() { }
}
