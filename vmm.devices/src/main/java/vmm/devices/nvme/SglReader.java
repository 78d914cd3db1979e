package vmm.devices.nvme;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static vmm.devices.nvme.SubmissionEntry.LE_INT;
import static vmm.devices.nvme.SubmissionEntry.LE_LONG;

import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Reads scatter gather lists (NVMe 1.4, §4.4). One thread; allocates nothing. */
final class SglReader {
    /** Most descriptors of one command, over all its segments: also what ends a list that points at itself. */
    static final int MAX_DESCRIPTORS = 1024;

    private static final int DESCRIPTOR_BYTES = 16;
    private static final int CHUNK_DESCRIPTORS = 64;
    private static final int LENGTH_OFFSET = 8;
    private static final int TYPE_OFFSET = 15;

    // Type in bits 7:4, sub type in 3:0 of the last byte; only sub type 0, an address, is supported.
    private static final int DATA_BLOCK = 0x00;
    private static final int BIT_BUCKET = 0x10;
    private static final int SEGMENT = 0x20;
    private static final int LAST_SEGMENT = 0x30;

    private final DmaPort port;
    private final MemorySegment chunk;
    private final DataPieces pieces;
    private boolean toHost;
    private long left;
    // Where the next segment is, once its descriptor was seen.
    private long nextAddress;
    private long nextBytes;
    private boolean nextIsLast;

    SglReader(DmaPort port, Arena arena, DataPieces pieces) {
        this.port = port;
        this.pieces = pieces;
        chunk = arena.allocate(CHUNK_DESCRIPTORS * DESCRIPTOR_BYTES, Long.BYTES);
    }

    /**
     * Reads the list that starts with the descriptor at {@code at}. It may describe more than {@code lengthBytes}.
     *
     * @param toHost whether data goes to the host; only then bit buckets swallow something
     * @return status
     */
    int read(MemorySegment command, long at, long lengthBytes, boolean toHost) {
        pieces.clear();
        this.toHost = toHost;
        left = lengthBytes;
        nextBytes = 0;
        int status = descriptor(command, at, true, false);
        if (status == NvmeStatus.SUCCESS && nextBytes != 0) {
            status = segments();
        }
        return status != NvmeStatus.SUCCESS || left == 0 ? status : NvmeStatus.SGL_LENGTH_INVALID;
    }

    private int segments() {
        long seen = 0;
        do {
            long address = nextAddress;
            long count = nextBytes / DESCRIPTOR_BYTES;
            boolean last = nextIsLast;
            nextBytes = 0;
            seen += count;
            if (seen > MAX_DESCRIPTORS) {
                return NvmeStatus.INVALID_SGL_COUNT;
            }
            for (long first = 0; first < count; first += CHUNK_DESCRIPTORS) {
                long inChunk = Math.min(CHUNK_DESCRIPTORS, count - first);
                if (port.read(address + first * DESCRIPTOR_BYTES, chunk, 0, inChunk * DESCRIPTOR_BYTES) != DmaStatus.DONE) {
                    return NvmeStatus.DATA_TRANSFER_ERROR;
                }
                for (long i = 0; i < inChunk; i++) {
                    int status = descriptor(chunk, i * DESCRIPTOR_BYTES, first + i == count - 1, last);
                    if (status != NvmeStatus.SUCCESS) {
                        return status;
                    }
                }
            }
            if (!last && nextBytes == 0) {
                return NvmeStatus.INVALID_SGL_SEGMENT;
            }
        } while (nextBytes != 0);
        return NvmeStatus.SUCCESS;
    }

    /** @param endsSegment whether it is the last of its segment. @param inLast whether no segment may follow this one */
    private int descriptor(MemorySegment list, long at, boolean endsSegment, boolean inLast) {
        long address = list.get(LE_LONG, at);
        long length = Integer.toUnsignedLong(list.get(LE_INT, at + LENGTH_OFFSET));
        int type = list.get(JAVA_BYTE, at + TYPE_OFFSET) & 0xff;
        switch (type) {
            case DATA_BLOCK -> {
                long used = Math.min(length, left);
                if (!pieces.add(address, used)) {
                    return NvmeStatus.INVALID_SGL_COUNT;
                }
                left -= used;
            }
            case BIT_BUCKET -> {
                if (toHost) {
                    long used = Math.min(length, left);
                    pieces.skip(used);
                    left -= used;
                }
            }
            case SEGMENT, LAST_SEGMENT -> {
                if (!endsSegment || inLast || length == 0 || length % DESCRIPTOR_BYTES != 0) {
                    return NvmeStatus.INVALID_SGL_SEGMENT;
                }
                nextAddress = address;
                nextBytes = length;
                nextIsLast = type == LAST_SEGMENT;
            }
            default -> {
                return NvmeStatus.SGL_TYPE_INVALID;
            }
        }
        return NvmeStatus.SUCCESS;
    }
}
