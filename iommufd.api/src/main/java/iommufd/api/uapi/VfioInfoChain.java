package iommufd.api.uapi;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** Capabilities behind a struct of VFIO, each with the offset of the next ({@link VfioInfoCapHeader}). Not thread-safe. */
public final class VfioInfoChain {
    private static final int ALIGNMENT = Long.BYTES;

    private final int structBytes;
    private byte[] bytes = new byte[0];
    private int lastOffset = -1;

    /** @param structBytes size of the struct that the chain follows */
    public VfioInfoChain(int structBytes) {
        this.structBytes = structBytes;
    }

    /**
     * Appends a capability of version 1, all zero behind its header.
     *
     * @param sizeBytes with the header; the next one is aligned to 8 bytes
     * @return where to write it; valid until the next one is added
     */
    public MemorySegment add(int id, int sizeBytes) {
        int offset = bytes.length;
        bytes = Arrays.copyOf(bytes, offset + (sizeBytes + ALIGNMENT - 1 & -ALIGNMENT));
        MemorySegment chain = MemorySegment.ofArray(bytes);
        if (lastOffset >= 0) {
            VfioInfoCapHeader.next(chain.asSlice(lastOffset), structBytes + offset);
        }
        lastOffset = offset;
        MemorySegment capability = chain.asSlice(offset);
        VfioInfoCapHeader.id(capability, (short) id);
        VfioInfoCapHeader.version(capability, (short) 1);
        return capability;
    }

    /** The chain, to be put right behind the struct. */
    public MemorySegment bytes() {
        return MemorySegment.ofArray(bytes);
    }

    /** Size of struct and chain together. */
    public int totalBytes() {
        return structBytes + bytes.length;
    }
}
