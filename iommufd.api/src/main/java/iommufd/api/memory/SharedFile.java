package iommufd.api.memory;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.MemorySegment;

/**
 * A file in memory of a fixed size that a device node shares with its clients: they map it by
 * {@link iommufd.api.node.OpenNode#mappableFile}, and what is mapped here is the same memory. It is no part of the physical window.
 *
 * <p>Mappings outlive the file, here as in clients. Thread-safe, but for {@link #close} against anything else.
 */
public final class SharedFile implements AutoCloseable {
    private final int descriptor;

    /**
     * A new file of zeros, which takes memory only where something is written.
     *
     * @param name shown by {@code /proc}
     * @throws IommufdException {@link Errno#ENOMEM}
     */
    public SharedFile(String name, long lengthBytes) {
        descriptor = Mmap.createFile(name, lengthBytes);
    }

    /** Its descriptor in this process. */
    public int descriptor() {
        return descriptor;
    }

    /**
     * Maps a part of it, until {@link #unmap}.
     *
     * @param offset a multiple of 4096
     * @return the memory, of the global scope: reinterpret it for who must not use it for ever
     * @throws IommufdException {@link Errno#ENOMEM}
     */
    public MemorySegment map(long offset, long lengthBytes) {
        return MemorySegment.ofAddress(Mmap.shared(descriptor, offset, lengthBytes)).reinterpret(lengthBytes);
    }

    /** Ends a mapping. Nobody of this runtime may touch the memory any more. @param mapped what {@link #map} gave */
    public static void unmap(MemorySegment mapped) {
        Mmap.unmap(mapped.address(), mapped.byteSize());
    }

    /** Makes a part of it zero and gives its memory back; mappings stay. @throws IommufdException {@link Errno#ENOMEM} */
    public void clear(long offset, long lengthBytes) {
        Mmap.punch(descriptor, offset, lengthBytes);
    }

    @Override
    public void close() {
        Mmap.close(descriptor);
    }
}
