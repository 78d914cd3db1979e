package vmm.devices.nvme;

import static vmm.devices.nvme.SubmissionEntry.LE_INT;

import java.lang.foreign.MemorySegment;
import java.util.BitSet;

/** Namespaces that changed since the host last asked (NVMe 1.4, §5.14.1.4). One thread. */
final class ChangedNamespaces {
    private final BitSet ids = new BitSet();

    void add(int namespaceId) {
        ids.set(namespaceId);
    }

    void clear() {
        ids.clear();
    }

    /** Fills the log page, in ascending order. */
    void write(MemorySegment page) {
        long at = 0;
        for (int id = ids.nextSetBit(0); id >= 0; id = ids.nextSetBit(id + 1)) {
            page.set(LE_INT, at, id);
            at += Integer.BYTES;
        }
    }
}
