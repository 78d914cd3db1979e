package vmm.devices.nvme;

import iommufd.api.dma.DmaPort;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Finds out where a command's data lies, be it told by PRPs or by an SGL (PSDT; NVMe 1.4, §4.2). One thread. */
final class DataPointer {
    private static final int PRP = 0;
    private static final int RESERVED = 3;

    private final DataPieces pieces;
    private final PrpReader prps;
    private final SglReader sgls;

    DataPointer(DmaPort port, Arena arena, long maxTransferBytes) {
        int pages = (int) (maxTransferBytes >>> ControllerRegister.MIN_PAGE_LG2);
        pieces = new DataPieces(Math.max(pages, SglReader.MAX_DESCRIPTORS) + 2);
        prps = new PrpReader(port, arena, pieces, maxTransferBytes);
        sgls = new SglReader(port, arena, pieces);
    }

    /** The host's memory page. */
    void setPage(int pageLg2) {
        prps.setPage(pageLg2);
    }

    /** What was found by the last {@link #find}. */
    DataPieces pieces() {
        return pieces;
    }

    /**
     * Reads the data pointer of the command at {@code at}.
     *
     * @param lengthBytes more than 0, at most the longest transfer
     * @param toHost whether data goes to the host
     * @return status
     */
    int find(MemorySegment command, long at, long lengthBytes, boolean toHost) {
        int kind = SubmissionEntry.pointerKind(command, at);
        if (kind == PRP) {
            return prps.read(SubmissionEntry.prp1(command, at), SubmissionEntry.prp2(command, at), lengthBytes);
        }
        return kind == RESERVED ? NvmeStatus.INVALID_FIELD
                : sgls.read(command, at + SubmissionEntry.DATA_POINTER_OFFSET, lengthBytes, toHost);
    }

    /** As {@link #find}, for admin commands: those have no SGLs on PCIe (§4.4). */
    int findPrps(MemorySegment command, long at, long lengthBytes) {
        return SubmissionEntry.pointerKind(command, at) != PRP ? NvmeStatus.INVALID_FIELD
                : prps.read(SubmissionEntry.prp1(command, at), SubmissionEntry.prp2(command, at), lengthBytes);
    }
}
