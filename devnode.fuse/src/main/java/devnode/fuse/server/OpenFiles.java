package devnode.fuse.server;

import java.util.Arrays;
import java.util.BitSet;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/** The open files by the handles the kernel knows them by. Thread-safe; looking one up locks nothing. */
final class OpenFiles {
    private final BitSet used = new BitSet();
    private final Map<Long, OpenFile> awaited = new ConcurrentHashMap<>();
    private final AtomicLong nextAwaited = new AtomicLong();
    private volatile OpenFile[] byHandle = new OpenFile[64];

    /** @return its handle */
    synchronized long add(OpenFile file) {
        int handle = used.nextClearBit(0);
        used.set(handle);
        OpenFile[] table = handle < byHandle.length ? byHandle.clone() : Arrays.copyOf(byHandle, byHandle.length * 2);
        table[handle] = file;
        byHandle = table;
        return handle;
    }

    /** The kernel names no other handles than it got. */
    OpenFile get(long handle) {
        return byHandle[(int) handle];
    }

    synchronized OpenFile remove(long handle) {
        OpenFile file = byHandle[(int) handle];
        OpenFile[] table = byHandle.clone();
        table[(int) handle] = null;
        byHandle = table;
        used.clear((int) handle);
        return file;
    }

    /** Keeps a file until we open it ourselves. @return its number */
    long await(OpenFile file) {
        long number = nextAwaited.incrementAndGet();
        awaited.put(number, file);
        return number;
    }

    boolean isAwaited(long number) {
        return awaited.containsKey(number);
    }

    /** @return null if it was not awaited (any more) */
    OpenFile take(long number) {
        return awaited.remove(number);
    }
}
