package iommu.common.unit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A flood of one device is nobody else's business, and nothing of it is forgotten. */
class InterruptHandlingTest {
    @Test
    @Timeout(20)
    void whoRaisesIsNotKeptByAFlood() {
        AtomicBoolean flooding = new AtomicBoolean(true);
        AtomicInteger batches = new AtomicInteger();
        try (InterruptHandling handling = new InterruptHandling("flood", () -> {
            batches.incrementAndGet();
            return flooding.get();
        })) {
            handling.raised();   // returns although there is no end of it
            await().until(() -> batches.get() > 1000);
            flooding.set(false);
        }
        int after = batches.get();
        assertThat(after).isGreaterThan(1000);
    }

    @Test
    @Timeout(20)
    void whatFitsIsHandledBeforeTheReturn() {
        AtomicInteger waiting = new AtomicInteger(1);
        try (InterruptHandling handling = new InterruptHandling("calm", () -> {
            waiting.set(0);
            return false;
        })) {
            handling.raised();
            assertThat(waiting).hasValue(0);
        }
    }

    /** Devices put entries into a queue and interrupt when it was empty, as hardware does; in the end the queue is empty. */
    @Test
    @Timeout(60)
    void nothingIsLeftBehindHoweverThreadsMeet() throws InterruptedException {
        for (int round = 0; round < 200; round++) {
            AtomicLong queued = new AtomicLong();
            try (InterruptHandling handling = new InterruptHandling("race", () -> {
                for (int i = 0; i < 4; i++) {
                    if (queued.getAndUpdate(count -> Math.max(0, count - 1)) <= 0) {
                        return false;
                    }
                }
                return true;
            })) {
                Thread[] devices = new Thread[3];
                for (int i = 0; i < devices.length; i++) {
                    devices[i] = Thread.ofPlatform().start(() -> {
                        for (int entry = 0; entry < 500; entry++) {
                            if (queued.getAndIncrement() == 0) {
                                handling.raised();
                            }
                        }
                    });
                }
                for (Thread device : devices) {
                    device.join();
                }
                await().pollDelay(Duration.ZERO).pollInterval(Duration.ofMillis(1)).until(() -> queued.get() == 0);
            }
        }
    }
}
