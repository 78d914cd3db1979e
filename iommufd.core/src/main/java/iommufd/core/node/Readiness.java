package iommufd.core.node;

import java.time.Duration;

/** Asks a queue without waiting. */
final class Readiness {
    private Readiness() {}

    /** A queue's way of being waited for. */
    @FunctionalInterface
    interface Wait {
        /** Whether something can be read, at the latest after that time. */
        boolean await(Duration timeout) throws InterruptedException;
    }

    static boolean readable(Wait queue) {
        try {
            return queue.await(Duration.ZERO);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
