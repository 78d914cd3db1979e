package vmm.devices.nvme;

import java.lang.foreign.MemorySegment;

/** Completion queue entry (NVMe 1.4, §4.6): 16 bytes, little-endian. */
final class CompletionEntry {
    static final int BYTES = 16;
    static final int BYTES_LG2 = 4;

    private static final int RESULT_OFFSET = 0;
    private static final int QUEUE_OFFSET = 8;
    private static final int STATUS_OFFSET = 12;
    private static final int STATUS_SHIFT = 17;
    private static final int PHASE = 1 << 16;

    private CompletionEntry() {}

    static void write(MemorySegment entries, long at, int result, int submissionHead, int submissionQueue, int commandId,
            boolean phase, int status) {
        entries.set(SubmissionEntry.LE_LONG, at + RESULT_OFFSET, Integer.toUnsignedLong(result));
        entries.set(SubmissionEntry.LE_INT, at + QUEUE_OFFSET, submissionHead | submissionQueue << 16);
        entries.set(SubmissionEntry.LE_INT, at + STATUS_OFFSET, commandId | (phase ? PHASE : 0) | status << STATUS_SHIFT);
    }
}
