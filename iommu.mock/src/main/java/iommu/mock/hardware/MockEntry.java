package iommu.mock.hardware;

import iommu.common.table.TableFormat;

/**
 * Entry of a mock page table: 64 bits, pages of 2 KiB, tables of 4 KiB. The format is this project's own; what clients can see of
 * it are page sizes and apertures ({@code iommufd_test.h}).
 */
final class MockEntry {
    static final long READ = 1;
    static final long WRITE = 1L << 1;
    static final long LEAF = 1L << 2;
    static final long DIRTY = 1L << 3;
    /** Address of a page or a table. */
    static final long ADDRESS = (1L << 51) - 1 & -1L << 11;

    /** MOCK_PAGE_SIZE is 2^11. */
    static final int GRANULE_LG2 = 11;
    static final int INDEX_BITS = 9;
    private static final int OUTPUT_BITS = 51;
    /** Leaves at level 0 and, of MOCK_HUGE_PAGE_SIZE, at level 1. */
    private static final int LEAF_LEVELS = 0b011;

    private MockEntry() {}

    /** A table for IOVA of that many bits. */
    static TableFormat format(int inputBits) {
        int levels = (inputBits - GRANULE_LG2 + INDEX_BITS - 1) / INDEX_BITS;
        return TableFormat.builder()
                .geometry(GRANULE_LG2, INDEX_BITS, levels, inputBits, OUTPUT_BITS)
                .address(ADDRESS)
                .present(READ | WRITE)
                .leaf(LEAF, LEAF, LEAF_LEVELS)
                .dirty(DIRTY, DIRTY, DIRTY)
                .tableBits(level -> READ | WRITE)
                .leafBits((level, access) -> access.bits() | LEAF)
                .build();
    }
}
