package devnode.fuse.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.BufferedReader;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A mapping (VMA) of another process, by the ioctl {@code PROCMAP_QUERY} (Linux 6.11, {@code linux/fs.h}), or else by reading
 * {@code /proc/PID/maps}. Reused; not thread-safe.
 */
public final class VirtualArea {
    private static final long PROCMAP_QUERY = 0xC068_6611L;
    private static final int STRUCT_BYTES = 104;
    private static final int QUERY_FLAGS_OFFSET = 8;
    private static final int ADDRESS_OFFSET = 16;
    private static final int START_OFFSET = 24;
    private static final int END_OFFSET = 32;
    private static final int FLAGS_OFFSET = 40;
    private static final int FILE_OFFSET_OFFSET = 56;
    private static final int INODE_OFFSET = 64;
    private static final int DEVICE_MAJOR_OFFSET = 72;
    private static final int DEVICE_MINOR_OFFSET = 76;
    private static final long READABLE = 1;
    private static final long WRITABLE = 2;
    private static final long SHARED = 8;
    private static final long COVERING = 0;
    private static final long COVERING_OR_NEXT = 16;

    private final MemorySegment struct = Arena.ofAuto().allocate(STRUCT_BYTES, 8);
    private boolean byText;

    /**
     * Looks up the mapping around an address.
     *
     * @param mapsFile {@code /proc/PID/maps}, opened while the process ran the program it runs now
     * @return 0; -ENOENT if nothing is mapped there; -ESRCH if the address space is gone
     */
    public int load(int mapsFile, int process, long address) {
        if (!byText) {
            int result = query(mapsFile, address, COVERING);
            if (result != -ErrorNumber.ENOTTY) {
                return result;
            }
            byText = true;
        }
        return loadText(process, address);
    }

    /**
     * Whether the address space is still there. The mapping that was looked up is forgotten.
     *
     * @param mapsFile as in {@link #load}
     */
    public boolean isThere(int mapsFile, int process) {
        int result = byText ? -ErrorNumber.ENOTTY : query(mapsFile, 0, COVERING_OR_NEXT);
        if (result == -ErrorNumber.ENOTTY) {
            result = load(mapsFile, process, 0);
        }
        return result == 0 || result == -ErrorNumber.ENOENT;
    }

    private int query(int mapsFile, long address, long flags) {
        struct.fill((byte) 0);
        struct.set(JAVA_LONG, 0, STRUCT_BYTES);
        struct.set(JAVA_LONG, QUERY_FLAGS_OFFSET, flags);
        struct.set(JAVA_LONG, ADDRESS_OFFSET, address);
        return Linux.query(mapsFile, PROCMAP_QUERY, struct.address());
    }

    /** As {@link #load}, for kernels without the ioctl. */
    int loadText(int process, long address) {
        try (BufferedReader lines = Files.newBufferedReader(Path.of("/proc/" + process + "/maps"))) {
            String line;
            boolean any = false;
            while ((line = lines.readLine()) != null) {
                any = true;
                String[] fields = line.split(" +", 6);
                int dash = fields[0].indexOf('-');
                long start = Long.parseUnsignedLong(fields[0].substring(0, dash), 16);
                long end = Long.parseUnsignedLong(fields[0].substring(dash + 1), 16);
                if (Long.compareUnsigned(address, start) >= 0 && Long.compareUnsigned(address, end) < 0) {
                    keep(start, end, fields);
                    return 0;
                }
            }
            return any ? -ErrorNumber.ENOENT : -ErrorNumber.ESRCH;
        } catch (IOException gone) {
            return -ErrorNumber.ESRCH;
        }
    }

    private void keep(long start, long end, String[] fields) {
        String rights = fields[1];
        struct.set(JAVA_LONG, START_OFFSET, start);
        struct.set(JAVA_LONG, END_OFFSET, end);
        struct.set(JAVA_LONG, FLAGS_OFFSET, (rights.charAt(0) == 'r' ? READABLE : 0) | (rights.charAt(1) == 'w' ? WRITABLE : 0)
                | (rights.charAt(3) == 's' ? SHARED : 0));
        struct.set(JAVA_LONG, FILE_OFFSET_OFFSET, Long.parseUnsignedLong(fields[2], 16));
        int colon = fields[3].indexOf(':');
        struct.set(JAVA_INT, DEVICE_MAJOR_OFFSET, Integer.parseInt(fields[3].substring(0, colon), 16));
        struct.set(JAVA_INT, DEVICE_MINOR_OFFSET, Integer.parseInt(fields[3].substring(colon + 1), 16));
        struct.set(JAVA_LONG, INODE_OFFSET, Long.parseLong(fields[4]));
    }

    public long start() {
        return struct.get(JAVA_LONG, START_OFFSET);
    }

    public long end() {
        return struct.get(JAVA_LONG, END_OFFSET);
    }

    public boolean isReadable() {
        return (struct.get(JAVA_LONG, FLAGS_OFFSET) & READABLE) != 0;
    }

    public boolean isWritable() {
        return (struct.get(JAVA_LONG, FLAGS_OFFSET) & WRITABLE) != 0;
    }

    /** Whether writes reach a file, named or not, instead of a private copy. */
    public boolean isSharedFile() {
        return (struct.get(JAVA_LONG, FLAGS_OFFSET) & SHARED) != 0 && inode() != 0;
    }

    /** Offset in the file of {@link #start()}. */
    public long fileOffset() {
        return struct.get(JAVA_LONG, FILE_OFFSET_OFFSET);
    }

    public long inode() {
        return struct.get(JAVA_LONG, INODE_OFFSET);
    }

    /** As {@link FileStatus#device()}. */
    public long device() {
        return FileStatus.device(struct.get(JAVA_INT, DEVICE_MAJOR_OFFSET), struct.get(JAVA_INT, DEVICE_MINOR_OFFSET));
    }
}
