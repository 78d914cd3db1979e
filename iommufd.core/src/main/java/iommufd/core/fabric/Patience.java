package iommufd.core.fabric;

import java.time.Duration;

/**
 * How long the engine waits.
 *
 * @param gateNanos how long a DMA request waits for hardware before it is aborted
 * @param callNanos how long a call of a backend may take before the backend counts as failed
 */
public record Patience(long gateNanos, long callNanos) {
    /** From durations. */
    public static Patience of(Duration gate, Duration call) {
        return new Patience(gate.toNanos(), call.toNanos());
    }
}
