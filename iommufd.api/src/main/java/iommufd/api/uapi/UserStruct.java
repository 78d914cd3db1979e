package iommufd.api.uapi;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.ClientMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Structs that grow: a client passes the size it knows in the first 32 bits. What it does not know is zero for us, what we do
 * not know must be zero from it (Linux 7.3, {@code copy_struct_from_user}).
 */
public final class UserStruct {
    private static final long PAGE_BYTES = 4096;
    private static final int SIZE_FIELD_BYTES = Integer.BYTES;

    private UserStruct() {}

    /**
     * Reads a struct; on return all of {@code struct} is set.
     *
     * @param struct as long as the struct is in Linux 7.3
     * @param minBytes through the last field a client must know
     * @return the size the client passed, unsigned
     * @throws IommufdException {@link Errno#EFAULT} if it cannot be read; {@link Errno#EINVAL} if it is too short;
     *         {@link Errno#E2BIG} if it is longer and not zero there
     */
    public static int read(ClientMemory memory, long address, MemorySegment struct, int minBytes) {
        int userBytes;
        boolean complete = tryRead(memory, address, struct);
        if (complete) {
            userBytes = struct.get(ValueLayout.JAVA_INT_UNALIGNED, 0);
        } else {
            userBytes = readSize(memory, address, struct);
        }
        if (Integer.compareUnsigned(userBytes, minBytes) < 0) {
            throw new IommufdException(Errno.EINVAL, "a struct of %s bytes; it has at least %d".formatted(Integer.toUnsignedString(userBytes), minBytes));
        }
        int knownBytes = (int) struct.byteSize();
        if (Integer.compareUnsigned(userBytes, knownBytes) > 0) {
            checkZero(memory, address + knownBytes, Integer.toUnsignedLong(userBytes) - knownBytes);
            if (!complete) {
                memory.read(address, struct);
            }
            return userBytes;
        }
        if (!complete) {
            memory.read(address, struct.asSlice(0, userBytes));
        }
        if (userBytes < knownBytes) {
            struct.asSlice(userBytes).fill((byte) 0);
        }
        return userBytes;
    }

    /** One copy is enough as a rule: the size comes with the struct. */
    private static boolean tryRead(ClientMemory memory, long address, MemorySegment struct) {
        try {
            memory.read(address, struct);
            return true;
        } catch (IommufdException refused) {
            if (refused.errno() != Errno.EFAULT) {
                throw refused;
            }
            return false;   // maybe it is shorter, and ends where memory ends
        }
    }

    /** The client's size, put at the start of {@code scratch}. */
    static int readSize(ClientMemory memory, long address, MemorySegment scratch) {
        memory.read(address, scratch.asSlice(0, SIZE_FIELD_BYTES));
        return scratch.get(ValueLayout.JAVA_INT_UNALIGNED, 0);
    }

    /**
     * Checks what lies behind the part of a client's data that is understood.
     *
     * @throws IommufdException {@link Errno#E2BIG} at the first byte that is not zero; {@link Errno#EFAULT} if none came before
     *         what cannot be read
     */
    public static void checkZero(ClientMemory memory, long address, long lengthBytes) {
        if (address < 0 || address + lengthBytes < 0) {
            throw new IommufdException(Errno.EFAULT, "0x%x bytes at 0x%x reach beyond a client's addresses".formatted(lengthBytes, address));
        }
        MemorySegment part = MemorySegment.ofArray(new byte[(int) Math.min(PAGE_BYTES, lengthBytes)]);
        for (long done = 0; done < lengthBytes; ) {
            long toPageEnd = PAGE_BYTES - (address + done & PAGE_BYTES - 1);
            MemorySegment piece = part.asSlice(0, Math.min(Math.min(toPageEnd, part.byteSize()), lengthBytes - done));
            memory.read(address + done, piece);
            for (long i = 0; i < piece.byteSize(); i++) {
                if (piece.get(ValueLayout.JAVA_BYTE, i) != 0) {
                    throw new IommufdException(Errno.E2BIG, "the data goes on behind what is known here, and byte %d there is not zero".formatted(done + i));
                }
            }
            done += piece.byteSize();
        }
    }

    /**
     * Writes a struct back, as far as the client knows it.
     *
     * @param userBytes what {@link #read} returned
     * @throws IommufdException {@link Errno#EFAULT}
     */
    public static void respond(ClientMemory memory, long address, MemorySegment struct, int userBytes) {
        boolean whole = Integer.compareUnsigned(userBytes, (int) struct.byteSize()) >= 0;
        memory.write(address, whole ? struct : struct.asSlice(0, userBytes));
    }
}
