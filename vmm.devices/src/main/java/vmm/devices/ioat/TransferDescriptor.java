package vmm.devices.ioat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A descriptor of a copy or a fill in memory, little-endian (Intel's CB DMA descriptor format, version 3). */
final class TransferDescriptor {
    /** Size of a descriptor. */
    static final int BYTES = 64;

    /** Control: an interrupt when it is done. */
    static final int INTERRUPT = 1;
    /** Control: the status is written to the completion address when it is done. */
    static final int COMPLETION = 1 << 3;
    /** Control: nothing is moved. */
    static final int NULL = 1 << 5;
    /** Operation: copies from source to destination. */
    static final int COPY = 0;
    /** Operation: the destination is filled with the 8 bytes that are in the source's place. */
    static final int FILL = 1;

    private static final int SIZE_OFFSET = 0;
    private static final int CONTROL_OFFSET = 4;
    private static final int OPERATION_SHIFT = 24;
    private static final int SOURCE_OFFSET = 8;
    private static final int DESTINATION_OFFSET = 16;
    private static final int NEXT_OFFSET = 24;

    private TransferDescriptor() {}

    /** Bytes to move. */
    static long size(MemorySegment descriptor) {
        return Integer.toUnsignedLong(descriptor.get(ValueLayout.JAVA_INT, SIZE_OFFSET));
    }

    /** Flags, and the operation in bits 31:24. */
    static int control(MemorySegment descriptor) {
        return descriptor.get(ValueLayout.JAVA_INT, CONTROL_OFFSET);
    }

    /** The operation of a control word. */
    static int operation(int control) {
        return control >>> OPERATION_SHIFT;
    }

    /** The first byte to read; of a fill, its pattern. */
    static long source(MemorySegment descriptor) {
        return descriptor.get(ValueLayout.JAVA_LONG, SOURCE_OFFSET);
    }

    /** The first byte to write. */
    static long destination(MemorySegment descriptor) {
        return descriptor.get(ValueLayout.JAVA_LONG, DESTINATION_OFFSET);
    }

    /** The descriptor after this one. */
    static long next(MemorySegment descriptor) {
        return descriptor.get(ValueLayout.JAVA_LONG, NEXT_OFFSET);
    }
}
