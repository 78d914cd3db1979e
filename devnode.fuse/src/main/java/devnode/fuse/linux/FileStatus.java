package devnode.fuse.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** What statx(2) tells of a file. Reused; not thread-safe. */
public final class FileStatus {
    /** {@code struct statx}, the same on all processors. */
    private static final int STRUCT_BYTES = 256;
    private static final int BLOCK_SIZE_OFFSET = 4;
    private static final int LINKS_OFFSET = 16;
    private static final int USER_OFFSET = 20;
    private static final int GROUP_OFFSET = 24;
    private static final int MODE_OFFSET = 28;
    private static final int INODE_OFFSET = 32;
    private static final int SIZE_OFFSET = 40;
    private static final int BLOCKS_OFFSET = 48;
    private static final int ACCESSED_OFFSET = 64;
    private static final int CHANGED_OFFSET = 96;
    private static final int MODIFIED_OFFSET = 112;
    private static final int SPECIAL_MAJOR_OFFSET = 128;
    private static final int SPECIAL_MINOR_OFFSET = 132;
    private static final int DEVICE_MAJOR_OFFSET = 136;
    private static final int DEVICE_MINOR_OFFSET = 140;
    private static final int AT_EMPTY_PATH = 0x1000;
    /** Asks no server of a network or user file system, least of all ourselves. */
    private static final int AT_STATX_DONT_SYNC = 0x4000;
    private static final int STATX_BASIC_STATS = 0x7ff;
    private static final int S_IFMT = 0xf000;
    private static final int S_IFREG = 0x8000;
    private static final int S_IFCHR = 0x2000;
    private static final int AT_FDCWD = -100;
    private static final MemorySegment NO_PATH = Arena.global().allocateFrom("");

    private final MemorySegment struct = Arena.ofAuto().allocate(STRUCT_BYTES, 8);

    /** @return 0 or minus an error number */
    public int load(String path) {
        try (Arena arena = Arena.ofConfined()) {
            return Linux.statx(AT_FDCWD, arena.allocateFrom(path), AT_STATX_DONT_SYNC, STATX_BASIC_STATS, struct.address());
        }
    }

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

    /** Tells something else: that the file is a character device. */
    public void becomeCharacterDevice(int major, int minor) {
        struct.set(JAVA_SHORT, MODE_OFFSET, (short) (struct.get(JAVA_SHORT, MODE_OFFSET) & ~S_IFMT | S_IFCHR));
        struct.set(JAVA_INT, SPECIAL_MAJOR_OFFSET, major);
        struct.set(JAVA_INT, SPECIAL_MINOR_OFFSET, minor);
        struct.set(JAVA_LONG, SIZE_OFFSET, 0);
        struct.set(JAVA_LONG, BLOCKS_OFFSET, 0);
    }

    /** The {@code struct statx}. */
    public MemorySegment statx() {
        return struct;
    }

    /** The same as a {@code struct stat} of this processor. */
    public MemorySegment stat() {
        boolean x86 = System.getProperty("os.arch").equals("amd64");
        MemorySegment stat = Arena.ofAuto().allocate(x86 ? 144 : 128, 8);
        stat.set(JAVA_LONG, 0, number(struct.get(JAVA_INT, DEVICE_MAJOR_OFFSET), struct.get(JAVA_INT, DEVICE_MINOR_OFFSET)));
        stat.set(JAVA_LONG, 8, inode());
        long links = struct.get(JAVA_INT, LINKS_OFFSET);
        int mode = Short.toUnsignedInt(struct.get(JAVA_SHORT, MODE_OFFSET));
        int owner = x86 ? 28 : 24;
        if (x86) {
            stat.set(JAVA_LONG, 16, links);
            stat.set(JAVA_INT, 24, mode);
        } else {
            stat.set(JAVA_INT, 16, mode);
            stat.set(JAVA_INT, 20, (int) links);
        }
        stat.set(JAVA_INT, owner, struct.get(JAVA_INT, USER_OFFSET));
        stat.set(JAVA_INT, owner + 4, struct.get(JAVA_INT, GROUP_OFFSET));
        stat.set(JAVA_LONG, x86 ? 40 : 32, number(struct.get(JAVA_INT, SPECIAL_MAJOR_OFFSET), struct.get(JAVA_INT, SPECIAL_MINOR_OFFSET)));
        stat.set(JAVA_LONG, 48, sizeBytes());
        stat.set(JAVA_INT, 56, struct.get(JAVA_INT, BLOCK_SIZE_OFFSET));
        stat.set(JAVA_LONG, 64, struct.get(JAVA_LONG, BLOCKS_OFFSET));
        int[] times = {ACCESSED_OFFSET, MODIFIED_OFFSET, CHANGED_OFFSET};
        for (int i = 0; i < times.length; i++) {
            stat.set(JAVA_LONG, 72 + 16L * i, struct.get(JAVA_LONG, times[i]));
            stat.set(JAVA_LONG, 80 + 16L * i, struct.get(JAVA_INT, times[i] + 8));
        }
        return stat;
    }

    /** A device number as {@code struct stat} has it. */
    private static long number(int major, int minor) {
        return (minor & 0xff) | (long) major << 8 | (minor & ~0xffL) << 12;
    }

    static long device(int major, int minor) {
        return (long) major << 32 | minor & 0xffff_ffffL;
    }
}
