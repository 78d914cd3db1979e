package iommu.smmuv3.driver;

import static iommu.smmuv3.format.TranslationDescriptor.*;

import iommu.common.table.TableFormat;
import iommu.smmuv3.format.TranslationDescriptor;

/**
 * The driver's page tables: VMSAv8-64 with 48-bit input and output, per granule and stage. A leaf of a table with dirty tracking
 * starts writable-clean: read-only, with DBM.
 */
final class StageFormats {
    static final int ADDRESS_BITS = 48;

    private StageFormats() {}

    /** Stage 1: readable always, because descriptors cannot say write-only. */
    static TableFormat stage1(int granuleLg2, boolean dirtyTracking) {
        int levels = (ADDRESS_BITS - granuleLg2 + strideLg2(granuleLg2) - 1) / strideLg2(granuleLg2);
        TableFormat.Builder builder = geometry(granuleLg2, levels);
        if (dirtyTracking) {
            builder.dirty(DBM | AP_READ_ONLY, DBM, AP_READ_ONLY);
        }
        return builder.leafBits((level, access) -> {
            long writable = dirtyTracking ? DBM | AP_READ_ONLY : 0;
            return kind(level) | AP_UNPRIVILEGED | SH_INNER | AF | NOT_GLOBAL | (access.writable() ? writable : AP_READ_ONLY);
        }).build();
    }

    /** Stage 2, with concatenated tables at the top where one level less suffices. */
    static TableFormat stage2(int granuleLg2, boolean dirtyTracking) {
        TableFormat.Builder builder = geometry(granuleLg2, stage2Levels(granuleLg2));
        if (dirtyTracking) {
            builder.dirty(DBM | S2AP_WRITE, DBM | S2AP_WRITE, S2AP_WRITE);
        }
        return builder.leafBits((level, access) -> {
            long writable = dirtyTracking ? DBM : S2AP_WRITE;
            return kind(level) | S2_MEMATTR_NORMAL | SH_INNER | AF | (access.readable() ? S2AP_READ : 0)
                    | (access.writable() ? writable : 0);
        }).build();
    }

    private static int stage2Levels(int granuleLg2) {
        return granuleLg2 == 12 ? 4 : 3;
    }

    /** S2SL0 of the stage 2 tables: 4K counts from level 2, the others from level 3. */
    static long stage2StartLevel(int granuleLg2) {
        return granuleLg2 == 12 ? stage2Levels(granuleLg2) - 2 : stage2Levels(granuleLg2) - 1;
    }

    private static TableFormat.Builder geometry(int granuleLg2, int levels) {
        int leafLevels = (2 << TranslationDescriptor.maxBlockLevel(granuleLg2)) - 1;
        return TableFormat.builder()
                .geometry(granuleLg2, strideLg2(granuleLg2), levels, ADDRESS_BITS, ADDRESS_BITS)
                .address(ADDRESS)
                .present(VALID)
                .leaf(TABLE_OR_PAGE, 0, leafLevels)
                .tableBits(level -> VALID | TABLE_OR_PAGE);
    }

    private static long kind(int level) {
        return level == 0 ? VALID | TABLE_OR_PAGE : VALID;
    }
}
