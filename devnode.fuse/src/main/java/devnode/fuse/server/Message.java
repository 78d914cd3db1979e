package devnode.fuse.server;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Offsets in messages of FUSE ({@code linux/fuse.h}), from their start. All fields have the byte order of the machine. */
final class Message {
    static final ValueLayout.OfShort SHORT = JAVA_SHORT_UNALIGNED;
    static final ValueLayout.OfInt INT = JAVA_INT_UNALIGNED;
    static final ValueLayout.OfLong LONG = JAVA_LONG_UNALIGNED;

    private Message() {}

    /** {@code struct fuse_in_header}. */
    static final class In {
        static final int OPCODE = 4;
        static final int UNIQUE = 8;
        static final int NODE = 16;
        static final int THREAD = 32;
        static final int PAYLOAD = 40;

        private In() {}
    }

    /** {@code struct fuse_out_header}. */
    static final class Out {
        static final int LENGTH = 0;
        static final int ERROR = 4;
        static final int UNIQUE = 8;
        static final int PAYLOAD = 16;

        private Out() {}
    }

    /** {@code struct fuse_init_in}, {@code struct fuse_init_out}. */
    static final class Init {
        static final int IN_MINOR = In.PAYLOAD + 4;
        static final int IN_FLAGS = In.PAYLOAD + 12;
        static final int IN_FLAGS2 = In.PAYLOAD + 16;
        static final int OUT_MAJOR = Out.PAYLOAD;
        static final int OUT_MINOR = Out.PAYLOAD + 4;
        static final int OUT_FLAGS = Out.PAYLOAD + 12;
        static final int OUT_MAX_BACKGROUND = Out.PAYLOAD + 16;
        static final int OUT_CONGESTION_THRESHOLD = Out.PAYLOAD + 18;
        static final int OUT_MAX_WRITE = Out.PAYLOAD + 20;
        static final int OUT_TIME_GRANULARITY = Out.PAYLOAD + 24;
        static final int OUT_MAX_PAGES = Out.PAYLOAD + 28;
        static final int OUT_FLAGS2 = Out.PAYLOAD + 32;
        static final int OUT_MAX_STACK_DEPTH = Out.PAYLOAD + 36;
        static final int OUT_BYTES = 64;

        /** Protocol version this server speaks. */
        static final int MAJOR = 7;
        static final int MINOR = 40;
        static final long BIG_WRITES = 1L << 5;
        static final long PARALLEL_DIRECTORY_OPERATIONS = 1L << 18;
        static final long ABORT_ERROR = 1L << 21;
        static final long MAX_PAGES = 1L << 22;
        static final long INIT_EXT = 1L << 30;
        static final long PASSTHROUGH = 1L << 37;

        private Init() {}
    }

    /** {@code struct fuse_attr}, {@code fuse_attr_out}, {@code fuse_entry_out}. */
    static final class Attributes {
        static final int INODE = 0;
        static final int SIZE = 8;
        static final int MODE = 60;
        static final int LINKS = 64;
        static final int USER = 68;
        static final int GROUP = 72;
        static final int BLOCK_SIZE = 80;
        static final int BYTES = 88;
        static final int S_IFDIR = 0040000;
        static final int S_IFREG = 0100000;
        static final int S_IFLNK = 0120000;
        static final int S_IFCHR = 0020000;
        static final int S_IFMT = 0170000;

        /** {@code fuse_attr_out}: no validity, then the attributes. */
        static final int OUT_ATTRIBUTES = Out.PAYLOAD + 16;
        static final int OUT_BYTES = 16 + BYTES;
        /** {@code fuse_entry_out}: inode, generation, validities, then the attributes. */
        static final int ENTRY_ATTRIBUTES = Out.PAYLOAD + 40;
        static final int ENTRY_BYTES = 40 + BYTES;

        private Attributes() {}
    }

    /** {@code struct fuse_open_out}. */
    static final class Open {
        static final int OUT_HANDLE = Out.PAYLOAD;
        static final int OUT_FLAGS = Out.PAYLOAD + 8;
        static final int OUT_BACKING = Out.PAYLOAD + 12;
        static final int OUT_BYTES = 16;

        static final int DIRECT_IO = 1;
        static final int STREAM = 1 << 4;
        static final int PARALLEL_DIRECT_WRITES = 1 << 6;
        static final int PASSTHROUGH = 1 << 7;

        private Open() {}
    }

    /** {@code struct fuse_read_in}, {@code fuse_write_in}, {@code fuse_write_out}, {@code fuse_release_in}. */
    static final class Transfer {
        static final int HANDLE = In.PAYLOAD;
        static final int OFFSET = In.PAYLOAD + 8;
        static final int SIZE = In.PAYLOAD + 16;
        static final int OPEN_FLAGS = In.PAYLOAD + 32;
        static final int WRITE_DATA = In.PAYLOAD + 40;
        static final int OUT_WRITTEN = Out.PAYLOAD;
        static final int OUT_WRITTEN_BYTES = 8;

        private Transfer() {}
    }

    /** {@code struct fuse_ioctl_in}, {@code fuse_ioctl_out}. */
    static final class Ioctl {
        static final int HANDLE = In.PAYLOAD;
        static final int REQUEST = In.PAYLOAD + 12;
        static final int ARGUMENT = In.PAYLOAD + 16;
        static final int IN_BYTES = In.PAYLOAD + 24;
        static final int OUT_BYTES = In.PAYLOAD + 28;
        static final int DATA = In.PAYLOAD + 32;
        static final int RESULT = Out.PAYLOAD;
        static final int RESULT_BYTES = 16;
        static final int RESULT_DATA = Out.PAYLOAD + RESULT_BYTES;

        private Ioctl() {}
    }

    /** {@code struct fuse_poll_in}, {@code fuse_poll_out}, {@code fuse_notify_poll_wakeup_out}. */
    static final class Poll {
        static final int HANDLE = In.PAYLOAD;
        static final int KERNEL_HANDLE = In.PAYLOAD + 8;
        static final int FLAGS = In.PAYLOAD + 16;
        static final int SCHEDULE_NOTIFY = 1;
        static final int OUT_EVENTS = Out.PAYLOAD;
        static final int OUT_BYTES = 8;
        static final int NOTIFY_CODE = 1;
        static final int NOTIFY_KERNEL_HANDLE = Out.PAYLOAD;
        static final int NOTIFY_BYTES = Out.PAYLOAD + 8;

        private Poll() {}
    }

    /** {@code struct fuse_dirent}. */
    static final class DirectoryEntry {
        static final int INODE = 0;
        static final int NEXT = 8;
        static final int NAME_LENGTH = 16;
        static final int TYPE = 20;
        static final int NAME = 24;

        private DirectoryEntry() {}
    }

    /** The string behind a header. */
    static String string(MemorySegment message, long offset) {
        return message.getString(offset);
    }
}
