package devnode.fuse.server;

import static org.assertj.core.api.Assertions.assertThat;

import devnode.fuse.linux.IdleProcessors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class BurstsTest {
    private static final long PATIENCE_NANOS = TimeUnit.MILLISECONDS.toNanos(200);
    private static final long NEVER_NANOS = TimeUnit.HOURS.toNanos(1);
    private static final long DEADLINE_NANOS = TimeUnit.SECONDS.toNanos(20);

    private final Processors processors = new Processors();

    private static final class Processors implements IdleProcessors {
        volatile boolean awake;
        volatile int wakings;
        volatile boolean closed;
        boolean able = true;

        @Override
        public boolean canStayAwake() {
            return able;
        }

        @Override
        public void stayAwake() {
            awake = true;
            wakings++;
        }

        @Override
        public void maySleep() {
            awake = false;
        }

        @Override
        public void close() {
            closed = true;
        }
    }

    private static void requests(Bursts bursts, int count) {
        for (int i = 0; i < count; i++) {
            bursts.request();
        }
    }

    private void awaitSleep() {
        long began = System.nanoTime();
        while (processors.awake && System.nanoTime() - began < DEADLINE_NANOS) {
            Thread.onSpinWait();
        }
    }

    @Test
    void manyRequestsSoonAfterEachOtherKeepProcessorsAwakeUntilNoneComes() {
        try (Bursts bursts = new Bursts(processors, PATIENCE_NANOS)) {
            for (int burst = 1; burst <= 3; burst++) {
                requests(bursts, Bursts.REQUESTS + 100);
                long last = System.nanoTime();
                assertThat(processors.wakings).isEqualTo(burst);
                awaitSleep();
                assertThat(processors.awake).isFalse();
                assertThat(System.nanoTime() - last).isGreaterThan(PATIENCE_NANOS / 2);
            }
        }
    }

    @Test
    void fewRequestsDoNot() {
        try (Bursts bursts = new Bursts(processors, NEVER_NANOS)) {
            requests(bursts, Bursts.REQUESTS - 2);
            assertThat(processors.wakings).isZero();
        }
    }

    @Test
    void requestsFarFromEachOtherDoNot() {
        try (Bursts bursts = new Bursts(processors, 1)) {
            requests(bursts, 10 * Bursts.REQUESTS);
            assertThat(processors.wakings).isZero();
        }
    }

    @Test
    void nothingHappensWhereItIsImpossibleOrNotWanted() {
        try (Bursts bursts = new Bursts(processors, 0)) {
            requests(bursts, 10 * Bursts.REQUESTS);
        }
        processors.able = false;
        try (Bursts bursts = new Bursts(processors, NEVER_NANOS)) {
            requests(bursts, 10 * Bursts.REQUESTS);
        }
        assertThat(processors.wakings).isZero();
    }

    @Test
    void afterTheEndProcessorsMaySleepAndNoRequestWakesThem() {
        Bursts bursts = new Bursts(processors, NEVER_NANOS);
        requests(bursts, Bursts.REQUESTS);
        assertThat(processors.awake).isTrue();
        bursts.close();
        assertThat(processors.awake).isFalse();
        assertThat(processors.closed).isTrue();
        requests(bursts, Bursts.REQUESTS);
        assertThat(processors.wakings).isEqualTo(1);
    }
}
