package iommufd.api.memory;

import java.util.Arrays;

/**
 * Physically contiguous runs in the order of the memory they stand for; neighbours that touch are one run. Reused, grows on
 * demand. Not thread-safe.
 */
public final class PinnedRuns {
    private long[] addresses;
    private long[] lengths;
    private int count;
    private long totalBytes;

    /** @param capacity runs it holds before it has to grow */
    public PinnedRuns(int capacity) {
        addresses = new long[Math.max(1, capacity)];
        lengths = new long[Math.max(1, capacity)];
    }

    /** Appends a run; one that continues the last run extends it. */
    public void add(long physicalAddress, long lengthBytes) {
        totalBytes += lengthBytes;
        if (count > 0 && addresses[count - 1] + lengths[count - 1] == physicalAddress) {
            lengths[count - 1] += lengthBytes;
            return;
        }
        if (count == addresses.length) {
            addresses = Arrays.copyOf(addresses, count * 2);
            lengths = Arrays.copyOf(lengths, count * 2);
        }
        addresses[count] = physicalAddress;
        lengths[count++] = lengthBytes;
    }

    /** Appends the part {@code [offsetBytes, offsetBytes + lengthBytes)} of other runs, which must contain it. */
    public void addSlice(PinnedRuns runs, long offsetBytes, long lengthBytes) {
        long skip = offsetBytes;
        long left = lengthBytes;
        for (int i = 0; left > 0; i++) {
            long length = runs.lengthBytes(i);
            if (skip >= length) {
                skip -= length;
                continue;
            }
            long part = Math.min(left, length - skip);
            add(runs.physicalAddress(i) + skip, part);
            left -= part;
            skip = 0;
        }
    }

    /** Keeps only the first {@code keptBytes}; for undoing what was appended last. */
    public void truncate(long keptBytes) {
        while (totalBytes > keptBytes) {
            long excess = totalBytes - keptBytes;
            long cut = Math.min(excess, lengths[count - 1]);
            lengths[count - 1] -= cut;
            totalBytes -= cut;
            if (lengths[count - 1] == 0) {
                count--;
            }
        }
    }

    /** Forgets all runs. */
    public void clear() {
        count = 0;
        totalBytes = 0;
    }

    /** Number of runs. */
    public int count() {
        return count;
    }

    /** Where run {@code index} starts. */
    public long physicalAddress(int index) {
        return addresses[index];
    }

    /** How long run {@code index} is. */
    public long lengthBytes(int index) {
        return lengths[index];
    }

    /** Sum of all runs. */
    public long totalBytes() {
        return totalBytes;
    }
}
