package iommu.vtd.driver;

import iommu.common.table.TableFormat;
import iommu.vtd.format.FirstStageEntry;
import iommu.vtd.format.HostAddress;
import iommu.vtd.format.SecondStageEntry;

/** The two paging formats as the driver writes them. Accessed bits are set beforehand, so that walks need not. */
final class StageFormats {
    private static final int GRANULE_LG2 = 12;
    private static final int INDEX_BITS = 9;
    /** Leaves of 4 KiB, 2 MiB and 1 GiB. */
    private static final int LEAF_LEVELS = 0b111;

    private StageFormats() {}

    /** Second stage; grants exactly what is asked for, marks dirty leaves. */
    static TableFormat secondStage(int levels) {
        return TableFormat.builder()
                .geometry(GRANULE_LG2, INDEX_BITS, levels, GRANULE_LG2 + INDEX_BITS * levels, HostAddress.BITS)
                .address(SecondStageEntry.ADDRESS)
                .present(SecondStageEntry.ACCESS)
                .leaf(SecondStageEntry.PAGE_SIZE, SecondStageEntry.PAGE_SIZE, LEAF_LEVELS)
                .dirty(SecondStageEntry.DIRTY, SecondStageEntry.DIRTY, SecondStageEntry.DIRTY)
                .tableBits(level -> SecondStageEntry.ACCESS | SecondStageEntry.ACCESSED)
                .leafBits((level, access) -> access.bits() | SecondStageEntry.ACCESSED
                        | (level > 0 ? SecondStageEntry.PAGE_SIZE : 0))
                .build();
    }

    /** First stage; cannot deny reads of what may be written. Only the lower canonical half is used (§3.6). */
    static TableFormat firstStage(int levels) {
        return TableFormat.builder()
                .geometry(GRANULE_LG2, INDEX_BITS, levels, GRANULE_LG2 + INDEX_BITS * levels - 1, HostAddress.BITS)
                .address(FirstStageEntry.ADDRESS)
                .present(FirstStageEntry.PRESENT)
                .leaf(FirstStageEntry.PAGE_SIZE, FirstStageEntry.PAGE_SIZE, LEAF_LEVELS)
                .tableBits(level -> FirstStageEntry.PRESENT | FirstStageEntry.WRITE | FirstStageEntry.USER
                        | FirstStageEntry.ACCESSED)
                .leafBits((level, access) -> FirstStageEntry.PRESENT | FirstStageEntry.USER | FirstStageEntry.ACCESSED
                        | FirstStageEntry.DIRTY | (access.writable() ? FirstStageEntry.WRITE : 0)
                        | (level > 0 ? FirstStageEntry.PAGE_SIZE : 0))
                .build();
    }
}
