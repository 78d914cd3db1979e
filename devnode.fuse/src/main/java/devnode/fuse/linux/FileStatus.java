package devnode.fuse.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** What statx(2) tells of an open file. Reused; not thread-safe. */
public final class FileStatus {
    private static final int STRUCT_BYTES = 256;
    private static final int BLOCK_SIZE_OFFSET = 4;
    private static final int MODE_OFFSET = 28;
    private static final int INODE_OFFSET = 32;
    private static final int SIZE_OFFSET = 40;
    private static final int DEVICE_MAJOR_OFFSET = 136;
    private static final int DEVICE_MINOR_OFFSET = 140;
    private static final int AT_EMPTY_PATH = 0x1000;
    /** Asks no server of a network or user file system, least of all ourselves. */
    private static final int AT_STATX_DONT_SYNC = 0x4000;
    private static final int STATX_BASIC_STATS = 0x7ff;
    private static final int S_IFMT = 0xf000;
    private static final int S_IFREG = 0x8000;
    private static final MemorySegment NO_PATH = Arena.global().allocateFrom("");

    private final MemorySegment struct = Arena.ofAuto().allocate(STRUCT_BYTES, 8);

    /** @return 0 or minus an error number */
    public int load(int file) {
        return Linux.statx(file, NO_PATH, AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, struct.address());
    }

    public boolean isRegularFile() {
        return (struct.get(JAVA_SHORT, MODE_OFFSET) & S_IFMT) == S_IFREG;
    }

    public long inode() {
        return struct.get(JAVA_LONG, INODE_OFFSET);
    }

    public long sizeBytes() {
        return struct.get(JAVA_LONG, SIZE_OFFSET);
    }

    /** The page size of a file of huge pages; of other files something smaller that does not matter here. */
    public long blockBytes() {
        return struct.get(JAVA_INT, BLOCK_SIZE_OFFSET) & 0xffff_ffffL;
    }

    /** Major and minor number of the file system, in one. */
    public long device() {
        return device(struct.get(JAVA_INT, DEVICE_MAJOR_OFFSET), struct.get(JAVA_INT, DEVICE_MINOR_OFFSET));
    }

    static long device(int major, int minor) {
        return (long) major << 32 | minor & 0xffff_ffffL;
    }
}
