package iommufd.api.dma;

import iommufd.api.Errno;
import iommufd.api.IommufdException;

/** Pieces of IO virtual memory in the order a request touches them; reused from request to request. Not thread-safe. */
public final class ScatterList {
    private final long[] iovas;
    private final long[] lengths;
    private int count;

    /** @param capacity most pieces it will hold */
    public ScatterList(int capacity) {
        iovas = new long[capacity];
        lengths = new long[capacity];
    }

    /** Forgets all pieces. */
    public ScatterList clear() {
        count = 0;
        return this;
    }

    /** Appends a piece. @throws IommufdException {@link Errno#E2BIG} if it is full; {@link Errno#EINVAL} for length below 1 */
    public ScatterList add(long iova, long lengthBytes) {
        if (count == iovas.length) {
            throw new IommufdException(Errno.E2BIG, "the scatter list holds " + count + " pieces already");
        }
        if (lengthBytes <= 0) {
            throw new IommufdException(Errno.EINVAL, "a piece of " + lengthBytes + " bytes");
        }
        iovas[count] = iova;
        lengths[count++] = lengthBytes;
        return this;
    }

    /** Number of pieces. */
    public int count() {
        return count;
    }

    /** Where piece {@code index} starts. */
    public long iova(int index) {
        return iovas[index];
    }

    /** How long piece {@code index} is. */
    public long lengthBytes(int index) {
        return lengths[index];
    }

    /** Sum of all pieces. */
    public long totalBytes() {
        long total = 0;
        for (int i = 0; i < count; i++) {
            total += lengths[i];
        }
        return total;
    }
}
