package vmm.runtime.demo;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Bytes that can be told from all others: a function of a seed and of the place in the block. One thread at a time. */
final class Pattern {
    private static final long STRIDE = 0x9E3779B97F4A7C15L;

    private final long[] words;
    private final MemorySegment bytes;

    /** @param blockBytes a multiple of 8 */
    Pattern(int blockBytes) {
        words = new long[blockBytes / Long.BYTES];
        bytes = Arena.ofAuto().allocate(blockBytes, Long.BYTES);
    }

    /** The block of that seed; overwritten by the next call. */
    MemorySegment block(long seed) {
        long base = mixed(seed);
        for (int i = 0; i < words.length; i++) {
            words[i] = base ^ i * STRIDE;
        }
        MemorySegment.copy(words, 0, bytes, JAVA_LONG, 0, words.length);
        return bytes;
    }

    /** How many bytes of {@code found} from {@code offset} on differ from the latest block. */
    long differences(MemorySegment found, long offset) {
        long length = bytes.byteSize();
        if (MemorySegment.mismatch(found, offset, offset + length, bytes, 0, length) < 0) {
            return 0;
        }
        long different = 0;
        for (long i = 0; i < length; i++) {
            if (found.get(JAVA_BYTE, offset + i) != bytes.get(JAVA_BYTE, i)) {
                different++;
            }
        }
        return different;
    }

    /** Spreads close numbers far apart (the finalizer of SplitMix64). */
    static long mixed(long number) {
        long z = number + STRIDE;
        z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
        return z ^ z >>> 31;
    }
}
