package vdpa.adapter.node;

import iommufd.api.IommufdException;
import iommufd.api.node.Caller;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import vdpa.adapter.device.VdpaSession;

/** A request under way, with the session's lock. @param address the argument */
record VhostCall(VdpaSession session, Caller caller, long address) {
    /** Reads what the argument points at. @throws IommufdException {@link iommufd.api.Errno#EFAULT} */
    MemorySegment read(int lengthBytes) {
        MemorySegment bytes = MemorySegment.ofArray(new byte[lengthBytes]);
        caller.memory().read(address, bytes);
        return bytes;
    }

    int readInt() {
        return read(Integer.BYTES).get(ValueLayout.JAVA_INT_UNALIGNED, 0);
    }

    /** {@code num} of a {@code struct vhost_vring_state}, {@code fd} of a {@code struct vhost_vring_file}. */
    int readSecondInt() {
        return read(2 * Integer.BYTES).get(ValueLayout.JAVA_INT_UNALIGNED, Integer.BYTES);
    }

    long readLong() {
        return read(Long.BYTES).get(ValueLayout.JAVA_LONG_UNALIGNED, 0);
    }

    void writeByte(int value) {
        caller.memory().write(address, MemorySegment.ofArray(new byte[] {(byte) value}));
    }

    void writeShort(int value) {
        caller.memory().write(address, MemorySegment.ofArray(new short[] {(short) value}));
    }

    void writeInts(int... values) {
        caller.memory().write(address, MemorySegment.ofArray(values));
    }

    void writeLongs(long... values) {
        caller.memory().write(address, MemorySegment.ofArray(values));
    }
}
