package vmm.runtime.demo;

import iommufd.api.InvalidationEntries;
import iommufd.api.InvalidationResult;
import iommufd.api.NestedHwpt;
import iommufd.api.NestedTable;
import iommufd.api.PagingHwpt;
import iommufd.api.uapi.IommuHwptS390Zpci;
import iommufd.api.uapi.IommuHwptS390ZpciInvalidate;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Optional;

/** A guest's zPCI translation tables ({@code docs/s390.md}): a region-third, a segment and a page table, big-endian. */
final class ZpciGuestTables implements GuestTables {
    private static final ValueLayout.OfLong WORD = ValueLayout.JAVA_LONG.withOrder(ByteOrder.BIG_ENDIAN);
    private static final long REGION_TABLE = 0x3_0000;
    private static final long SEGMENT_TABLE = 0x3_4000;
    private static final long PAGE_TABLE = 0x3_8000;
    private static final long TABLE_BYTES = 0x4000;
    private static final long PAGE_TABLE_BYTES = 0x800;
    /** I of a region or segment entry. */
    private static final long INVALID = 0x20;
    /** I of a page entry. */
    private static final long PAGE_INVALID = 0x400;
    /** Type of an entry of a region-third table. */
    private static final long REGION_THIRD = 4;
    /** The table that a region entry designates is whole. */
    private static final long WHOLE = 3;
    /** T of the anchor: addresses are translated. */
    private static final long TRANSLATE = 0x800;
    /** Designation type of the anchor: a region-third table. */
    private static final long REGION_THIRD_TABLE = 1L << 2;
    private static final int ADDRESS_BITS = 42;
    private static final int REGION_THIRD_SHIFT = 31;
    private static final int SEGMENT_SHIFT = 20;
    private static final int PAGE_SHIFT = 12;
    private static final long INDEX_MASK = 0x7FF;
    private static final long PAGE_INDEX_MASK = 0xFF;

    private final MemorySegment memory;
    private final long leaf = slot(PAGE_TABLE, PAGE_SHIFT, PAGE_INDEX_MASK);
    private final NestedHwpt hwpt;

    ZpciGuestTables(Guest guest, PagingHwpt parent) {
        memory = guest.ram().segment();
        fill(REGION_TABLE, TABLE_BYTES, INVALID);
        fill(SEGMENT_TABLE, TABLE_BYTES, INVALID);
        fill(PAGE_TABLE, PAGE_TABLE_BYTES, PAGE_INVALID);
        memory.set(WORD, slot(SEGMENT_TABLE, SEGMENT_SHIFT, INDEX_MASK), PAGE_TABLE);
        memory.set(WORD, slot(REGION_TABLE, REGION_THIRD_SHIFT, INDEX_MASK), SEGMENT_TABLE | REGION_THIRD | WHOLE);
        byte[] bytes = new byte[IommuHwptS390Zpci.SIZE_BYTES];
        MemorySegment struct = MemorySegment.ofArray(bytes);
        IommuHwptS390Zpci.iota(struct, REGION_TABLE | TRANSLATE | REGION_THIRD_TABLE);
        IommuHwptS390Zpci.pal(struct, (1L << ADDRESS_BITS) - 1);
        hwpt = guest.context().allocateNestedHwpt(guest.device(), parent,
                new NestedTable(IommuHwptS390Zpci.IOMMU_HWPT_DATA_S390_ZPCI, bytes), Optional.empty());
    }

    private void fill(long table, long bytes, long entry) {
        for (long offset = 0; offset < bytes; offset += Long.BYTES) {
            memory.set(WORD, table + offset, entry);
        }
    }

    private static long slot(long table, int shift, long mask) {
        return table + (IOVA >>> shift & mask) * Long.BYTES;
    }

    @Override
    public NestedHwpt hwpt() {
        return hwpt;
    }

    @Override
    public void map(long guestAddress) {
        memory.set(WORD, leaf, guestAddress);
    }

    @Override
    public void unmap() {
        memory.set(WORD, leaf, PAGE_INVALID);
    }

    @Override
    public InvalidationResult invalidate() {
        MemorySegment struct = MemorySegment.ofArray(new byte[IommuHwptS390ZpciInvalidate.SIZE_BYTES]);
        IommuHwptS390ZpciInvalidate.addr(struct, IOVA);
        IommuHwptS390ZpciInvalidate.length(struct, Guest.PAGE_BYTES);
        return hwpt.invalidate(new InvalidationEntries(IommuHwptS390ZpciInvalidate.IOMMU_HWPT_INVALIDATE_DATA_S390_ZPCI,
                IommuHwptS390ZpciInvalidate.SIZE_BYTES, 1, struct));
    }
}
