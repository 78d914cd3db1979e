package iommu.s390.driver;

import static iommu.s390.format.TableEntry.*;

import iommu.common.table.TableFormat;
import iommu.s390.format.TableEntry;
import iommufd.api.memory.FarMemory;

/**
 * The tables as the driver writes them. An entry exists while its I bit is 0, so that absent entries are not zero; the kit writes
 * {@link #ABSENT} inverted, and is told of the bits as they then are. One pattern is absent in every table: in region and segment
 * entries it is I with a frame bit that nobody looks at, in page entries it is I with a bit of no meaning.
 */
final class TableFormats {
    /** An absent entry, at every level. */
    static final long ABSENT = INVALID | PAGE_INVALID;

    private static final int OUTPUT_BITS = Long.numberOfTrailingZeros(FarMemory.END);
    private static final int LEAF_LEVELS = 0b11;
    private static final int SEGMENT_LEVEL = 1;

    private TableFormats() {}

    /** @param levels 3 or 4, page tables included */
    static TableFormat of(int levels) {
        int inputBits = SEGMENT_SHIFT + INDEX_BITS * (levels - 1);
        return TableFormat.builder()
                .geometry(PAGE_SHIFT, INDEX_BITS, levels, inputBits, OUTPUT_BITS)
                .leafTable(PAGE_INDEX_BITS)
                .bigEndian()
                .inverted(ABSENT)
                .address(TableEntry.PAGE_FRAME)
                .present(INVALID)
                .leaf(FRAME, 0, LEAF_LEVELS)
                .tableBits(level -> ABSENT ^ tableBits(level))
                .leafBits((level, access) -> ABSENT ^ ((level == 0 ? 0 : FRAME) | (access.writable() ? 0 : PROTECTED)))
                .build();
    }

    private static long tableBits(int level) {
        return level == SEGMENT_LEVEL ? SEGMENT : TableEntry.type(SEGMENT_SHIFT + INDEX_BITS * (level - 1)) | LENGTH;
    }
}
