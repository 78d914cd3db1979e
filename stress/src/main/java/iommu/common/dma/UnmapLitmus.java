package iommu.common.dma;

import iommu.common.unit.PhysicalWords;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.JJJ_Result;

/** A device writes while its page is unmapped. Results: written, what the page held when unmap returned, what it holds at last. */
@JCStressTest
@Outcome(id = "1, 1, 1", expect = Expect.ACCEPTABLE, desc = "the write came first")
@Outcome(id = "0, 0, 0", expect = Expect.ACCEPTABLE, desc = "the unmap came first")
@Outcome(id = ".*", expect = Expect.FORBIDDEN, desc = "a write landed after the unmap had returned")
@State
public class UnmapLitmus {
    private final InvalidationLog log = new InvalidationLog();
    private final LitmusPort port = new LitmusPort(log);

    /** The device; its IOTLB is empty. */
    @Actor
    public void device(JJJ_Result result) {
        result.r1 = port.writeOne();
    }

    /** The invalidator. */
    @Actor
    public void unmap(JJJ_Result result) {
        PhysicalWords.set(port.entry, 0);
        log.publish(0, 0, 0, 4095);
        if (!log.awaitQuiescence(10_000_000_000L)) {
            throw new IllegalStateException("a request never left");
        }
        result.r2 = PhysicalWords.get(port.page);
    }

    /** Afterwards. */
    @Arbiter
    public void after(JJJ_Result result) {
        result.r3 = PhysicalWords.get(port.page);
    }
}
