package vmm.devices.virtio.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** {@code struct virtio_net_hdr}, little-endian, in front of every packet (virtio 1.2, §5.1.6). */
final class PacketHeader {
    static final int BYTES = 12;
    /** Largest packet, header included: what 16 bits of IP length describe, an Ethernet header and a VLAN tag. */
    static final int MAX_PACKET_BYTES = BYTES + 65535 + 18;
    /** Smallest: an Ethernet header. */
    static final int MIN_PACKET_BYTES = BYTES + 14;

    static final int NEEDS_CHECKSUM = 1;
    static final int DATA_VALID = 2;
    static final int GSO_NONE = 0;
    static final int GSO_TCP4 = 1;
    static final int GSO_UDP = 3;
    static final int GSO_TCP6 = 4;
    static final int GSO_ECN = 0x80;

    private static final ValueLayout.OfShort LE = JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort NETWORK = JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final int FLAGS_OFFSET = 0;
    private static final int GSO_OFFSET = 1;
    private static final int CHECKSUM_START_OFFSET = 6;
    private static final int CHECKSUM_AT_OFFSET = 8;
    private static final int BUFFERS_OFFSET = 10;

    private PacketHeader() {}

    private static int flags(MemorySegment memory, long at) {
        return memory.get(JAVA_BYTE, at + FLAGS_OFFSET);
    }

    private static int gso(MemorySegment memory, long at) {
        return memory.get(JAVA_BYTE, at + GSO_OFFSET) & 0xff;
    }

    private static int start(MemorySegment memory, long at) {
        return memory.get(LE, at + CHECKSUM_START_OFFSET) & 0xffff;
    }

    private static int place(MemorySegment memory, long at) {
        return start(memory, at) + (memory.get(LE, at + CHECKSUM_AT_OFFSET) & 0xffff);
    }

    /** Whether what a driver says of its packet of {@code bytes} can be. */
    static boolean plausible(MemorySegment memory, long at, int bytes) {
        boolean checksum = (flags(memory, at) & NEEDS_CHECKSUM) != 0;
        return bytes >= MIN_PACKET_BYTES && (!checksum || place(memory, at) + 2 <= bytes - BYTES) && (gso(memory, at) == GSO_NONE || checksum);
    }

    /** Into how many buffers it is put. */
    static void setBuffers(MemorySegment memory, long at, int count) {
        memory.set(LE, at + BUFFERS_OFFSET, (short) count);
    }

    /**
     * Makes of a packet what its receiver can take: computes its checksum if need be.
     *
     * @param offloads what the receiver accepts, of {@link NetFeature#GUEST_OFFLOADS}
     * @return false if it cannot take it at all: it would have to be segmented
     */
    static boolean adapt(MemorySegment memory, long at, int bytes, long offloads) {
        int gso = gso(memory, at);
        if (gso != GSO_NONE && (gsoFeatures(gso) & ~offloads) != 0) {
            return false;
        }
        int flags = flags(memory, at);
        if (flags != 0 && (offloads & NetFeature.GUEST_CSUM) == 0) {
            if ((flags & NEEDS_CHECKSUM) != 0) {
                fillChecksum(memory, at, bytes);
            }
            flags = 0;
        }
        memory.set(JAVA_BYTE, at + FLAGS_OFFSET, (byte) (flags & (NEEDS_CHECKSUM | DATA_VALID)));
        return true;
    }

    private static long gsoFeatures(int gso) {
        long ecn = (gso & GSO_ECN) != 0 ? NetFeature.GUEST_ECN : 0;
        return ecn | switch (gso & ~GSO_ECN) {
            case GSO_TCP4 -> NetFeature.GUEST_TSO4;
            case GSO_TCP6 -> NetFeature.GUEST_TSO6;
            case GSO_UDP -> NetFeature.GUEST_UFO;
            default -> Long.MIN_VALUE;
        };
    }

    /** The Internet checksum (RFC 1071) from the start to the end, over a field that holds the pseudo header's sum. */
    private static void fillChecksum(MemorySegment memory, long at, int bytes) {
        long packet = at + BYTES;
        long end = at + bytes;
        long sum = 0;
        long next = packet + start(memory, at);
        for (; next + 1 < end; next += 2) {
            sum += memory.get(NETWORK, next) & 0xffff;
        }
        if (next < end) {
            sum += (memory.get(JAVA_BYTE, next) & 0xff) << 8;
        }
        while (sum >>> 16 != 0) {
            sum = (sum & 0xffff) + (sum >>> 16);
        }
        int checksum = (int) ~sum & 0xffff;
        memory.set(NETWORK, packet + place(memory, at), (short) (checksum == 0 ? 0xffff : checksum));
    }
}
