package iommufd.core.object;

import iommufd.api.EventQueue;
import iommufd.api.hardware.HardwareViommu;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * Events of a vIOMMU. When it is full, one record at its end stands for all that were lost since. Guarded by the monitor of
 * {@link #arrival}.
 */
final class EventQueueObject extends ContextObject implements EventQueue, HardwareViommu.EventSink {
    static final int MAX_DEPTH = 1 << 19;

    private final ViommuObject viommu;
    private final int type;
    private final int depth;
    private final Arrival arrival = new Arrival();
    private final Deque<Event> events = new ArrayDeque<>();
    /** Events with payload; the record of losses does not count. */
    private int stored;
    private int sequence;

    EventQueueObject(ViommuObject viommu, int type, int depth) {
        super(viommu.context());
        this.viommu = viommu;
        this.type = type;
        this.depth = depth;
    }

    int type() {
        return type;
    }

    @Override
    String kind() {
        return "event queue";
    }

    @Override
    void release() {
        viommu.remove(this);
    }

    @Override
    public void event(byte[] record) {
        byte[] payload = record.clone();
        synchronized (arrival) {
            boolean lost = stored == depth;
            if (!events.isEmpty() && events.getLast().lost()) {
                events.removeLast();   // the gap in the sequence tells of it as well
            }
            events.add(new Event(sequence, lost, lost ? new byte[0] : payload));
            sequence = sequence + 1 & Integer.MAX_VALUE;
            stored += lost ? 0 : 1;
            arrival.signal();
        }
        arrival.tell();
    }

    @Override
    public Optional<Event> read() {
        checkAlive();
        synchronized (arrival) {
            Optional<Event> oldest = Optional.ofNullable(events.poll());
            oldest.filter(event -> !event.lost()).ifPresent(event -> stored--);
            return oldest;
        }
    }

    /** Takes the oldest event only if {@code fits} says so. @return whether there was one, and it */
    Taken readIf(Predicate<Event> fits) {
        checkAlive();
        synchronized (arrival) {
            Event oldest = events.peek();
            if (oldest == null) {
                return Taken.NOTHING;
            }
            if (!fits.test(oldest)) {
                return Taken.TOO_LONG;
            }
            events.remove();
            stored -= oldest.lost() ? 0 : 1;
            return new Taken(true, Optional.of(oldest));
        }
    }

    /** Outcome of {@link #readIf}. @param present whether there was an event @param event what was taken */
    record Taken(boolean present, Optional<Event> event) {
        static final Taken NOTHING = new Taken(false, Optional.empty());
        static final Taken TOO_LONG = new Taken(true, Optional.empty());
    }

    @Override
    public boolean awaitReadable(Duration timeout) throws InterruptedException {
        checkAlive();
        return arrival.await(timeout, () -> !events.isEmpty());
    }

    @Override
    public void onReadable(Runnable listener) {
        checkAlive();
        arrival.listen(listener);
    }
}
