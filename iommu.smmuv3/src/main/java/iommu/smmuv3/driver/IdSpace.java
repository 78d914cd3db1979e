package iommu.smmuv3.driver;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.BitSet;

/** 16-bit ASIDs or VMIDs; 0 is never given out. Thread-safe. */
final class IdSpace {
    private static final int END = 1 << 16;

    private final String what;
    private final BitSet used = new BitSet();

    IdSpace(String what) {
        this.what = what;
        used.set(0);
    }

    synchronized int allocate() {
        int id = used.nextClearBit(1);
        if (id >= END) {
            throw new IommufdException(Errno.ENOMEM, "all %d %ss of this SMMU are in use".formatted(END - 1, what));
        }
        used.set(id);
        return id;
    }

    synchronized void free(int id) {
        used.clear(id);
    }
}
