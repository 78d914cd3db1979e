package iommu.tck;

import static org.assertj.core.api.Assertions.fail;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;

/** One request that may have to wait, on a thread of its own. */
final class Waiting<T> {
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final long LOOK_MILLIS = 60;

    private final CompletableFuture<T> end = new CompletableFuture<>();

    private Waiting() {}

    static <T> Waiting<T> start(Supplier<T> request) {
        Waiting<T> waiting = new Waiting<>();
        Thread.ofPlatform().daemon().name("waiting").start(() -> {
            try {
                waiting.end.complete(request.get());
            } catch (RuntimeException | Error thrown) {
                waiting.end.completeExceptionally(thrown);
            }
        });
        return waiting;
    }

    /** What it ends with, some time. */
    T ends() {
        return endsWithin(PATIENCE);
    }

    T endsWithin(Duration patience) {
        try {
            return end.get(patience.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException late) {
            return fail("a request did not end within " + patience);
        } catch (ExecutionException thrown) {
            throw new AssertionError("a request threw", thrown.getCause());
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", interrupted);
        }
    }

    /** Whether it has ended, a moment from now. */
    boolean isOver() {
        try {
            end.get(LOOK_MILLIS, TimeUnit.MILLISECONDS);
            return true;
        } catch (TimeoutException waits) {
            return false;
        } catch (ExecutionException thrown) {
            throw new AssertionError("a request threw", thrown.getCause());
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", interrupted);
        }
    }
}
