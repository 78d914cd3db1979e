package devnode.fuse.server;

import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.Linux;
import devnode.fuse.server.Message.In;
import devnode.fuse.server.Message.Out;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A request and the room for its answer. Reused, for one thread. */
final class Exchange {
    private static final Logger LOG = LoggerFactory.getLogger(Exchange.class);
    /** Most bytes of one read or write. */
    static final int MAX_TRANSFER_BYTES = 1 << 20;
    static final int BUFFER_BYTES = MAX_TRANSFER_BYTES + 4096;
    /** Outside of (-512, 0] the kernel takes no answer, and the client would wait for ever. */
    private static final int MAX_ERROR = 511;

    final MemorySegment in;
    final MemorySegment out;
    private final int device;
    int opcode;
    long unique;
    private boolean owed;

    Exchange(Arena arena, int device) {
        in = arena.allocate(BUFFER_BYTES, 4096);
        out = arena.allocate(BUFFER_BYTES, 4096);
        this.device = device;
    }

    /** A request was read. */
    void begin() {
        opcode = in.get(Message.INT, In.OPCODE);
        unique = in.get(Message.LONG, In.UNIQUE);
        owed = true;
    }

    /** The client's thread, 0 if it is in a process namespace we do not see. */
    int thread() {
        return in.get(Message.INT, In.THREAD);
    }

    long node() {
        return in.get(Message.LONG, In.NODE);
    }

    /** The kernel wants no answer. */
    void noReply() {
        owed = false;
    }

    /** @param error 0 or minus an error number */
    void reply(int error) {
        boolean legal = error <= 0 && error >= -MAX_ERROR;
        send(legal ? error : -ErrorNumber.EIO, 0);
    }

    void replyIfOwed(int error) {
        if (owed) {
            reply(error);
        }
    }

    /** Answers with what lies in {@link #out} behind the header. @return false if the client does not wait any more */
    boolean replyPayload(long bytes) {
        return send(0, bytes);
    }

    private boolean send(int error, long payloadBytes) {
        int length = (int) (Out.PAYLOAD + payloadBytes);
        out.set(Message.INT, Out.LENGTH, length);
        out.set(Message.INT, Out.ERROR, error);
        out.set(Message.LONG, Out.UNIQUE, unique);
        owed = false;
        long written = Linux.write(device, out.address(), length);
        if (written < 0 && written != -ErrorNumber.ENOENT && written != -ErrorNumber.ENODEV) {
            LOG.error("the answer to request {} of FUSE was not taken, errno {}", opcode, -written);
        }
        return written >= 0;
    }
}
