package vmm.devices.virtio.blk;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Requests: a header, data, and a last byte for the status; little-endian (virtio 1.2, §5.2.6). */
final class BlkRequest {
    static final ValueLayout.OfInt INT = JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong LONG = JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    static final int TYPE_OFFSET = 0;
    static final int SECTOR_OFFSET = 8;
    static final int HEADER_BYTES = 16;
    static final int STATUS_BYTES = 1;
    /** Unit of sectors, whatever the block size. */
    static final int SECTOR_LG2 = 9;

    static final int READ = 0;
    static final int WRITE = 1;
    static final int FLUSH = 4;
    static final int GET_ID = 8;
    static final int DISCARD = 11;
    static final int WRITE_ZEROES = 13;

    static final int OK = 0;
    static final int IO_ERROR = 1;
    static final int UNSUPPORTED = 2;

    /** The answer to {@link #GET_ID}, filled up with zeros. */
    static final int ID_BYTES = 20;

    /** A range of {@link #DISCARD} and {@link #WRITE_ZEROES}: sector, number of sectors, flags. */
    static final int RANGE_BYTES = 16;
    static final int RANGE_COUNT_OFFSET = 8;
    static final int RANGE_FLAGS_OFFSET = 12;
    /** Zeroes may give space back. */
    static final int UNMAP = 1;
    /** Most ranges in a request, and most sectors of a range. */
    static final int MAX_RANGES = 64;
    static final int MAX_RANGE_SECTORS = 1 << 22;

    private BlkRequest() {}
}
