package devnode.fuse.server;

import iommufd.api.node.NodeActivity.NodeCounts;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.LongAdder;

/** How often a node was opened and called, and with what results. Thread-safe. */
final class CallCounts {
    /** FUSE takes error numbers below this. */
    private static final int ERROR_NUMBERS = 512;

    private final AtomicLong opens = new AtomicLong();
    private final LongAdder granted = new LongAdder();
    private final AtomicLongArray refused = new AtomicLongArray(ERROR_NUMBERS);

    /** @return how many there were, with this one */
    long opened() {
        return opens.incrementAndGet();
    }

    /** @param result of an ioctl; negative is an error number */
    void ended(int result) {
        if (result >= 0) {
            granted.increment();
        } else {
            refused.incrementAndGet(Math.min(-result, ERROR_NUMBERS - 1));
        }
    }

    NodeCounts now(String path, long openFiles) {
        SortedMap<Integer, Long> byError = new TreeMap<>();
        for (int error = 0; error < ERROR_NUMBERS; error++) {
            if (refused.get(error) != 0) {
                byError.put(error, refused.get(error));
            }
        }
        return new NodeCounts(path, openFiles, opens.get(), granted.sum(), byError);
    }
}
