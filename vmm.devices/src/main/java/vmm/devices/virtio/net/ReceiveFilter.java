package vmm.devices.virtio.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;

/**
 * Which packets a driver wants, by destination (virtio 1.2, §5.1.6.5.1 and §5.1.6.5.2). Immutable, to be exchanged as a whole.
 *
 * @param mac the device's address, its first byte in bits 47:40
 * @param modes bit n for mode n of {@code VIRTIO_NET_CTRL_RX}
 * @param unicast more addresses
 * @param multicast groups
 */
record ReceiveFilter(long mac, int modes, long[] unicast, long[] multicast) {
    static final int PROMISCUOUS = 0;
    static final int ALL_MULTICAST = 1;
    static final int ALL_UNICAST = 2;
    static final int NO_MULTICAST = 3;
    static final int NO_UNICAST = 4;
    static final int NO_BROADCAST = 5;
    static final int MODES = 6;

    private static final long BROADCAST = 0xffff_ffff_ffffL;
    private static final long GROUP = 1L << 40;
    private static final long[] NONE = {};

    /** Takes everything, until the driver says what it wants. */
    static ReceiveFilter everything(long mac) {
        return new ReceiveFilter(mac, 1 << PROMISCUOUS, NONE, NONE);
    }

    ReceiveFilter withMac(long newMac) {
        return new ReceiveFilter(newMac, modes, unicast, multicast);
    }

    ReceiveFilter withMode(int mode, boolean on) {
        return new ReceiveFilter(mac, on ? modes | 1 << mode : modes & ~(1 << mode), unicast, multicast);
    }

    ReceiveFilter withTables(long[] newUnicast, long[] newMulticast) {
        return new ReceiveFilter(mac, modes, newUnicast, newMulticast);
    }

    /** Reads an address. */
    static long address(MemorySegment memory, long at) {
        return (memory.get(JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN), at) & 0xffffL) << 32
                | memory.get(JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN), at + 2) & 0xffff_ffffL;
    }

    /** Writes an address. */
    static void putAddress(MemorySegment memory, long at, long address) {
        for (int i = 0; i < 6; i++) {
            memory.set(JAVA_BYTE, at + i, (byte) (address >>> 8 * (5 - i)));
        }
    }

    private boolean on(int mode) {
        return (modes & 1 << mode) != 0;
    }

    /** Whether a frame that starts there is wanted. */
    boolean accepts(MemorySegment memory, long frame) {
        if (on(PROMISCUOUS)) {
            return true;
        }
        long to = address(memory, frame);
        if (to == BROADCAST) {
            return !on(NO_BROADCAST);
        }
        if ((to & GROUP) != 0) {
            return !on(NO_MULTICAST) && (on(ALL_MULTICAST) || contains(multicast, to));
        }
        return !on(NO_UNICAST) && (on(ALL_UNICAST) || to == mac || contains(unicast, to));
    }

    private static boolean contains(long[] table, long address) {
        for (long one : table) {
            if (one == address) {
                return true;
            }
        }
        return false;
    }
}
