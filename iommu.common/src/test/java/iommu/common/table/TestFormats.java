package iommu.common.table;

import iommufd.api.DmaAccess;
import java.util.stream.Stream;

/** Formats in the manner of four vendors: what the algorithm must cope with, not the vendors' exact bits. */
enum TestFormats {
    /** Presence by permission bits, a page-size bit, 4 levels. */
    PERMISSION_BITS(TableFormat.builder().geometry(12, 9, 4, 48, 52).present(3)
            .leaf(1 << 7, 1 << 7, 0b111).dirty(1 << 9, 1 << 9, 1 << 9)
            .tableBits(level -> 3).leafBits((level, access) -> access.bits() | (level > 0 ? 1 << 7 : 0))),
    /** 64 KiB granule, two-bit type, large tables, dirty when a bit is clear. */
    LARGE_GRANULE(TableFormat.builder().geometry(16, 13, 3, 48, 48).address(0x0000_FFFF_FFFF_0000L).present(1).smallestTable(16)
            .leaf(3, 1, 0b010).dirty(1L << 51 | 1 << 7, 1L << 51, 1 << 7)
            .tableBits(level -> 3).leafBits((level, access) -> (level == 0 ? 3 : 1) | 1 << 7
                    | (access.writable() ? 1L << 51 : 0))),
    /** Most significant byte first, only 4 KiB and 1 MiB, uneven levels. */
    BIG_ENDIAN(TableFormat.builder().geometry(12, 8, 3, 31, 52).present(2).bigEndian()
            .leaf(1 << 10, 1 << 10, 0b010).dirty(1 << 9, 1 << 9, 1 << 9)
            .tableBits(level -> 2).leafBits((level, access) -> 2 | (level > 0 ? 1 << 10 : 0))),
    /** As {@link #BIG_ENDIAN}, with small tables of leaves below large ones, and absent entries that are not zero. */
    INVERTED(TableFormat.builder().geometry(12, 11, 3, 42, 52).leafTable(8).present(1 << 5).bigEndian().inverted(1 << 10 | 1 << 5)
            .leaf(1 << 10, 0, 0b010).dirty(1 << 9, 1 << 9, 1 << 9)
            .tableBits(level -> 1 << 10 | 1 << 5).leafBits((level, access) -> level > 0 ? 1 << 5 : 1 << 10 | 1 << 5)),
    /** Five levels, no large leaves. */
    SMALL_LEAVES_ONLY(TableFormat.builder().geometry(12, 9, 5, 57, 52).present(1)
            .leaf(0, 1, 0).dirty(1 << 6, 1 << 6, 1 << 6)
            .tableBits(level -> 7).leafBits((level, access) -> access == DmaAccess.READ ? 5 : 7));

    final TableFormat format;

    TestFormats(TableFormat.Builder builder) {
        format = builder.build();
    }

    static Stream<TestFormats> all() {
        return Stream.of(values());
    }
}
