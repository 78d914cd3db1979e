package vmm.devices.nvme;

import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.ScatterList;
import java.lang.foreign.MemorySegment;

/**
 * Where a command's data lies in the host's memory: pieces in order, neighbours joined, and between them bytes that nobody
 * wants (bit buckets). Reused from command to command; allocates nothing. One thread.
 */
final class DataPieces {
    private final int capacity;
    /** All pieces but the last, which may still grow. */
    private final ScatterList list;
    /** Bytes of the data that are left out before each piece. */
    private final long[] skippedBytes;
    private boolean skips;
    private long skippedNow;
    private long lastIova;
    private long lastBytes;

    /** @param capacity most pieces */
    DataPieces(int capacity) {
        this.capacity = capacity;
        list = new ScatterList(capacity);
        skippedBytes = new long[capacity];
    }

    /** Forgets all pieces. */
    void clear() {
        list.clear();
        skips = false;
        skippedNow = 0;
        lastBytes = 0;
    }

    /** The next bytes of the data lie here. @return false if there are too many pieces */
    boolean add(long iova, long lengthBytes) {
        if (lastBytes > 0 && skippedNow == 0 && lastIova + lastBytes == iova) {
            lastBytes += lengthBytes;
            return true;
        }
        if (lengthBytes == 0) {
            return true;
        }
        if (list.count() == capacity - 1) {
            return false;
        }
        endLast();
        skippedBytes[list.count()] = skippedNow;
        skippedNow = 0;
        lastIova = iova;
        lastBytes = lengthBytes;
        return true;
    }

    /** The next bytes of the data go nowhere. */
    void skip(long lengthBytes) {
        skips = true;
        skippedNow += lengthBytes;
    }

    private void endLast() {
        if (lastBytes > 0) {
            list.add(lastIova, lastBytes);
            lastBytes = 0;
        }
    }

    /** Sends data from {@code offset} on to the host. */
    DmaStatus writeTo(DmaPort port, MemorySegment source, long offset) {
        if (list.count() == 0 && lastBytes > 0 && !skips) {
            return port.write(lastIova, source, offset, lastBytes);
        }
        endLast();
        if (!skips) {
            return port.write(list, source, offset);
        }
        DmaStatus status = DmaStatus.DONE;
        long at = offset;
        for (int piece = 0; piece < list.count() && status == DmaStatus.DONE; piece++) {
            at += skippedBytes[piece];
            status = port.write(list.iova(piece), source, at, list.lengthBytes(piece));
            at += list.lengthBytes(piece);
        }
        return status;
    }

    /** Fetches data from the host to {@code offset} and on. */
    DmaStatus readFrom(DmaPort port, MemorySegment target, long offset) {
        if (list.count() == 0 && lastBytes > 0) {
            return port.read(lastIova, target, offset, lastBytes);
        }
        endLast();
        return port.read(list, target, offset);
    }
}
