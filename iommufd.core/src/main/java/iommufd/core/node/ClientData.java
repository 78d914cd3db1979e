package iommufd.core.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.ClientMemory;
import java.lang.foreign.MemorySegment;

/** Data beside a struct: an address and a length the client chose. */
final class ClientData {
    /** More than any vendor's structure has. */
    private static final int MAX_BYTES = 4096;

    private ClientData() {}

    /** Makes something of a vendor's structure that can be read, or of one that cannot. */
    interface Form<T> {
        T of(int type, byte[] bytes);
    }

    /** The same, of one that cannot be read. */
    interface UnreadableForm<T> {
        T of(int type, long lengthBytes, IommufdException reason);
    }

    /**
     * A vendor's structure. One that cannot be read is refused by who knows its type and length: type and length come first, and
     * nothing of a client is read under a lock.
     *
     * @param lengthBytes unsigned
     */
    static <T> T read(ClientMemory memory, int type, long address, int lengthBytes, Form<T> readable, UnreadableForm<T> unreadable) {
        byte[] bytes;
        try {
            bytes = read(memory, address, Integer.toUnsignedLong(lengthBytes));
        } catch (IommufdException refused) {
            return unreadable.of(type, Integer.toUnsignedLong(lengthBytes), refused);
        }
        return readable.of(type, bytes);
    }

    private static byte[] read(ClientMemory memory, long address, long length) {
        if (length > MAX_BYTES) {
            throw new IommufdException(Errno.EINVAL, "no vendor's structure has %d bytes".formatted(length));
        }
        byte[] bytes = new byte[(int) length];
        if (length > 0) {
            memory.read(address, MemorySegment.ofArray(bytes));
        }
        return bytes;
    }

    /** Copies {@code bytes} as far as there is room, and zeros behind them. */
    static void write(ClientMemory memory, long address, int roomBytes, byte[] bytes) {
        long room = Integer.toUnsignedLong(roomBytes);
        int copied = (int) Math.min(room, bytes.length);
        if (copied > 0) {
            write(memory, address, MemorySegment.ofArray(bytes).asSlice(0, copied));
        }
        MemorySegment zeros = MemorySegment.ofArray(new byte[(int) Math.min(room - copied, MAX_BYTES)]);
        for (long done = copied; done < room; done += zeros.byteSize()) {
            write(memory, address + done, zeros.asSlice(0, Math.min(zeros.byteSize(), room - done)));
        }
    }

    /** Writes all of it, or, as Linux does, what comes before the first page that cannot be written. */
    static void write(ClientMemory memory, long address, MemorySegment bytes) {
        try {
            memory.write(address, bytes);
        } catch (IommufdException refused) {
            long room = UserMemory.PAGE_BYTES - (address & UserMemory.PAGE_BYTES - 1);
            if (refused.errno() == Errno.EFAULT && room < bytes.byteSize()) {
                memory.write(address, bytes.asSlice(0, room));
                write(memory, address + room, bytes.asSlice(room));
            }
            throw refused;
        }
    }
}
