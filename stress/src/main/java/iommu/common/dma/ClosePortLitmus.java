package iommu.common.dma;

import iommu.common.unit.PhysicalWords;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Arbiter;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.JJJ_Result;

/** A device writes while its port is closed, as in a hardware swap. Results as in {@link UnmapLitmus}. */
@JCStressTest
@Outcome(id = "1, 1, 1", expect = Expect.ACCEPTABLE, desc = "the write came first")
@Outcome(id = "0, 0, 0", expect = Expect.ACCEPTABLE, desc = "the port was closed first")
@Outcome(id = ".*", expect = Expect.FORBIDDEN, desc = "a write landed after the port had drained")
@State
public class ClosePortLitmus {
    private final LitmusPort port = new LitmusPort(new InvalidationLog());

    /** The device. */
    @Actor
    public void device(JJJ_Result result) {
        result.r1 = port.writeOne();
    }

    /** The swap. */
    @Actor
    public void close(JJJ_Result result) {
        if (!port.close(10_000_000_000L)) {
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
