package vmm.devices.virtio;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Descriptors of both kinds of ring, little-endian (virtio 1.2, §2.7.5 and §2.8.13). An address, then a word of length and, of a
 * split ring, flags and the next index; of a packed one, the buffer's id and flags.
 */
final class Descriptor {
    static final ValueLayout.OfLong WORD = JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfInt HALF = JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfShort QUARTER = JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN);

    static final int BYTES_LG2 = 4;
    static final int BYTES = 1 << BYTES_LG2;
    static final int ADDRESS_OFFSET = 0;
    static final int WORD_OFFSET = 8;
    /** Of a packed descriptor. */
    static final int PACKED_FLAGS_OFFSET = 14;

    static final int NEXT = 1 << 0;
    static final int WRITE = 1 << 1;
    static final int INDIRECT = 1 << 2;
    /** Packed: equals the driver's wrap counter once the descriptor is available. */
    static final int AVAILABLE = 1 << 7;
    /** Packed: equals {@link #AVAILABLE} once the descriptor is used. */
    static final int USED = 1 << 15;

    private Descriptor() {}

    static long lengthBytes(long word) {
        return word & 0xffff_ffffL;
    }

    static int splitFlags(long word) {
        return (int) (word >>> 32) & 0xffff;
    }

    static int splitNext(long word) {
        return (int) (word >>> 48);
    }

    static int packedId(long word) {
        return (int) (word >>> 32) & 0xffff;
    }

    static int packedFlags(long word) {
        return (int) (word >>> 48);
    }

    /** The second word of a used packed descriptor. */
    static long packedWord(int lengthBytes, int id, int flags) {
        return lengthBytes & 0xffff_ffffL | (long) id << 32 | (long) flags << 48;
    }
}
