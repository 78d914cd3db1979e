package devnode.fuse.server;

import java.util.HashMap;
import java.util.Map;
import java.util.function.IntSupplier;

/** Calls of nodes that are under way on other threads than readers. Thread-safe. */
final class OutsideCalls {
    private final Map<Thread, OpenFile> underWay = new HashMap<>();

    /** Makes a call, which can be interrupted meanwhile. */
    int make(OpenFile file, IntSupplier call) {
        synchronized (this) {
            underWay.put(Thread.currentThread(), file);
        }
        try {
            return call.getAsInt();
        } finally {
            synchronized (this) {
                underWay.remove(Thread.currentThread());
                Thread.interrupted(); // too late for it, and nothing to the next call
            }
        }
    }

    synchronized void interruptCallsTo(Object callee) {
        underWay.forEach((thread, file) -> {
            if (file == callee) {
                thread.interrupt();
            }
        });
    }
}
