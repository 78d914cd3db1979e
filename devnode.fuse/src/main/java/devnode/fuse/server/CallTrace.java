package devnode.fuse.server;

import devnode.fuse.client.ClientCall;
import iommufd.api.Errno;
import iommufd.api.node.IoctlDecoder;
import iommufd.api.node.NodeActivity.Tracing;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells calls to who wants to know; costs one look while nobody does. Thread-safe. */
public final class CallTrace {
    private static final Logger LOG = LoggerFactory.getLogger(CallTrace.class);
    private static final double NANOS_PER_SECOND = 1e9;

    private final List<Consumer<String>> listeners = new CopyOnWriteArrayList<>();
    private volatile boolean on;

    /** As {@link iommufd.api.node.NodeActivity#trace}. */
    public synchronized Tracing add(Consumer<String> listener) {
        Consumer<String> own = listener::accept;   // each has an end of its own, even of one listener
        listeners.add(own);
        on = true;
        return () -> remove(own);
    }

    private synchronized void remove(Consumer<String> listener) {
        listeners.remove(listener);
        on = !listeners.isEmpty();
    }

    boolean isOn() {
        return on;
    }

    /** What an ioctl says, before it is made; {@link #ended} must follow. */
    Pending ioctl(OpenFile file, ClientCall call, int request, long argument) {
        return new Pending(decode(file, call, request, argument), System.nanoTime());
    }

    private static IoctlDecoder.Call decode(OpenFile file, ClientCall call, int request, long argument) {
        try {
            return file.node.decoder().begin(call, request, argument);
        } catch (RuntimeException failed) {
            LOG.warn("{}: request 0x{} cannot be decoded", file.owner.path, Integer.toHexString(request), failed);
            return IoctlDecoder.NONE.begin(call, request, argument);
        }
    }

    /** An ioctl and when it began. */
    record Pending(IoctlDecoder.Call call, long startNanos) {
        private Optional<String> text(long result) {
            try {
                return Optional.of(call.end(result));
            } catch (RuntimeException failed) {
                LOG.warn("a call cannot be decoded", failed);
                return Optional.empty();
            }
        }
    }

    void ended(OpenFile file, ClientCall call, Pending pending, int result) {
        double seconds = (System.nanoTime() - pending.startNanos()) / NANOS_PER_SECOND;
        pending.text(result).ifPresent(text -> tell("[pid %d] %s %s <%.6f>".formatted(call.thread(), file.name(), text, seconds)));
    }

    /** A call other than ioctl. */
    void told(ClientCall call, String file, String what, int result) {
        tell("[pid %d] %s %s = %s".formatted(call.thread(), file, what, result < 0 ? "-1 " + Errno.text(-result) : Integer.toString(result)));
    }

    void closed(String file) {
        tell(file + " is closed");
    }

    private void tell(String line) {
        for (Consumer<String> listener : listeners) {
            try {
                listener.accept(line);
            } catch (RuntimeException failed) {
                LOG.warn("who listens to calls failed", failed);
            }
        }
    }
}
