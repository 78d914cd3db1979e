package vmm.devices.virtio.net;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** The system calls behind {@link TapCable}. Those of the data path allocate nothing and answer -1 for whatever went wrong. */
final class TapCalls {
    private static final Linker LINKER = Linker.nativeLinker();
    private static final MethodHandle OPEN = function("open", 2, FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT));
    private static final MethodHandle CLOSE = function("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    private static final MethodHandle IOCTL = function("ioctl", 2, FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, ADDRESS));
    private static final MethodHandle READ = function("read", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG));
    private static final MethodHandle WRITE = function("write", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG));
    private static final MethodHandle POLL = function("poll", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));
    private static final MethodHandle EVENT = function("eventfd", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));

    private static final int READ_WRITE = 2;
    private static final int NON_BLOCKING = 0x800;
    private static final int CLOSE_ON_EXEC = 0x80000;

    /** {@code linux/if_tun.h}. */
    private static final long SET_INTERFACE = 0x400454caL;
    private static final long SET_OFFLOAD = 0x400454d0L;
    private static final long SET_HEADER_BYTES = 0x400454d8L;
    private static final long SET_QUEUE = 0x400454d9L;
    private static final int TAP = 0x2;
    private static final int NO_PACKET_INFORMATION = 0x1000;
    private static final int VIRTIO_HEADER = 0x4000;
    private static final int MULTI_QUEUE = 0x100;
    private static final int ATTACH = 0x200;
    private static final int DETACH = 0x400;

    /** {@code struct ifreq}. */
    private static final int REQUEST_BYTES = 40;
    private static final int REQUEST_NAME_BYTES = 16;

    private TapCalls() {}

    private interface Call {
        long run() throws Throwable;
    }

    /** Opens a queue of interface {@code name}. @throws IommufdException if the system refuses */
    static int open(String name, boolean multiQueue) {
        if (name.isEmpty() || name.length() >= REQUEST_NAME_BYTES) {
            throw new IommufdException(Errno.EINVAL, "\"" + name + "\" is no name of a network interface");
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment path = arena.allocateFrom("/dev/net/tun");
            int tap = (int) call(() -> (int) OPEN.invokeExact(path, READ_WRITE | NON_BLOCKING | CLOSE_ON_EXEC, 0));
            require(tap >= 0, "/dev/net/tun cannot be opened; is the module there, and CAP_NET_ADMIN?");
            MemorySegment request = arena.allocate(REQUEST_BYTES, 8);
            request.setString(0, name);
            request.set(JAVA_SHORT, REQUEST_NAME_BYTES,
                    (short) (TAP | NO_PACKET_INFORMATION | VIRTIO_HEADER | (multiQueue ? MULTI_QUEUE : 0)));
            MemorySegment header = arena.allocateFrom(JAVA_INT, PacketHeader.BYTES);
            if (ioctl(tap, SET_INTERFACE, request) < 0 || ioctl(tap, SET_HEADER_BYTES, header) < 0) {
                close(tap);
                throw new IommufdException(Errno.EBUSY, "TAP interface \"%s\" cannot be had with %s; who else uses it?"
                        .formatted(name, multiQueue ? "more queues than one" : "one queue"));
            }
            return tap;
        }
    }

    static int event() {
        int event = (int) call(() -> (int) EVENT.invokeExact(0, NON_BLOCKING | CLOSE_ON_EXEC));
        require(event >= 0, "no eventfd can be had; how many files are open?");
        return event;
    }

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new IommufdException(Errno.EIO, otherwise);
        }
    }

    /** What the interface may leave to its reader, of {@code TUN_F_*}. */
    static void offload(int tap, long flags) {
        call(() -> (int) IOCTL.invokeExact(tap, SET_OFFLOAD, MemorySegment.ofAddress(flags)));
    }

    /** Whether packets come to this queue. */
    static void attach(int tap, boolean attached) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment request = arena.allocate(REQUEST_BYTES, 8);
            request.set(JAVA_SHORT, REQUEST_NAME_BYTES, (short) (attached ? ATTACH : DETACH));
            ioctl(tap, SET_QUEUE, request);   // fails if it is so already
        }
    }

    private static int ioctl(int file, long number, MemorySegment argument) {
        return (int) call(() -> (int) IOCTL.invokeExact(file, number, argument));
    }

    static void close(int file) {
        call(() -> (int) CLOSE.invokeExact(file));
    }

    static long read(int file, MemorySegment target, long bytes) {
        try {
            return (long) READ.invokeExact(file, target, bytes);
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    static long write(int file, MemorySegment source, long bytes) {
        try {
            return (long) WRITE.invokeExact(file, source, bytes);
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    /** @param files {@code struct pollfd}s @return how many are ready; negative if it was interrupted */
    static int poll(MemorySegment files, long count, int millis) {
        try {
            return (int) POLL.invokeExact(files, count, millis);
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    private static long call(Call call) {
        try {
            return call.run();
        } catch (Throwable impossible) {
            throw unexpected(impossible);
        }
    }

    private static RuntimeException unexpected(Throwable thrown) {
        if (thrown instanceof Error error) {
            throw error;
        }
        return thrown instanceof RuntimeException unchecked ? unchecked : new IllegalStateException(thrown);
    }

    private static MethodHandle function(String name, FunctionDescriptor descriptor) {
        return LINKER.downcallHandle(address(name), descriptor);
    }

    private static MethodHandle function(String name, int firstVariadic, FunctionDescriptor descriptor) {
        return LINKER.downcallHandle(address(name), descriptor, Linker.Option.firstVariadicArg(firstVariadic));
    }

    private static MemorySegment address(String name) {
        return LINKER.defaultLookup().find(name).orElseThrow(() -> new IllegalStateException("the C library has no " + name));
    }
}
