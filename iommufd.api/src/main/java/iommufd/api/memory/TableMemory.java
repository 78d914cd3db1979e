package iommufd.api.memory;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * Frames for structures that hardware reads, out of one contiguous part of the physical space, so that side tables can be
 * indexed by frame. Thread-safe. Tests put one in front that fails on demand.
 */
@ConsumerType
public interface TableMemory {
    /** Smallest frame is 4 KiB. */
    int MIN_FRAME_LG2 = 12;

    /** Where the part starts. */
    long baseAddress();

    /** How long the part is; most of it is untouched address space. */
    long lengthBytes();

    /**
     * A naturally aligned frame of {@code 1 << sizeLg2} bytes, filled with zeros.
     *
     * @param sizeLg2 12 to 25
     * @throws IommufdException {@link Errno#ENOMEM}
     */
    long allocate(int sizeLg2);

    /** Gives a frame back. Whoever could still read it must have stopped. */
    void free(long physicalAddress, int sizeLg2);

    /** Bytes handed out now. */
    long bytesInUse();
}
