package vmm.devices.nvme;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The file behind a namespace, mapped: its page cache is what devices copy from and to. Others may truncate it or fill its file
 * system at any time, and then touching the mapping is a bus error; so the mapping is only touched by DMA ports, which survive
 * that, and everything else goes through system calls, which tell why they fail. They answer 0, or a negative errno.
 *
 * <p>One thread at a time.
 */
public final class NamespaceFile implements AutoCloseable {
    /** Bytes moved by one call that zeroes or goes through the buffer. */
    private static final int CHUNK_BYTES = 64 << 10;
    /** What {@link #read} answers at the end of the file. */
    public static final int TRUNCATED = Integer.MIN_VALUE;

    private final Arena arena = Arena.ofShared();
    private final FileCalls calls = new FileCalls(arena);
    private final MemorySegment zeros = arena.allocate(CHUNK_BYTES);
    private final int descriptor;
    private final long sizeBytes;
    private final MemorySegment mapped;

    /** @throws IommufdException with the system's reason if the file cannot be opened and mapped */
    public NamespaceFile(NamespaceOptions options) {
        try {
            prepare(options);
            descriptor = check(calls.open(arena.allocateFrom(options.file().toString()),
                    options.readOnly() ? FileCalls.READ_ONLY : FileCalls.READ_WRITE), options.file(), "opened");
        } catch (RuntimeException | Error failed) {
            arena.close();
            throw failed;
        }
        try {
            sizeBytes = calls.sizeBytes(descriptor);
            if (sizeBytes < 1L << options.blockLg2()) {
                throw new IommufdException(Errno.EINVAL, options.file() + " is too small for a namespace, even for one block; give it a size");
            }
            long address = calls.map(descriptor, sizeBytes, !options.readOnly());
            check(address < 0 && address > -4096 ? (int) address : 0, options.file(), "mapped");
            mapped = MemorySegment.ofAddress(address).reinterpret(sizeBytes, arena, FileCalls::unmap);
        } catch (RuntimeException | Error failed) {
            arena.close();
            FileCalls.close(descriptor);
            throw failed;
        }
    }

    private static void prepare(NamespaceOptions options) {
        Path path = options.file();
        try {
            if (options.sizeBytes() > 0 && (!Files.exists(path) || Files.isRegularFile(path) && Files.size(path) < options.sizeBytes())) {
                try (var file = new RandomAccessFile(path.toFile(), "rw")) {
                    file.setLength(options.sizeBytes());
                }
            }
        } catch (IOException failed) {
            throw new IommufdException(Errno.EIO, "namespace file %s cannot be made %d bytes long: %s"
                    .formatted(path, options.sizeBytes(), failed.getMessage()));
        }
    }

    private static int check(int answer, Path path, String done) {
        if (answer < 0) {
            throw new IommufdException(Errno.EIO, "namespace file %s cannot be %s: errno %d".formatted(path, done, -answer));
        }
        return answer;
    }

    /** Its size when it was opened. */
    public long sizeBytes() {
        return sizeBytes;
    }

    /** Its bytes, for DMA ports only. */
    public MemorySegment mapped() {
        return mapped;
    }

    /** Whether the file, as it is now, has all these bytes. */
    public boolean contains(long offset, long lengthBytes) {
        return offset + lengthBytes <= calls.sizeBytes(descriptor);
    }

    /** Reads all of it into {@code target}. @return also {@link #TRUNCATED} */
    public int read(long offset, MemorySegment target, long lengthBytes) {
        for (long done = 0; done < lengthBytes;) {
            long read = calls.read(descriptor, target.asSlice(done), lengthBytes - done, offset + done);
            if (read == 0) {
                return TRUNCATED;
            }
            if (read < 0 && read != -FileCalls.EINTR) {
                return (int) read;
            }
            done += Math.max(0, read);
        }
        return 0;
    }

    /** Writes all of {@code source} without making the file longer. @return also {@link #TRUNCATED} */
    public int write(long offset, MemorySegment source, long lengthBytes) {
        if (!contains(offset, lengthBytes)) {
            return TRUNCATED;
        }
        for (long done = 0; done < lengthBytes;) {
            long written = calls.write(descriptor, source.asSlice(done), lengthBytes - done, offset + done);
            if (written < 0 && written != -FileCalls.EINTR) {
                return (int) written;
            }
            done += Math.max(0, written);
        }
        return 0;
    }

    /** Makes the bytes zero and keeps their space. */
    public int zero(long offset, long lengthBytes) {
        if (!contains(offset, lengthBytes)) {
            return TRUNCATED;
        }
        if (calls.allocate(descriptor, FileCalls.ZERO_RANGE | FileCalls.KEEP_SIZE, offset, lengthBytes) == 0) {
            return 0;
        }
        int answer = 0;
        for (long done = 0; done < lengthBytes && answer == 0; done += CHUNK_BYTES) {
            answer = write(offset + done, zeros, Math.min(CHUNK_BYTES, lengthBytes - done));
        }
        return answer;
    }

    /** Makes the bytes zero and gives their space back to the file system, if it can do that. */
    public int deallocate(long offset, long lengthBytes) {
        if (!contains(offset, lengthBytes)) {
            return TRUNCATED;
        }
        return calls.allocate(descriptor, FileCalls.PUNCH_HOLE | FileCalls.KEEP_SIZE, offset, lengthBytes) == 0
                ? 0 : zero(offset, lengthBytes);
    }

    /** Makes everything written so far durable. */
    public int sync() {
        int answer;
        do {
            answer = calls.sync(descriptor);
        } while (answer == -FileCalls.EINTR);
        return answer;
    }

    /** Whether an answer means that the file system is full. */
    static boolean full(int answer) {
        return answer == -FileCalls.ENOSPC || answer == -FileCalls.EDQUOT;
    }

    @Override
    public void close() {
        arena.close();
        FileCalls.close(descriptor);
    }
}
