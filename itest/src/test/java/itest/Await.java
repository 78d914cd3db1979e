package itest;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/** Waiting for what others make true. */
final class Await {
    /** How long anything may take on a loaded machine before the test fails. */
    static final Duration PATIENCE = Duration.ofSeconds(20);

    private static final long POLL_NANOS = TimeUnit.MICROSECONDS.toNanos(200);

    private Await() {}

    /** @throws AssertionError that names {@code what} if it did not come true in time */
    static void until(String what, BooleanSupplier condition) {
        until(() -> what, condition);
    }

    /** As {@link #until(String, BooleanSupplier)}, with a message made when it is needed. */
    static void until(Supplier<String> what, BooleanSupplier condition) {
        if (!comesTrue(PATIENCE, condition)) {
            throw new AssertionError("waited " + PATIENCE.toSeconds() + " s in vain: " + what.get());
        }
    }

    /** Whether the condition came true in time. */
    static boolean comesTrue(Duration patience, BooleanSupplier condition) {
        long deadlineNanos = System.nanoTime() + patience.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() - deadlineNanos > 0) {
                return false;
            }
            LockSupport.parkNanos(POLL_NANOS);
        }
        return true;
    }
}
