package devnode.fuse.server;

import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.Linux;
import devnode.fuse.server.Message.Init;
import devnode.fuse.server.Message.Out;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;

/** Answers the kernel's first request: which version, which abilities. */
final class Handshake {
    private Handshake() {}

    /** @throws iommufd.api.IommufdException if the kernel sends no request in that time */
    static void with(int device, long patienceNanos) {
        try (Arena arena = Arena.ofConfined()) {
            Exchange exchange = new Exchange(arena, device);
            Linux.poll(device, Linux.POLLIN, (int) TimeUnit.NANOSECONDS.toMillis(patienceNanos));
            ErrorNumber.check("the kernel does not start to talk FUSE", Linux.read(device, exchange.in.address(), Exchange.BUFFER_BYTES));
            exchange.begin();
            long offered = Integer.toUnsignedLong(exchange.in.get(Message.INT, Init.IN_FLAGS))
                    | (long) exchange.in.get(Message.INT, Init.IN_FLAGS2) << 32;
            long flags = offered & (Init.BIG_WRITES | Init.PARALLEL_DIRECTORY_OPERATIONS | Init.ABORT_ERROR | Init.MAX_PAGES | Init.INIT_EXT
                    | Init.PASSTHROUGH);
            MemorySegment out = exchange.out;
            out.asSlice(Out.PAYLOAD, Init.OUT_BYTES).fill((byte) 0);
            out.set(Message.INT, Init.OUT_MAJOR, Init.MAJOR);
            out.set(Message.INT, Init.OUT_MINOR, Math.min(Init.MINOR, exchange.in.get(Message.INT, Init.IN_MINOR)));
            out.set(Message.INT, Init.OUT_FLAGS, (int) flags);
            // Releases go in the background; none may be held back, or an open could overtake it.
            out.set(Message.SHORT, Init.OUT_MAX_BACKGROUND, (short) 0xffff);
            out.set(Message.SHORT, Init.OUT_CONGESTION_THRESHOLD, (short) 0xffff);
            out.set(Message.INT, Init.OUT_MAX_WRITE, Exchange.MAX_TRANSFER_BYTES);
            out.set(Message.INT, Init.OUT_TIME_GRANULARITY, 1);
            out.set(Message.SHORT, Init.OUT_MAX_PAGES, (short) (Exchange.MAX_TRANSFER_BYTES / 4096));
            out.set(Message.INT, Init.OUT_FLAGS2, (int) (flags >>> 32));
            out.set(Message.INT, Init.OUT_MAX_STACK_DEPTH, 1);
            exchange.replyPayload(Init.OUT_BYTES);
        }
    }
}
