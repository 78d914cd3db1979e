package iommufd.api.memory;

import java.util.Comparator;
import java.util.List;

/**
 * What a bus's addresses mean: where in the physical window ({@link HostMemory#WINDOW}) the memory behind them lies. Hardware that
 * serves the host sees {@link #HOST}; hardware in front of a guest sees the guest's ranges and nothing else, whatever address the
 * guest wrote somewhere. Immutable.
 */
public final class MemoryMap {
    /** What {@link #hostAddress} answers where there is no memory. */
    public static final long NOWHERE = -1L;

    /** The host's: every address is itself, those of {@link FarMemory} included. */
    public static final MemoryMap HOST = new MemoryMap(List.of());

    private final boolean identity;
    private final long[] starts;
    private final long[] lengths;
    private final long[] hostAddresses;

    /**
     * A stretch of memory.
     *
     * @param busAddress where the bus has it, a multiple of 4096 like the others
     * @param lengthBytes greater than 0
     * @param hostAddress where the window has it
     */
    public record Range(long busAddress, long lengthBytes, long hostAddress) {
        /** @throws IllegalArgumentException if any of it lies outside the window, wraps around, or is no whole page */
        public Range {
            if (((busAddress | lengthBytes | hostAddress) & 4095) != 0 || busAddress < 0 || lengthBytes <= 0 || hostAddress <= 0 || busAddress > Long.MAX_VALUE - lengthBytes
                    || hostAddress > HostMemory.SIZE_BYTES - lengthBytes) {
                throw new IllegalArgumentException("no memory can be 0x%x + 0x%x at 0x%x".formatted(busAddress, lengthBytes, hostAddress));
            }
        }
    }

    private MemoryMap(List<Range> ranges) {
        identity = ranges.isEmpty();
        starts = ranges.stream().mapToLong(Range::busAddress).toArray();
        lengths = ranges.stream().mapToLong(Range::lengthBytes).toArray();
        hostAddresses = ranges.stream().mapToLong(Range::hostAddress).toArray();
    }

    /** @throws IllegalArgumentException if there is no range, or if two overlap on the bus */
    public static MemoryMap of(List<Range> ranges) {
        List<Range> sorted = ranges.stream().sorted(Comparator.comparingLong(Range::busAddress)).toList();
        if (sorted.isEmpty()) {
            throw new IllegalArgumentException("a memory map needs memory");
        }
        for (int i = 1; i < sorted.size(); i++) {
            Range before = sorted.get(i - 1);
            if (before.busAddress + before.lengthBytes > sorted.get(i).busAddress) {
                throw new IllegalArgumentException("memory at 0x%x lies in the range before it".formatted(sorted.get(i).busAddress));
            }
        }
        return new MemoryMap(sorted);
    }

    /**
     * Where the byte at {@code busAddress} lies. A few nanoseconds, allocates nothing; for walks, not for every access.
     *
     * @param busAddress any number
     * @return its address in the window (or, of the host's own addresses, behind it: ask {@link HostMemory#isBacked}), else
     *         {@link #NOWHERE}
     */
    public long hostAddress(long busAddress) {
        return identity ? busAddress : search(busAddress);
    }

    /**
     * Where a stretch lies that is in memory as a whole and in one piece.
     *
     * @param busAddress any number
     * @param lengthBytes greater than 0
     * @return the address of its first byte in the window, else {@link #NOWHERE}
     */
    public long hostAddress(long busAddress, long lengthBytes) {
        if (identity) {
            return busAddress;
        }
        for (int i = 0; i < starts.length; i++) {
            long offset = busAddress - starts[i];
            if (offset >= 0 && offset < lengths[i] && lengthBytes <= lengths[i] - offset) {
                return hostAddresses[i] + offset;
            }
        }
        return NOWHERE;
    }

    private long search(long busAddress) {
        for (int i = 0; i < starts.length; i++) {
            long offset = busAddress - starts[i];
            if (offset >= 0 && offset < lengths[i]) {
                return hostAddresses[i] + offset;
            }
        }
        return NOWHERE;
    }
}
