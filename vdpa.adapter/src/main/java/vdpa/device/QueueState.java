package vdpa.device;

/**
 * Where a device goes on in a queue. A queue starts at {@link #SPLIT_START} or {@link #PACKED_START}.
 *
 * @param availIndex of the next available entry to look at: of a split queue the free-running 16-bit index, of a packed queue a
 *        position in the ring, 15 bits
 * @param availWrap wrap counter of {@code availIndex}; always true for split queues
 * @param usedIndex where the next used entry goes, in the same terms. A client cannot tell it of a split queue: it is then
 *        {@code availIndex}
 * @param usedWrap wrap counter of {@code usedIndex}; always true for split queues
 */
public record QueueState(int availIndex, boolean availWrap, int usedIndex, boolean usedWrap) {
    /** A new split queue. */
    public static final QueueState SPLIT_START = split(0);
    /** A new packed queue. */
    public static final QueueState PACKED_START = new QueueState(0, true, 0, true);

    private static final int INDEX = 0x7fff;
    private static final int WRAP = 0x8000;
    private static final int USED_SHIFT = 16;

    /** A split queue whose buffers before {@code availIndex} are all used. */
    public static QueueState split(int availIndex) {
        int index = availIndex & 0xffff;
        return new QueueState(index, true, index, true);
    }

    /** Reads a packed queue's state: bit 15 of each half is a wrap counter, the available half is the lower one (vhost's vring base). */
    public static QueueState packed(int word) {
        int used = word >>> USED_SHIFT;
        return new QueueState(word & INDEX, (word & WRAP) != 0, used & INDEX, (used & WRAP) != 0);
    }

    /** The state of a packed queue as {@link #packed(int)} reads it. */
    public int packedWord() {
        return half(availIndex, availWrap) | half(usedIndex, usedWrap) << USED_SHIFT;
    }

    private static int half(int index, boolean wrap) {
        return index & INDEX | (wrap ? WRAP : 0);
    }
}
