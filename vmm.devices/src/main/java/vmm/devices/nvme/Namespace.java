package vmm.devices.nvme;

import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.UUID;

/**
 * A namespace: logical blocks kept in a file. Data moves with one copy between the file's page cache and the memory of the host.
 * If memory is missing on the way, it is tried again in two steps to find out on which side. One thread at a time.
 */
final class Namespace implements AutoCloseable {
    static final int SMALL_BLOCK_LG2 = 9;
    static final int LARGE_BLOCK_LG2 = 12;

    private final int id;
    private final UUID uuid;
    private final Path path;
    private final boolean readOnly;
    private final NamespaceFile file;
    private final MemorySegment mapped;
    private int blockLg2;
    private long blocks;

    /** @throws iommufd.api.IommufdException if the file cannot be used */
    Namespace(int id, UUID uuid, NamespaceOptions options) {
        this.id = id;
        this.uuid = uuid;
        path = options.file();
        readOnly = options.readOnly();
        file = new NamespaceFile(options);
        mapped = file.mapped();
        format(options.blockLg2());
    }

    /** NSID. */
    int id() {
        return id;
    }

    /** A name that stays the same for this serial number and NSID. */
    UUID uuid() {
        return uuid;
    }

    boolean readOnly() {
        return readOnly;
    }

    int blockLg2() {
        return blockLg2;
    }

    /** Size in logical blocks. */
    long blocks() {
        return blocks;
    }

    /** From now on blocks are this large; what they hold is undefined. */
    void format(int newBlockLg2) {
        blockLg2 = newBlockLg2;
        blocks = file.sizeBytes() >>> newBlockLg2;
    }

    /** Whether it has these blocks; {@code start} is unsigned. */
    boolean contains(long start, long count) {
        return start >= 0 && start <= blocks - count;
    }

    /** Moves blocks to where the host wants them. @return status */
    int read(long start, long lengthBytes, DataPieces pieces, DmaPort port) {
        long offset = start << blockLg2;
        return switch (pieces.writeTo(port, mapped, offset)) {
            case DONE -> NvmeStatus.SUCCESS;
            case ABORTED -> readAgain(offset, lengthBytes, pieces, port);
            default -> NvmeStatus.DATA_TRANSFER_ERROR;
        };
    }

    /** Moves blocks in. @return status */
    int write(long start, long lengthBytes, DataPieces pieces, DmaPort port) {
        long offset = start << blockLg2;
        return switch (pieces.readFrom(port, mapped, offset)) {
            case DONE -> NvmeStatus.SUCCESS;
            case ABORTED -> writeAgain(offset, lengthBytes, pieces, port);
            default -> NvmeStatus.DATA_TRANSFER_ERROR;
        };
    }

    private int readAgain(long offset, long lengthBytes, DataPieces pieces, DmaPort port) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(lengthBytes, 8);
            if (file.read(offset, buffer, lengthBytes) != 0) {
                return NvmeStatus.UNRECOVERED_READ;
            }
            return pieces.writeTo(port, buffer, 0) == DmaStatus.DONE ? NvmeStatus.SUCCESS : NvmeStatus.DATA_TRANSFER_ERROR;
        }
    }

    private int writeAgain(long offset, long lengthBytes, DataPieces pieces, DmaPort port) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(lengthBytes, 8);
            return pieces.readFrom(port, buffer, 0) == DmaStatus.DONE
                    ? written(file.write(offset, buffer, lengthBytes)) : NvmeStatus.DATA_TRANSFER_ERROR;
        }
    }

    /** Compares blocks with what the host has. @return status */
    int compare(long start, long lengthBytes, DataPieces pieces, DmaPort port) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment theirs = arena.allocate(lengthBytes, 8);
            MemorySegment ours = arena.allocate(lengthBytes, 8);
            if (pieces.readFrom(port, theirs, 0) != DmaStatus.DONE) {
                return NvmeStatus.DATA_TRANSFER_ERROR;
            }
            if (file.read(start << blockLg2, ours, lengthBytes) != 0) {
                return NvmeStatus.UNRECOVERED_READ;
            }
            return ours.mismatch(theirs) == -1 ? NvmeStatus.SUCCESS : NvmeStatus.COMPARE_FAILURE;
        }
    }

    /** Whether the medium can be read there. @return status */
    int verify(long start, long count) {
        return file.contains(start << blockLg2, count << blockLg2) ? NvmeStatus.SUCCESS : NvmeStatus.UNRECOVERED_READ;
    }

    /** Makes blocks zero. @return status */
    int zero(long start, long count) {
        return written(file.zero(start << blockLg2, count << blockLg2));
    }

    /** Makes blocks zero and gives their space back. @return status */
    int deallocate(long start, long count) {
        return count == 0 ? NvmeStatus.SUCCESS : written(file.deallocate(start << blockLg2, count << blockLg2));
    }

    /** Makes what was written durable. @return status */
    int flush() {
        return written(readOnly ? 0 : file.sync());
    }

    private static int written(int answer) {
        if (answer == 0) {
            return NvmeStatus.SUCCESS;
        }
        return NamespaceFile.full(answer) ? NvmeStatus.CAPACITY_EXCEEDED : NvmeStatus.WRITE_FAULT;
    }

    @Override
    public String toString() {
        return "%d: %s, %d blocks of %d bytes%s".formatted(id, path, blocks, 1 << blockLg2, readOnly ? ", read-only" : "");
    }

    @Override
    public void close() {
        file.close();
    }
}
