package iommu.s390.unit;

import iommu.s390.format.BigWords;
import iommu.s390.format.EventBlock;
import java.util.ArrayDeque;
import java.util.Queue;

/**
 * Event information that waits for software. A function in the error state raises no event, so that the queue grows only as fast as
 * software resets functions; who resets them without taking what they say loses the events that find the queue full. Thread-safe.
 */
final class PendingEvents {
    /** Events kept. */
    static final int CAPACITY = 4096;

    private record Event(int handle, int number, int qualifier, long iova, int code) {}

    private final Queue<Event> events = new ArrayDeque<>();
    private final EventLine line;

    PendingEvents(EventLine line) {
        this.line = line;
    }

    /** Without telling anybody: {@link #tell} follows, without locks. */
    synchronized void add(int handle, int number, int qualifier, long iova, int code) {
        if (events.size() < CAPACITY) {
            events.add(new Event(handle, number, qualifier, iova, code));
        }
    }

    void tell() {
        line.changed(true);
    }

    synchronized boolean pending() {
        return !events.isEmpty();
    }

    void clear() {
        synchronized (this) {
            events.clear();
        }
        line.changed(false);
    }

    /** Stores the oldest event at a host address, and forgets it. */
    void store(long block) {
        boolean last;
        synchronized (this) {
            for (int offset = 0; offset < EventBlock.BYTES; offset += Long.BYTES) {
                BigWords.set(block + offset, 0);
            }
            Event event = events.poll();
            int response = event == null ? EventBlock.NOTHING : EventBlock.STORED;
            BigWords.setInt(block + EventBlock.LENGTH, EventBlock.BYTES << 16 | response);
            if (event == null) {
                return;
            }
            last = events.isEmpty();
            BigWords.setInt(block + 4, EventBlock.PCI);
            BigWords.setInt(block + EventBlock.FLAGS, (last ? 0 : EventBlock.MORE << 24) | EventBlock.ERROR);
            BigWords.setInt(block + EventBlock.HANDLE, event.handle);
            BigWords.setInt(block + EventBlock.FUNCTION, event.number);
            BigWords.setInt(block + EventBlock.QUALIFIER, event.qualifier);
            BigWords.set(block + EventBlock.ADDRESS, event.iova);
            BigWords.setInt(block + EventBlock.EVENT_CODE - 2, event.code);
        }
        if (last) {
            line.changed(false);
        }
    }
}
