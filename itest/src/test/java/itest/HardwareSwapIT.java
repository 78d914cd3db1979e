package itest;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import iommufd.api.HardwareSwap.SwapReport;
import java.util.BitSet;
import javax.inject.Inject;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.ops4j.pax.exam.junit.PaxExam;
import org.ops4j.pax.exam.spi.reactors.ExamReactorStrategy;
import org.ops4j.pax.exam.spi.reactors.PerClass;
import org.osgi.framework.BundleContext;

/** VT-d for SMMUv3 and back under two devices at work: nobody notices. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class HardwareSwapIT {
    private static final int SWAPS = 300;
    private static final int DIRTY_SWAPS = 60;
    private static final int BYTES_BETWEEN = 64 * 1024;

    @Inject
    private BundleContext context;

    private Iommus iommus;

    @Configuration
    public static Option[] configuration() {
        return new Option[] {Deployment.complete()};
    }

    @Before
    public void bothVendorsAreThere() {
        iommus = new Iommus(context);
        iommus.awaitWorking(2);
    }

    @Test(timeout = 120_000)
    public void noByteIsLostInThreeHundredSwaps() {
        try (DmaTraffic traffic = DmaTraffic.start(context)) {
            String home = iommus.serving();
            for (int i = 0; i < SWAPS; i++) {
                traffic.awaitBytes(BYTES_BETWEEN);
                String before = iommus.serving();
                SwapReport report = iommus.swap();
                assertEquals(before, report.from());
                assertEquals(report.to(), iommus.serving());
                assertEquals("endpoints moved", 2, report.endpoints());
                assertEquals("page tables moved", 1, report.domains());
                assertEquals("bytes mapped", DmaTraffic.RAM_BYTES, report.mappedBytes());
                assertTrue("a pause takes time: " + report, report.pauseNanos() > 0);
            }
            traffic.awaitBytes(BYTES_BETWEEN);
            assertEquals("an even number of swaps ends where it began", home, iommus.serving());
            traffic.assertNothingLost();
        }
    }

    @Test(timeout = 120_000)
    public void everyPageWrittenIsReportedDirtyAcrossSwaps() {
        try (DmaTraffic traffic = DmaTraffic.start(context)) {
            for (int i = 0; i < DIRTY_SWAPS; i++) {
                traffic.awaitBytes(BYTES_BETWEEN);   // marked on the one
                iommus.swap();
                traffic.awaitBytes(BYTES_BETWEEN);   // and on the other
                traffic.pause();
                try {
                    BitSet written = traffic.takeWrittenPages();
                    BitSet dirty = traffic.takeDirtyPages();
                    assertFalse("nothing was written", written.isEmpty());
                    assertEquals("after swap %d, pages written, but not reported".formatted(i), "none", without(written, dirty));
                    assertEquals("after swap %d, pages reported, but not written".formatted(i), "none", without(dirty, written));
                } finally {
                    traffic.resume();
                }
            }
            traffic.assertNothingLost();
        }
    }

    /** What of {@code pages} is not in {@code others}: how many, and the first. */
    private static String without(BitSet pages, BitSet others) {
        BitSet rest = (BitSet) pages.clone();
        rest.andNot(others);
        return rest.isEmpty() ? "none" : rest.cardinality() + ", the first is page " + rest.nextSetBit(0);
    }
}
