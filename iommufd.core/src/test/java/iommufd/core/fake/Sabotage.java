package iommufd.core.fake;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;

/** What goes wrong in a fake backend, and when. */
public final class Sabotage {
    private record Plan(AtomicInteger countdown, Runnable deed) {}

    private final Map<String, Plan> plans = new ConcurrentHashMap<>();
    private final AtomicInteger refusalIn = new AtomicInteger(-1);
    private final CountDownLatch hangs = new CountDownLatch(1);

    /** The {@code nth} call of {@code method} from now on, counted from 1, throws. */
    public void throwAt(String method, int nth, Supplier<? extends Throwable> failure) {
        plans.put(method, new Plan(new AtomicInteger(nth), () -> sneak(failure.get())));
    }

    /** That call does not return before {@link #endHangs}; interrupts do not help. */
    public void hangAt(String method, int nth) {
        plans.put(method, new Plan(new AtomicInteger(nth), () -> {
            boolean over = false;
            while (!over) {
                try {
                    hangs.await();
                    over = true;
                } catch (InterruptedException ignored) {
                    Thread.interrupted();
                }
            }
        }));
    }

    /** That call waits until it is interrupted, then throws. */
    public void sleepAt(String method, int nth) {
        plans.put(method, new Plan(new AtomicInteger(nth), () -> {
            try {
                hangs.await();
            } catch (InterruptedException woken) {
                throw new IllegalStateException("interrupted", woken);
            }
        }));
    }

    public void endHangs() {
        hangs.countDown();
    }

    /** The {@code nth} call that may refuse, of whatever method, is refused with ENOMEM. */
    public void refuseAt(int nth) {
        refusalIn.set(nth);
    }

    /** Ends {@link #refuseAt}. @return whether it never came to it */
    public boolean calm() {
        return refusalIn.getAndSet(-1) > 0;
    }

    /** A method begins that may refuse. */
    void refusable(String method) {
        step(method);
        refusable(method, Errno.ENOMEM);
    }

    /** Something begins that may fail with that errno, in the backend or elsewhere. */
    public void refusable(String what, Errno errno) {
        if (refusalIn.get() > 0 && refusalIn.decrementAndGet() == 0) {
            throw new IommufdException(errno, "injected into " + what);
        }
    }

    /** A method begins. */
    void step(String method) {
        Plan plan = plans.get(method);
        if (plan != null && plan.countdown().decrementAndGet() == 0) {
            plans.remove(method, plan);
            plan.deed().run();
        }
    }

    @SuppressWarnings("unchecked")
    private static <T extends Throwable> void sneak(Throwable failure) throws T {
        throw (T) failure;
    }
}
