package iommu.vtd.driver;

import iommu.common.table.TablePool;
import iommu.common.unit.PhysicalWords;
import iommu.vtd.format.ContextEntry;
import iommu.vtd.format.RootEntry;
import iommu.vtd.format.ScalableContextEntry;

/**
 * The root table and the context tables below it, one per bus, or per half of a bus in scalable mode. A context table lives as
 * long as an endpoint is in it. Thread-safe.
 */
final class ContextTables implements AutoCloseable {
    private static final int FRAME_LG2 = 12;
    private static final int BUSES = 256;

    private final TablePool pool;
    private final boolean scalable;
    private final long root;
    /** By word of the root table. */
    private final long[] tables = new long[2 * BUSES];
    private final int[] endpoints = new int[2 * BUSES];

    ContextTables(TablePool pool, boolean scalable) {
        this.pool = pool;
        this.scalable = scalable;
        root = pool.allocate(FRAME_LG2);
    }

    long root() {
        return root;
    }

    /** Makes room for an endpoint. @return physical address of its context entry, which is not present */
    synchronized long enter(int sourceId) {
        int word = word(sourceId);
        if (endpoints[word] == 0) {
            tables[word] = pool.allocate(FRAME_LG2);
            PhysicalWords.setRelease(root + word * 8L, tables[word] | RootEntry.PRESENT);
        }
        endpoints[word]++;
        return tables[word] + (scalable ? (sourceId & 0x7F) * (long) ScalableContextEntry.BYTES
                : (sourceId & 0xFF) * (long) ContextEntry.BYTES);
    }

    /** Undoes {@link #enter}; the entry is not present any more, and no cache holds it. */
    synchronized void leave(int sourceId, CommandQueue queue) {
        int word = word(sourceId);
        if (--endpoints[word] == 0) {
            PhysicalWords.setRelease(root + word * 8L, 0);
            queue.everything();
            pool.free(tables[word], FRAME_LG2);
            tables[word] = 0;
        }
    }

    private int word(int sourceId) {
        int bus = sourceId >>> 8;
        return 2 * bus + (scalable ? sourceId >>> 7 & 1 : 0);
    }

    /** Gives the root table back; the unit does not use it any more. */
    @Override
    public void close() {
        pool.free(root, FRAME_LG2);
    }
}
