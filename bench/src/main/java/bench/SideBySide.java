package bench;

import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** Times of a benchmark that does the same work twice in turn, bare and measured: a busy neighbour slows both. */
@State(Scope.Thread)
@AuxCounters(AuxCounters.Type.EVENTS)
public class SideBySide {
    static final String YARDSTICK = "yardstickNanos";
    static final String MEASURED = "measuredNanos";
    static final String OPERATIONS = "operations";

    public long yardstickNanos;
    public long measuredNanos;
    public long operations;
}
