package vmm.qtest.board;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** A board without an IOMMU: an address is a bus address. */
record DirectUpstream(Ram ram, MessageWindow window, MessageLog messages) implements Upstream {
    private static final ValueLayout.OfInt LE_INT = JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /**
     * Where a write of a DWORD is a message.
     *
     * @param address its first byte
     * @param lengthBytes greater than 0
     */
    record MessageWindow(long address, long lengthBytes) {
        boolean contains(long candidate) {
            return candidate >= address && candidate - address < lengthBytes;
        }
    }

    @Override
    public boolean read(long address, MemorySegment target, long targetOffset, long lengthBytes) {
        if (ram.contiguousBytes(address) < lengthBytes) {
            return false;
        }
        ram.read(address, target, targetOffset, lengthBytes);
        return true;
    }

    @Override
    public boolean write(long address, MemorySegment source, long sourceOffset, long lengthBytes) {
        if (window.contains(address) && lengthBytes == Integer.BYTES) {
            messages.add(address, source.get(LE_INT, sourceOffset));
            return true;
        }
        if (ram.contiguousBytes(address) < lengthBytes) {
            return false;
        }
        ram.write(address, source, sourceOffset, lengthBytes);
        return true;
    }
}
