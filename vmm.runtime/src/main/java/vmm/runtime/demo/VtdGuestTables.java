package vmm.runtime.demo;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.NestedHwpt;
import iommufd.api.NestedTable;
import iommufd.api.PagingHwpt;
import iommufd.api.uapi.IommuHwptVtdS1;
import iommufd.api.uapi.IommuHwptVtdS1Invalidate;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/** A first stage of VT-d: 4 levels of 512 entries (VT-d specification, §3.6 and §9.7). */
final class VtdGuestTables implements GuestTables {
    /** {@code IOMMU_HWPT_DATA_VTD_S1}. */
    private static final int DATA_TYPE = 1;
    /** {@code IOMMU_HWPT_INVALIDATE_DATA_VTD_S1}. */
    private static final int INVALIDATE_TYPE = 0;
    private static final int ADDRESS_BITS = 48;
    private static final long PRESENT = 1;
    private static final long WRITE = 1L << 1;
    private static final long USER = 1L << 2;
    private static final long ALL_RIGHTS = PRESENT | WRITE | USER;
    private static final int LEVELS = 4;
    private static final int INDEX_BITS = 9;
    private static final long INDEX_MASK = (1 << INDEX_BITS) - 1;
    private static final int PAGE_SHIFT = 12;
    /** Tables, the top one first, a page each. */
    private static final long ROOT = 0x1_0000;

    private final MemorySegment memory;
    private final long leaf;
    private final NestedHwpt hwpt;

    VtdGuestTables(Guest guest, PagingHwpt parent) {
        memory = guest.ram().segment();
        long table = ROOT;
        for (int level = LEVELS - 1; level > 0; level--) {
            memory.set(JAVA_LONG, slot(table, level), table + Guest.PAGE_BYTES | ALL_RIGHTS);
            table += Guest.PAGE_BYTES;
        }
        leaf = slot(table, 0);
        byte[] bytes = new byte[IommuHwptVtdS1.SIZE_BYTES];
        MemorySegment struct = MemorySegment.ofArray(bytes);
        IommuHwptVtdS1.pgtblAddr(struct, ROOT);
        IommuHwptVtdS1.addrWidth(struct, ADDRESS_BITS);
        hwpt = guest.context().allocateNestedHwpt(guest.device(), parent, new NestedTable(DATA_TYPE, bytes), Optional.empty());
    }

    private static long slot(long table, int level) {
        return table + (IOVA >>> PAGE_SHIFT + INDEX_BITS * level & INDEX_MASK) * Long.BYTES;
    }

    @Override
    public NestedHwpt hwpt() {
        return hwpt;
    }

    @Override
    public void map(long guestAddress) {
        memory.set(JAVA_LONG, leaf, guestAddress | ALL_RIGHTS);
    }

    @Override
    public void unmap() {
        memory.set(JAVA_LONG, leaf, 0);
    }

    @Override
    public InvalidationResult invalidate() {
        MemorySegment struct = MemorySegment.ofArray(new byte[IommuHwptVtdS1Invalidate.SIZE_BYTES]);
        IommuHwptVtdS1Invalidate.addr(struct, IOVA);
        IommuHwptVtdS1Invalidate.npages(struct, 1);
        IommuHwptVtdS1Invalidate.flags(struct, IommuHwptVtdS1Invalidate.IOMMU_VTD_INV_FLAGS_LEAF);
        return hwpt.invalidate(new InvalidationEntries(INVALIDATE_TYPE, IommuHwptVtdS1Invalidate.SIZE_BYTES, 1, struct));
    }
}
