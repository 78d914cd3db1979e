package vmm.devices.nvme;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static vmm.devices.nvme.SubmissionEntry.LE_INT;
import static vmm.devices.nvme.SubmissionEntry.LE_LONG;
import static vmm.devices.nvme.SubmissionEntry.LE_SHORT;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.lang.foreign.ValueLayout;

/** Builds what Identify answers (NVMe 1.4, §5.15.2). Targets are pages of zeros. */
final class IdentifyData {
    static final String FIRMWARE = "1.4";
    private static final String MODEL = "vmm NVMe controller";

    /** MDTS: 256 pages of 4 KiB, 1 MiB. */
    static final int MAX_TRANSFER_PAGES_LG2 = 8;
    static final long MAX_TRANSFER_BYTES = 1L << ControllerRegister.MIN_PAGE_LG2 + MAX_TRANSFER_PAGES_LG2;
    /** LBA formats, by their number. */
    static final int[] FORMATS_LG2 = {Namespace.SMALL_BLOCK_LG2, Namespace.LARGE_BLOCK_LG2};

    private static final int ABORT_LIMIT = 3;
    private static final int IO_CONTROLLER = 1;
    private static final int OACS_FORMAT = 1 << 1;
    private static final int FIRST_FIRMWARE_SLOT_READ_ONLY = 1 | 1 << 1;
    private static final int LOG_OF_COMMANDS = 1 << 1;
    private static final int LOG_OFFSETS = 1 << 2;
    private static final int OAES_NAMESPACE_ATTRIBUTES = 1 << 8;
    /** Compare, dataset management, write zeroes, select field of features, timestamp, verify. */
    private static final int ONCS = 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 6 | 1 << 7;
    /** There is a volatile write cache, and a flush may name all namespaces. */
    private static final int VOLATILE_WRITE_CACHE = 1 | 3 << 1;
    /** SGLs without alignment, bit buckets, and lists longer than their data. */
    private static final int SGLS = 1 | 1 << 16 | 1 << 18;
    private static final int WARNING_KELVIN = 343;
    private static final int CRITICAL_KELVIN = 373;

    private static final int THIN_PROVISIONING = 1;
    /** Deallocated blocks read as zeros, and write zeroes may deallocate. */
    private static final int DLFEAT = 1 | 1 << 3;
    private static final int WRITE_PROTECTED = 1;
    private static final int UUID_DESCRIPTOR = 3;
    private static final int UUID_BYTES = 16;
    private static final ValueLayout.OfLong BE_LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private IdentifyData() {}

    /** Writes ASCII, padded with spaces. */
    static void text(MemorySegment target, long at, String text, int lengthBytes) {
        target.asSlice(at, lengthBytes).fill((byte) ' ');
        MemorySegment.copy(MemorySegment.ofArray(text.getBytes(StandardCharsets.US_ASCII)), 0, target, at, text.length());
    }

    /** Controller, figure 247. */
    static void controller(MemorySegment page, String serial, int namespaces) {
        text(page, 4, serial, 20);
        text(page, 24, MODEL, 40);
        text(page, 64, FIRMWARE, 8);
        page.set(JAVA_BYTE, 77, (byte) MAX_TRANSFER_PAGES_LG2);
        page.set(LE_INT, 80, ControllerRegister.VERSION);
        page.set(LE_INT, 92, OAES_NAMESPACE_ATTRIBUTES);
        page.set(JAVA_BYTE, 111, (byte) IO_CONTROLLER);
        page.set(LE_SHORT, 256, (short) OACS_FORMAT);
        page.set(JAVA_BYTE, 258, (byte) ABORT_LIMIT);
        page.set(JAVA_BYTE, 259, (byte) (AsyncEvents.MAX_REQUESTS - 1));
        page.set(JAVA_BYTE, 260, (byte) FIRST_FIRMWARE_SLOT_READ_ONLY);
        page.set(JAVA_BYTE, 261, (byte) (LOG_OF_COMMANDS | LOG_OFFSETS));
        page.set(JAVA_BYTE, 262, (byte) (ErrorLog.ENTRIES - 1));
        page.set(LE_SHORT, 266, (short) WARNING_KELVIN);
        page.set(LE_SHORT, 268, (short) CRITICAL_KELVIN);
        page.set(JAVA_BYTE, 512, (byte) (SubmissionEntry.BYTES_LG2 | SubmissionEntry.BYTES_LG2 << 4));
        page.set(JAVA_BYTE, 513, (byte) (CompletionEntry.BYTES_LG2 | CompletionEntry.BYTES_LG2 << 4));
        page.set(LE_INT, 516, namespaces);
        page.set(LE_SHORT, 520, (short) ONCS);
        page.set(JAVA_BYTE, 525, (byte) VOLATILE_WRITE_CACHE);
        page.set(LE_INT, 536, SGLS);
        byte[] name = ("nqn.2014-08.org.nvmexpress:vmm:" + serial.strip()).getBytes(StandardCharsets.US_ASCII);
        MemorySegment.copy(MemorySegment.ofArray(name), 0, page, 768, name.length);
    }

    /** Namespace, figure 245. */
    static void namespace(MemorySegment page, Namespace namespace) {
        page.set(LE_LONG, 0, namespace.blocks());
        page.set(LE_LONG, 8, namespace.blocks());
        page.set(LE_LONG, 16, namespace.blocks());
        page.set(JAVA_BYTE, 24, (byte) THIN_PROVISIONING);
        page.set(JAVA_BYTE, 25, (byte) (FORMATS_LG2.length - 1));
        for (int format = 0; format < FORMATS_LG2.length; format++) {
            if (FORMATS_LG2[format] == namespace.blockLg2()) {
                page.set(JAVA_BYTE, 26, (byte) format);
            }
            page.set(LE_INT, 128 + (long) format * Integer.BYTES, FORMATS_LG2[format] << 16);
        }
        page.set(JAVA_BYTE, 33, (byte) DLFEAT);
        page.set(JAVA_BYTE, 99, (byte) (namespace.readOnly() ? WRITE_PROTECTED : 0));
    }

    /** Namespace identification descriptors, figure 248. */
    static void descriptors(MemorySegment page, Namespace namespace) {
        page.set(JAVA_BYTE, 0, (byte) UUID_DESCRIPTOR);
        page.set(JAVA_BYTE, 1, (byte) UUID_BYTES);
        page.set(BE_LONG, 4, namespace.uuid().getMostSignificantBits());
        page.set(BE_LONG, 12, namespace.uuid().getLeastSignificantBits());
    }

    /** Active namespaces above {@code after}. */
    static void namespaceList(MemorySegment page, int after, int namespaces) {
        long at = 0;
        for (int id = after + 1; id <= namespaces; id++) {
            page.set(LE_INT, at, id);
            at += Integer.BYTES;
        }
    }
}
