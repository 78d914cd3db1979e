package vmm.devices.nvme;

import static vmm.devices.nvme.SubmissionEntry.LE_INT;
import static vmm.devices.nvme.SubmissionEntry.LE_LONG;
import static vmm.devices.nvme.SubmissionEntry.LE_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The latest commands that failed (error information log; NVMe 1.4, §5.14.1.1). One thread. */
final class ErrorLog {
    /** Entries kept: one page. */
    static final int ENTRIES = 64;
    private static final int ENTRY_BYTES = 64;

    private final MemorySegment ring = Arena.ofAuto().allocate(ENTRIES * ENTRY_BYTES, Long.BYTES);
    private long count;

    /** Errors so far. */
    long count() {
        return count;
    }

    void add(int submissionQueue, MemorySegment command, long at, int status) {
        long entry = (count++ & ENTRIES - 1) * ENTRY_BYTES;
        ring.set(LE_LONG, entry, count);
        ring.set(LE_SHORT, entry + 8, (short) submissionQueue);
        ring.set(LE_SHORT, entry + 10, (short) SubmissionEntry.commandId(command, at));
        ring.set(LE_SHORT, entry + 12, (short) (status << 1));
        ring.set(LE_SHORT, entry + 14, (short) NvmeStatus.parameterErrorLocation(status));
        ring.set(LE_LONG, entry + 16, submissionQueue == 0 ? 0 : SubmissionEntry.startBlock(command, at));
        ring.set(LE_INT, entry + 24, SubmissionEntry.namespaceId(command, at));
    }

    /** Fills the log page: the newest first. */
    void write(MemorySegment page) {
        int kept = (int) Math.min(count, ENTRIES);
        for (int i = 0; i < kept; i++) {
            MemorySegment.copy(ring, (count - 1 - i & ENTRIES - 1) * ENTRY_BYTES, page, (long) i * ENTRY_BYTES, ENTRY_BYTES);
        }
    }
}
