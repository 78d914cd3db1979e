package vmm.devices.nvme;

import static vmm.devices.nvme.SubmissionEntry.LE_LONG;

import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Reads physical region pages, entries and lists of them (NVMe 1.4, §4.3). One thread; allocates nothing. */
final class PrpReader {
    private static final long DWORD_INSIDE = 3;
    private static final long QWORD_INSIDE = 7;

    private final DmaPort port;
    private final DataPieces pieces;
    private final MemorySegment entries;
    private long pageBytes;

    /** @param maxTransferBytes longest data it will be asked for */
    PrpReader(DmaPort port, Arena arena, DataPieces pieces, long maxTransferBytes) {
        this.port = port;
        this.pieces = pieces;
        entries = arena.allocate((maxTransferBytes >>> ControllerRegister.MIN_PAGE_LG2) * Long.BYTES, Long.BYTES);
        setPage(ControllerRegister.MIN_PAGE_LG2);
    }

    /** The host's memory page, CC.MPS. */
    void setPage(int pageLg2) {
        pageBytes = 1L << pageLg2;
    }

    /** @param lengthBytes more than 0. @return status */
    int read(long prp1, long prp2, long lengthBytes) {
        pieces.clear();
        if ((prp1 & DWORD_INSIDE) != 0) {
            return NvmeStatus.PRP_OFFSET_INVALID;
        }
        long first = Math.min(lengthBytes, pageBytes - (prp1 & pageBytes - 1));
        pieces.add(prp1, first);
        long left = lengthBytes - first;
        if (left == 0) {
            return NvmeStatus.SUCCESS;
        }
        if (left > pageBytes) {
            return readList(prp2, left);
        }
        if ((prp2 & pageBytes - 1) != 0) {
            return NvmeStatus.PRP_OFFSET_INVALID;
        }
        pieces.add(prp2, left);
        return NvmeStatus.SUCCESS;
    }

    /** A list that does not fit into the rest of its page goes on where its last entry points, at the start of a page. */
    private int readList(long firstList, long lengthBytes) {
        if ((firstList & QWORD_INSIDE) != 0) {
            return NvmeStatus.PRP_OFFSET_INVALID;
        }
        long list = firstList;
        long left = lengthBytes;
        while (true) {
            long room = (pageBytes - (list & pageBytes - 1)) / Long.BYTES;
            long needed = (left + pageBytes - 1) / pageBytes;
            boolean chained = needed > room;
            long count = Math.min(needed, room);
            if (port.read(list, entries, 0, count * Long.BYTES) != DmaStatus.DONE) {
                return NvmeStatus.DATA_TRANSFER_ERROR;
            }
            long pages = chained ? count - 1 : count;
            for (long i = 0; i < pages; i++) {
                long page = entries.get(LE_LONG, i * Long.BYTES);
                if ((page & pageBytes - 1) != 0) {
                    return NvmeStatus.PRP_OFFSET_INVALID;
                }
                long length = Math.min(left, pageBytes);
                pieces.add(page, length);
                left -= length;
            }
            if (!chained) {
                return NvmeStatus.SUCCESS;
            }
            list = entries.get(LE_LONG, pages * Long.BYTES);
            if ((list & pageBytes - 1) != 0) {
                return NvmeStatus.PRP_OFFSET_INVALID;
            }
        }
    }
}
