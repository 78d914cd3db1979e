package iommufd.api.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.UserMemory;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;

/** A client's address space: to copy from and to, and to map for DMA. */
@ProviderType
public interface ClientMemory {
    /**
     * Copies {@code target.byteSize()} bytes from the client, all or nothing that counts: after a failure the target's
     * content is undefined.
     *
     * @param target native or on the heap
     * @throws IommufdException {@link Errno#EFAULT} if the client could not read all of it itself
     */
    void read(long address, MemorySegment target);

    /**
     * Copies {@code source.byteSize()} bytes to the client, all or nothing, unless the client changes its mappings meanwhile.
     *
     * @param source native or on the heap
     * @throws IommufdException {@link Errno#EFAULT} if the client could not write all of it itself
     */
    void write(long address, MemorySegment source);

    /**
     * Copies a text that ends with a zero byte.
     *
     * @param mostBytes with the zero byte
     * @throws IommufdException {@link Errno#EFAULT} if the client could not read all of it itself; {@link Errno#EINVAL} if it is longer
     */
    default String readString(long address, int mostBytes) {
        byte[] text = new byte[mostBytes];
        int length = 0;
        while (length < mostBytes) {
            // Nothing may be read beyond the page that the text ends in.
            int part = (int) Math.min(mostBytes - length, UserMemory.PAGE_BYTES - (address + length & UserMemory.PAGE_BYTES - 1));
            read(address + length, MemorySegment.ofArray(text).asSlice(length, part));
            for (int end = length + part; length < end; length++) {
                if (text[length] == 0) {
                    return new String(text, 0, length, StandardCharsets.UTF_8);
                }
            }
        }
        throw new IommufdException(Errno.EINVAL, "a text of the client is longer than %d bytes".formatted(mostBytes - 1));
    }

    /**
     * What of a device's memory the client has mapped: of a node of this runtime that has an {@link OpenNode#mappableFile()}. It is no
     * memory of the client's own, {@link #mappable()} does not pin it.
     *
     * @return its memory is retained, the caller releases it; empty if something else is mapped there, or more than one mapping
     */
    default Optional<MappedNode> mappedNode(long address, long lengthBytes) {
        return Optional.empty();
    }

    /**
     * A part of a device's memory.
     *
     * @param memory all of it, by offsets in the node's file
     * @param offset where the part begins
     * @param writable whether the client may write it
     */
    record MappedNode(UserMemory memory, long offset, boolean writable) {}

    /** The same memory for mapping; the same object as long as the client neither ends nor executes another program. */
    UserMemory mappable();
}
