package vfio.adapter.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.Caller;
import iommufd.api.node.ClientMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import vfio.adapter.device.DeviceSession;

/**
 * A request under way.
 *
 * @param session the device's
 * @param caller whose it is
 * @param address of its struct in the client
 */
record DeviceCall(DeviceSession session, Caller caller, long address) {
    ClientMemory memory() {
        return caller.memory();
    }

    /**
     * Reads a struct as VFIO does: what a client must know, never what follows.
     *
     * @param sizeBytes of the result; what was not read is zero
     * @param minBytes read; the first 4 bytes say how many there are
     * @throws IommufdException {@link Errno#EFAULT}; {@link Errno#EINVAL} if the client knows less
     */
    MemorySegment read(int sizeBytes, int minBytes) {
        MemorySegment struct = MemorySegment.ofArray(new long[(sizeBytes + Long.BYTES - 1) / Long.BYTES]).asSlice(0, sizeBytes);
        memory().read(address, struct.asSlice(0, minBytes));
        int userBytes = struct.get(ValueLayout.JAVA_INT_UNALIGNED, 0);
        if (Integer.compareUnsigned(userBytes, minBytes) < 0) {
            throw new IommufdException(Errno.EINVAL, "a struct of %s bytes; it has at least %d".formatted(Integer.toUnsignedString(userBytes), minBytes));
        }
        return struct;
    }

    /** How long the client says its struct is, unsigned. */
    static long userBytes(MemorySegment struct) {
        return Integer.toUnsignedLong(struct.get(ValueLayout.JAVA_INT_UNALIGNED, 0));
    }

    /** Writes the first bytes of a struct back. */
    void respond(MemorySegment struct, long lengthBytes) {
        memory().write(address, struct.asSlice(0, lengthBytes));
    }
}
