package vmm.qtest.board;

import java.util.Comparator;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.PriorityQueue;

/** The board's time, which stands still unless the client moves it. Guarded by the board's lock. */
public final class VirtualClock {
    private record Alarm(long deadlineNs, Object owner, Runnable action) {}

    private final PriorityQueue<Alarm> alarms = new PriorityQueue<>(Comparator.comparingLong(Alarm::deadlineNs));
    private long nowNs;

    /** Nanoseconds since power came. */
    public long nowNs() {
        return nowNs;
    }

    /** {@code action} happens {@code delayNs} from now; what {@code owner} had planned before does not. */
    public void after(long delayNs, Object owner, Runnable action) {
        cancel(owner);
        alarms.add(new Alarm(nowNs + delayNs, owner, action));
    }

    /** What {@code owner} had planned does not happen. */
    public void cancel(Object owner) {
        alarms.removeIf(alarm -> alarm.owner == owner);
    }

    /** When something happens next; empty if nothing is planned. */
    public OptionalLong nextDeadlineNs() {
        return Optional.ofNullable(alarms.peek()).map(alarm -> OptionalLong.of(alarm.deadlineNs)).orElse(OptionalLong.empty());
    }

    /** It becomes {@code newNowNs}; time does not run backwards. On the way happens what was planned. */
    public void advanceTo(long newNowNs) {
        while (!alarms.isEmpty() && alarms.peek().deadlineNs <= newNowNs) {
            Alarm alarm = alarms.poll();
            nowNs = Math.max(nowNs, alarm.deadlineNs);
            alarm.action.run();
        }
        nowNs = Math.max(nowNs, newNowNs);
    }
}
