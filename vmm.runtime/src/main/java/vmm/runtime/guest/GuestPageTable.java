package vmm.runtime.guest;

import iommufd.api.memory.HostMemory;
import iommufd.api.memory.StageTwoTable;
import iommufd.api.memory.TableMemory;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;

/**
 * A page table of a hypervisor, in frames that hardware can walk. Changes are serialized by the owner; whoever walks does so at any
 * time. Tables between stay until the end.
 */
final class GuestPageTable implements AutoCloseable {
    private static final VarHandle WORD = ValueLayout.JAVA_LONG.varHandle();
    private static final int PAGE_LG2 = 12;
    private static final int INDEX_BITS = 9;
    private static final long INDEX = (1L << INDEX_BITS) - 1;
    /** What {@link #entry} answers for a page that is absent. */
    static final long ABSENT = 0;

    private final StageTwoTable.Format format;
    private final TableMemory frames;
    private final List<Long> tables = new ArrayList<>();
    private final long root;

    /** @throws iommufd.api.IommufdException {@link iommufd.api.Errno#ENOMEM} */
    GuestPageTable(StageTwoTable.Format format, TableMemory frames) {
        this.format = format;
        this.frames = frames;
        root = newTable();
    }

    long root() {
        return root;
    }

    private long newTable() {
        long table = frames.allocate(PAGE_LG2);
        tables.add(table);
        return table;
    }

    private static long slot(long table, int level, long address) {
        return table + ((address >>> PAGE_LG2 + level * INDEX_BITS & INDEX) << 3);
    }

    private static long get(long slot) {
        return (long) WORD.getVolatile(HostMemory.WINDOW, slot);
    }

    /** What lies behind is complete before it can be seen. */
    private static void set(long slot, long entry) {
        WORD.setVolatile(HostMemory.WINDOW, slot, entry);
    }

    /** Shows the page at {@code physicalAddress}. @throws iommufd.api.IommufdException {@link iommufd.api.Errno#ENOMEM} */
    void show(long address, long physicalAddress, boolean writable) {
        long table = root;
        for (int level = format.levels() - 1; level > 0; level--) {
            long slot = slot(table, level, address);
            long entry = get(slot);
            if (!StageTwoEntry.present(format, entry)) {
                entry = StageTwoEntry.table(format, newTable());
                set(slot, entry);
            }
            table = StageTwoEntry.address(format, entry);
        }
        set(slot(table, 0, address), StageTwoEntry.page(format, physicalAddress, writable));
    }

    /** Takes a page away. Hardware may hold its entry. @return whether there was one */
    boolean hide(long address) {
        long slot = leafSlot(address);
        if (slot == ABSENT || !StageTwoEntry.present(format, get(slot))) {
            return false;
        }
        set(slot, ABSENT);
        return true;
    }

    /** The entry of a page, as hardware finds it; {@link #ABSENT} if there is none. */
    long entry(long address) {
        long slot = leafSlot(address);
        long entry = slot == ABSENT ? ABSENT : get(slot);
        return StageTwoEntry.present(format, entry) ? entry : ABSENT;
    }

    private long leafSlot(long address) {
        long table = root;
        for (int level = format.levels() - 1; level > 0; level--) {
            long entry = get(slot(table, level, address));
            if (!StageTwoEntry.present(format, entry)) {
                return ABSENT;
            }
            table = StageTwoEntry.address(format, entry);
        }
        return slot(table, 0, address);
    }

    /** Gives the frames back; nobody walks the table any more. */
    @Override
    public void close() {
        tables.forEach(table -> frames.free(table, PAGE_LG2));
        tables.clear();
    }
}
