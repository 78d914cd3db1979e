package devnode.fuse.linux;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** A socket of messages in the file system (unix(7), {@code SOCK_SEQPACKET}), over which open files can be sent. For one thread. */
public final class UnixSocket implements AutoCloseable {
    /** Most bytes of a message. */
    public static final int MAX_MESSAGE_BYTES = 1 << 16;
    public static final int NO_FILE = -1;

    private static final MethodHandle SOCKET = CLibrary.function("socket", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle BIND = CLibrary.function("bind", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle CONNECT = CLibrary.function("connect", FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle LISTEN = CLibrary.function("listen", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle ACCEPT4 = CLibrary.function("accept4", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));
    private static final MethodHandle SHUTDOWN = CLibrary.function("shutdown", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle SENDMSG = CLibrary.function("sendmsg", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle RECVMSG = CLibrary.function("recvmsg", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle GETSOCKOPT = CLibrary.function("getsockopt",
            FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, ADDRESS));

    private static final int AF_UNIX = 1;
    private static final int SOCK_SEQPACKET = 5;
    private static final int SOCK_CLOEXEC = Linux.O_CLOEXEC;
    private static final int SOL_SOCKET = 1;
    private static final int SCM_RIGHTS = 1;
    private static final int SO_PEERCRED = 17;
    private static final int MSG_NOSIGNAL = 0x4000;
    private static final int MSG_CMSG_CLOEXEC = 0x4000_0000;
    private static final int BACKLOG = 16;
    /** {@code struct sockaddr_un}. */
    private static final int ADDRESS_BYTES = 110;
    private static final int PATH_BYTES = 108;

    /** {@code struct msghdr}, {@code struct iovec}, {@code struct cmsghdr} with one descriptor, one behind the other. */
    private static final int HEADER_BYTES = 56;
    private static final int VECTOR_OFFSET = HEADER_BYTES;
    private static final int CONTROL_OFFSET = VECTOR_OFFSET + 16;
    private static final int CONTROL_BYTES = 24;
    private static final int CONTROL_LENGTH = 20;
    private static final int DESCRIPTOR_OFFSET = CONTROL_OFFSET + 16;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment header = arena.allocate(CONTROL_OFFSET + CONTROL_BYTES, 8);
    private final MemorySegment buffer = arena.allocate(MAX_MESSAGE_BYTES, 8);
    private final int socket;
    private boolean closed;

    /** A message, with an open file that this process now has, or {@link #NO_FILE}. */
    public record Message(byte[] bytes, int file) {}

    private UnixSocket(int socket) {
        this.socket = socket;
    }

    /** @throws IommufdException if no file of this name can be made, or there is one */
    public static UnixSocket listen(Path path) {
        UnixSocket listening = create();
        try (Arena own = Arena.ofConfined()) {
            MemorySegment state = CLibrary.state();
            ErrorNumber.check("no socket can be made at " + path,
                    CLibrary.result((int) BIND.invokeExact(state, listening.socket, address(own, path), ADDRESS_BYTES), state));
            ErrorNumber.check("nobody can connect to " + path, CLibrary.result((int) LISTEN.invokeExact(state, listening.socket, BACKLOG), state));
            return listening;
        } catch (Throwable thrown) {
            listening.close();
            throw CLibrary.impossible(thrown);
        }
    }

    /** @throws IommufdException {@link Errno#EIO} and others if nobody listens there */
    public static UnixSocket connect(Path path) {
        UnixSocket connected = create();
        try (Arena own = Arena.ofConfined()) {
            MemorySegment state = CLibrary.state();
            ErrorNumber.check("nobody listens at " + path,
                    CLibrary.result((int) CONNECT.invokeExact(state, connected.socket, address(own, path), ADDRESS_BYTES), state));
            return connected;
        } catch (Throwable thrown) {
            connected.close();
            throw CLibrary.impossible(thrown);
        }
    }

    private static UnixSocket create() {
        try {
            MemorySegment state = CLibrary.state();
            return new UnixSocket(ErrorNumber.check("no socket can be made",
                    CLibrary.result((int) SOCKET.invokeExact(state, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), state)));
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    private static MemorySegment address(Arena arena, Path path) {
        byte[] name = path.toString().getBytes(StandardCharsets.UTF_8);
        if (name.length >= PATH_BYTES) {
            throw new IommufdException(Errno.EINVAL, "the name of a socket is at most " + (PATH_BYTES - 1) + " bytes long, not " + path);
        }
        MemorySegment address = arena.allocate(ADDRESS_BYTES, 8);
        address.set(JAVA_SHORT, 0, (short) AF_UNIX);
        MemorySegment.copy(name, 0, address, JAVA_BYTE, 2, name.length);
        return address;
    }

    /** Waits for somebody to connect. @throws IommufdException once it was {@linkplain #shutDown shut down} */
    public UnixSocket accept() {
        try {
            MemorySegment state = CLibrary.state();
            long accepted;
            do {
                accepted = CLibrary.result((int) ACCEPT4.invokeExact(state, socket, 0L, 0L, SOCK_CLOEXEC), state);
            } while (accepted == -ErrorNumber.EINTR);
            return new UnixSocket(ErrorNumber.check("nobody can connect any more", accepted));
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** Whoever waits here or will does not. By any thread. */
    public synchronized void shutDown() {
        if (closed) {
            return;
        }
        try {
            MemorySegment state = CLibrary.state();
            final int both = 2;
            int ignored = (int) SHUTDOWN.invokeExact(state, socket, both);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** The process at the other end. */
    public int peer() {
        try (Arena own = Arena.ofConfined()) {
            MemorySegment state = CLibrary.state();
            MemorySegment credentials = own.allocate(12, 4);
            MemorySegment length = own.allocateFrom(JAVA_INT, 12);
            ErrorNumber.check("a socket does not tell who is at its other end",
                    CLibrary.result((int) GETSOCKOPT.invokeExact(state, socket, SOL_SOCKET, SO_PEERCRED, credentials, length), state));
            return credentials.get(JAVA_INT, 0);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** @param file to send a copy of, or {@link #NO_FILE} @throws IommufdException if the other end is gone */
    public void send(byte[] bytes, int file) {
        MemorySegment.copy(bytes, 0, buffer, JAVA_BYTE, 0, bytes.length);
        describe(bytes.length, file == NO_FILE ? 0 : CONTROL_BYTES);
        if (file != NO_FILE) {
            header.set(JAVA_LONG, CONTROL_OFFSET, CONTROL_LENGTH);
            header.set(JAVA_INT, CONTROL_OFFSET + 8, SOL_SOCKET);
            header.set(JAVA_INT, CONTROL_OFFSET + 12, SCM_RIGHTS);
            header.set(JAVA_INT, DESCRIPTOR_OFFSET, file);
        }
        try {
            MemorySegment state = CLibrary.state();
            long sent = CLibrary.result((long) SENDMSG.invokeExact(state, socket, header, MSG_NOSIGNAL), state);
            if (sent != bytes.length) {
                throw ErrorNumber.failure("the other end of a socket is gone", sent);
            }
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    /** Waits for a message; an empty one is the end. */
    public Message receive() {
        describe(MAX_MESSAGE_BYTES, CONTROL_BYTES);
        try {
            MemorySegment state = CLibrary.state();
            long received;
            do {
                received = CLibrary.result((long) RECVMSG.invokeExact(state, socket, header, MSG_CMSG_CLOEXEC), state);
            } while (received == -ErrorNumber.EINTR);
            byte[] bytes = new byte[(int) Math.max(0, received)];
            MemorySegment.copy(buffer, JAVA_BYTE, 0, bytes, 0, bytes.length);
            boolean withFile = received > 0 && header.get(JAVA_LONG, 40) >= CONTROL_LENGTH && header.get(JAVA_INT, CONTROL_OFFSET + 12) == SCM_RIGHTS;
            return new Message(bytes, withFile ? header.get(JAVA_INT, DESCRIPTOR_OFFSET) : NO_FILE);
        } catch (Throwable thrown) {
            throw CLibrary.impossible(thrown);
        }
    }

    private void describe(long bytes, long controlBytes) {
        header.fill((byte) 0);
        header.set(ADDRESS, 16, header.asSlice(VECTOR_OFFSET));
        header.set(JAVA_LONG, 24, 1);
        header.set(ADDRESS, 32, header.asSlice(CONTROL_OFFSET));
        header.set(JAVA_LONG, 40, controlBytes);
        header.set(ADDRESS, VECTOR_OFFSET, buffer);
        header.set(JAVA_LONG, VECTOR_OFFSET + 8, bytes);
    }

    @Override
    public synchronized void close() {
        closed = true;
        Linux.close(socket);
        arena.close();
    }
}
