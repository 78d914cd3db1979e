package devnode.fuse.memory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.Predicate;

/** System calls need native memory: bytes on the heap go by way of a copy. */
final class Bounce {
    private Bounce() {}

    /**
     * Copies between {@code heap} and somewhere.
     *
     * @param reading whether to {@code heap}
     * @param copy does it with native memory of the same size
     * @return what {@code copy} returned
     */
    static boolean copy(MemorySegment heap, boolean reading, Predicate<MemorySegment> copy) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(heap.byteSize());
            if (!reading) {
                bytes.copyFrom(heap);
            }
            boolean copied = copy.test(bytes);
            if (copied && reading) {
                heap.copyFrom(bytes);
            }
            return copied;
        }
    }
}
