package vmm.devices.nvme;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Submission queue entry (NVMe 1.4, §4.2): 64 bytes, little-endian. */
final class SubmissionEntry {
    static final int BYTES = 64;
    static final int BYTES_LG2 = 6;

    static final int OPCODE_OFFSET = 0;
    /** FUSE in bits 1:0, PSDT in bits 7:6. */
    static final int FLAGS_OFFSET = 1;
    static final int COMMAND_ID_OFFSET = 2;
    static final int NAMESPACE_OFFSET = 4;
    /** PRP entries 1 and 2, or an SGL descriptor. */
    static final int DATA_POINTER_OFFSET = 24;
    static final int CDW10_OFFSET = 40;

    static final ValueLayout.OfShort LE_SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfInt LE_INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong LE_LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private SubmissionEntry() {}

    static int opcode(MemorySegment entries, long at) {
        return entries.get(JAVA_BYTE, at + OPCODE_OFFSET) & 0xff;
    }

    /** FUSE: not 0 if the command belongs to a fused operation. */
    static int fused(MemorySegment entries, long at) {
        return entries.get(JAVA_BYTE, at + FLAGS_OFFSET) & 3;
    }

    /** PSDT: 0 for PRPs, 1 and 2 for SGLs. */
    static int pointerKind(MemorySegment entries, long at) {
        return entries.get(JAVA_BYTE, at + FLAGS_OFFSET) >>> 6 & 3;
    }

    static int commandId(MemorySegment entries, long at) {
        return entries.get(LE_SHORT, at + COMMAND_ID_OFFSET) & 0xffff;
    }

    static int namespaceId(MemorySegment entries, long at) {
        return entries.get(LE_INT, at + NAMESPACE_OFFSET);
    }

    static long prp1(MemorySegment entries, long at) {
        return entries.get(LE_LONG, at + DATA_POINTER_OFFSET);
    }

    static long prp2(MemorySegment entries, long at) {
        return entries.get(LE_LONG, at + DATA_POINTER_OFFSET + Long.BYTES);
    }

    /** @param number 10 to 15 */
    static int commandWord(MemorySegment entries, long at, int number) {
        return entries.get(LE_INT, at + CDW10_OFFSET + (number - 10) * Integer.BYTES);
    }

    /** SLBA: command words 10 and 11. */
    static long startBlock(MemorySegment entries, long at) {
        return entries.get(LE_LONG, at + CDW10_OFFSET);
    }
}
