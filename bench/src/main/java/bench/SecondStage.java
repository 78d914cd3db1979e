package bench;

import iommu.common.table.TableFormat;

/** VT-d's second stage, 4 levels (rev. 5.10, §9.8). */
final class SecondStage {
    private static final long LARGE = 1L << 7;
    private static final long DIRTY = 1L << 9;

    static final TableFormat FORMAT = TableFormat.builder().geometry(12, 9, 4, 48, 52).present(3)
            .leaf(LARGE, LARGE, 0b111).dirty(DIRTY, DIRTY, DIRTY)
            .tableBits(level -> 3).leafBits((level, access) -> access.bits() | (level > 0 ? LARGE : 0))
            .build();

    private SecondStage() {}
}
