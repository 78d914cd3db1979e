package vmm.devices.ioat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * The registers, in memory that drivers map. What the driver wrote before the doorbell is seen by who has read the doorbell; what is
 * written before a status is seen by a driver that has read the status.
 */
final class ChannelRegisters {
    private static final VarHandle BYTE = ValueLayout.JAVA_BYTE.varHandle();
    private static final VarHandle SHORT = ValueLayout.JAVA_SHORT.varHandle();
    private static final VarHandle INT = ValueLayout.JAVA_INT.varHandle();
    private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();

    private final MemorySegment memory;

    /** @param memory all of BAR 0 */
    ChannelRegisters(MemorySegment memory) {
        this.memory = memory;
    }

    int readByte(int offset) {
        return Byte.toUnsignedInt((byte) BYTE.getAcquire(memory, (long) offset));
    }

    int readShort(int offset) {
        return Short.toUnsignedInt((short) SHORT.getAcquire(memory, (long) offset));
    }

    long readLong(int offset) {
        return (long) LONG.getAcquire(memory, (long) offset);
    }

    void writeByte(int offset, int value) {
        BYTE.setRelease(memory, (long) offset, (byte) value);
    }

    void writeShort(int offset, int value) {
        SHORT.setRelease(memory, (long) offset, (short) value);
    }

    void writeInt(int offset, int value) {
        INT.setRelease(memory, (long) offset, value);
    }

    void writeLong(int offset, long value) {
        LONG.setRelease(memory, (long) offset, value);
    }

    /** All bytes 0. */
    void clear() {
        memory.fill((byte) 0);
    }
}
