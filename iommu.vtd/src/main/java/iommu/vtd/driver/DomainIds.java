package iommu.vtd.driver;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.BitSet;

/** The 16-bit domain-ids of a unit. 0 stays free: some units reserve it. Thread-safe. */
final class DomainIds {
    private static final int LIMIT = 1 << 16;

    private final BitSet used = new BitSet();

    /** @throws IommufdException {@link Errno#ENOMEM} if all are in use */
    synchronized int allocate() {
        int id = used.nextClearBit(1);
        if (id >= LIMIT) {
            throw new IommufdException(Errno.ENOMEM, "all %d domain-ids of the unit are in use; free a page table first".formatted(LIMIT - 1));
        }
        used.set(id);
        return id;
    }

    synchronized void free(int id) {
        used.clear(id);
    }
}
