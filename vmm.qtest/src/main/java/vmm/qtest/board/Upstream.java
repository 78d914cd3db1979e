package vmm.qtest.board;

import java.lang.foreign.MemorySegment;

/** What a PCI function's DMA goes into: an IOMMU, or memory itself. Called with the board's lock held. */
public interface Upstream {
    /** Reads memory. @return whether all of it arrived */
    boolean read(long address, MemorySegment target, long targetOffset, long lengthBytes);

    /** Writes memory, or, with a DWORD at the right address, sends a message. @return whether all of it arrived */
    boolean write(long address, MemorySegment source, long sourceOffset, long lengthBytes);
}
