package vmm.runtime.guest;

import iommufd.api.memory.StageTwoTable;

/**
 * Bits of a hypervisor's entries, in tables of 512 with pages of 4 KiB.
 *
 * <p>EPT: Intel SDM volume 3, "EPT translation mechanism". Arm: ARM ARM D8.3, VMSAv8-64 stage 2 descriptors.
 */
final class StageTwoEntry {
    private static final long EPT_READ = 1;
    private static final long EPT_WRITE = 1L << 1;
    private static final long EPT_EXECUTE = 1L << 2;
    /** Memory type write-back, bits 5:3 of a leaf. */
    private static final long EPT_WRITE_BACK = 6L << 3;
    private static final long EPT_ADDRESS = 0x000F_FFFF_FFFF_F000L;

    /** Valid, and a table, or a page at the last level. */
    private static final long ARM_TABLE_OR_PAGE = 3;
    /** MemAttr: normal memory, write-back outside and inside. */
    private static final long ARM_NORMAL = 0xFL << 2;
    private static final long ARM_READ = 1L << 6;
    private static final long ARM_WRITE = 1L << 7;
    private static final long ARM_INNER_SHAREABLE = 3L << 8;
    private static final long ARM_ACCESSED = 1L << 10;
    private static final long ARM_ADDRESS = 0x0000_FFFF_FFFF_F000L;

    private StageTwoEntry() {}

    /** An entry that leads to the table at {@code address}. */
    static long table(StageTwoTable.Format format, long address) {
        return address | switch (format) {
            case EPT -> EPT_READ | EPT_WRITE | EPT_EXECUTE;
            case ARM_STAGE_2 -> ARM_TABLE_OR_PAGE;
        };
    }

    /** An entry that shows the page at {@code address}. */
    static long page(StageTwoTable.Format format, long address, boolean writable) {
        return address | switch (format) {
            case EPT -> EPT_READ | EPT_EXECUTE | EPT_WRITE_BACK | (writable ? EPT_WRITE : 0);
            case ARM_STAGE_2 -> ARM_TABLE_OR_PAGE | ARM_NORMAL | ARM_READ | ARM_INNER_SHAREABLE | ARM_ACCESSED | (writable ? ARM_WRITE : 0);
        };
    }

    /** Whether the entry leads anywhere. */
    static boolean present(StageTwoTable.Format format, long entry) {
        return (entry & (format == StageTwoTable.Format.EPT ? EPT_READ : 1)) != 0;
    }

    /** Whether a page may be written. */
    static boolean writable(StageTwoTable.Format format, long entry) {
        return (entry & (format == StageTwoTable.Format.EPT ? EPT_WRITE : ARM_WRITE)) != 0;
    }

    /** Where it leads. */
    static long address(StageTwoTable.Format format, long entry) {
        return entry & (format == StageTwoTable.Format.EPT ? EPT_ADDRESS : ARM_ADDRESS);
    }
}
