package iommufd.core.node;

import iommufd.api.node.ClientMemory;
import iommufd.api.uapi.UserStruct;
import java.lang.foreign.MemorySegment;

/** A vendor's data beside a struct: an address and a length the client chose. */
final class ClientData {
    /** More than any vendor's structure has; what is beyond must be zero. */
    private static final int MAX_BYTES = 4096;

    private ClientData() {}

    /** @param lengthBytes unsigned */
    static byte[] read(ClientMemory memory, long address, int lengthBytes) {
        long length = Integer.toUnsignedLong(lengthBytes);
        byte[] bytes = new byte[(int) Math.min(length, MAX_BYTES)];
        if (length > MAX_BYTES) {
            UserStruct.checkZero(memory, address + MAX_BYTES, length - MAX_BYTES);
        }
        if (bytes.length > 0) {
            memory.read(address, MemorySegment.ofArray(bytes));
        }
        return bytes;
    }

    /** Copies {@code bytes} as far as there is room, and zeros behind them. */
    static void write(ClientMemory memory, long address, int roomBytes, byte[] bytes) {
        long room = Integer.toUnsignedLong(roomBytes);
        int copied = (int) Math.min(room, bytes.length);
        if (copied > 0) {
            memory.write(address, MemorySegment.ofArray(bytes).asSlice(0, copied));
        }
        MemorySegment zeros = MemorySegment.ofArray(new byte[(int) Math.min(room - copied, MAX_BYTES)]);
        for (long done = copied; done < room; done += zeros.byteSize()) {
            memory.write(address + done, zeros.asSlice(0, Math.min(zeros.byteSize(), room - done)));
        }
    }
}
