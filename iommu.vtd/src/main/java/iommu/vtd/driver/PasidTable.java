package iommu.vtd.driver;

import iommu.common.table.TablePool;
import iommu.common.unit.PhysicalWords;
import iommu.vtd.format.PasidTableEntry;

/**
 * The PASID directory of one endpoint and the tables below it. The first table always exists: it holds the entry for requests
 * without PASID. Guarded by the endpoint.
 */
final class PasidTable implements AutoCloseable {
    private static final int FRAME_LG2 = 12;
    /** A directory of size 0 covers this many PASID bits. */
    private static final int SMALLEST_BITS = 13;

    private final TablePool pool;
    private final int directorySize;
    private final int directoryLg2;
    private final long directory;
    private final long[] tables;
    private final int[] entries;

    PasidTable(TablePool pool, int pasidBits) {
        this.pool = pool;
        directorySize = Math.max(0, pasidBits - SMALLEST_BITS);
        directoryLg2 = Math.max(FRAME_LG2, directorySize + 7 + 3);
        directory = pool.allocate(directoryLg2);
        tables = new long[1 << directorySize + 7];
        entries = new int[tables.length];
        try {
            addTable(0);
        } catch (RuntimeException failure) {
            pool.free(directory, directoryLg2);
            throw failure;
        }
    }

    long directory() {
        return directory;
    }

    int directorySize() {
        return directorySize;
    }

    /** Makes room for an entry, which is not present. @return its physical address */
    long enter(int pasid) {
        int index = pasid >>> PasidTableEntry.TABLE_INDEX_BITS;
        if (tables[index] == 0) {
            addTable(index);
        }
        entries[index]++;
        return entry(pasid);
    }

    /** Physical address of an entry that was entered. */
    long entry(int pasid) {
        return tables[pasid >>> PasidTableEntry.TABLE_INDEX_BITS]
                + (pasid & (1 << PasidTableEntry.TABLE_INDEX_BITS) - 1) * (long) PasidTableEntry.BYTES;
    }

    /**
     * Takes an entry away that is not present any more, and with the last one its table.
     *
     * @return the unlinked table, to be given to {@link #recycle} once no cache holds an entry of it; 0 if the table stays
     */
    long leave(int pasid) {
        int index = pasid >>> PasidTableEntry.TABLE_INDEX_BITS;
        if (--entries[index] > 0 || index == 0) {
            return 0;
        }
        long table = tables[index];
        tables[index] = 0;
        PhysicalWords.setRelease(directory + index * 8L, 0);
        return table;
    }

    void recycle(long table) {
        if (table != 0) {
            pool.free(table, FRAME_LG2);
        }
    }

    private void addTable(int index) {
        tables[index] = pool.allocate(FRAME_LG2);
        PhysicalWords.setRelease(directory + index * 8L, tables[index] | PasidTableEntry.DIRECTORY_PRESENT);
    }

    /** Gives everything back; no context entry refers to the directory any more. */
    @Override
    public void close() {
        pool.free(tables[0], FRAME_LG2);
        pool.free(directory, directoryLg2);
    }
}
