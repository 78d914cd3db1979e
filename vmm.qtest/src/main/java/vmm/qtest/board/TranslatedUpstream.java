package vmm.qtest.board;

import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.HardwarePort;
import java.lang.foreign.MemorySegment;

/** Through the board's IOMMU. */
record TranslatedUpstream(HardwarePort port) implements Upstream {
    @Override
    public boolean read(long address, MemorySegment target, long targetOffset, long lengthBytes) {
        return port.read(address, target, targetOffset, lengthBytes) == DmaStatus.DONE;
    }

    @Override
    public boolean write(long address, MemorySegment source, long sourceOffset, long lengthBytes) {
        return port.write(address, source, sourceOffset, lengthBytes) == DmaStatus.DONE;
    }
}
