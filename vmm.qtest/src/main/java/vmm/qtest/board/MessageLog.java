package vmm.qtest.board;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/** Message-signaled interrupts that arrived, oldest first, until a client takes them. Thread-safe. */
public final class MessageLog {
    /** How many it keeps; newer ones are counted only. */
    public static final int CAPACITY = 1024;

    /**
     * A message.
     *
     * @param address where the DWORD was written
     * @param data what was written
     */
    public record Message(long address, int data) {}

    /**
     * What arrived since the last time.
     *
     * @param messages oldest first
     * @param lost how many more there were
     */
    public record Taken(List<Message> messages, long lost) {}

    private final ArrayDeque<Message> messages = new ArrayDeque<>();
    private long lost;

    synchronized void add(long address, int data) {
        if (messages.size() < CAPACITY) {
            messages.add(new Message(address, data));
        } else {
            lost++;
        }
    }

    /** Takes all that are there. */
    public synchronized Taken take() {
        Taken taken = new Taken(new ArrayList<>(messages), lost);
        reset();
        return taken;
    }

    synchronized void reset() {
        messages.clear();
        lost = 0;
    }
}
