package itest;

import static org.junit.Assert.assertEquals;

import iommufd.api.hardware.IommuHardware;
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

/** Configuration Admin says which hardware the engine may use; a change moves devices at work. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class RetargetIT {
    private static final int CHANGES = 10;
    private static final int BYTES_BETWEEN = 256 * 1024;

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

    @Test(timeout = 60_000)
    public void theConfiguredVendorServes() throws Exception {
        EngineConfiguration engine = new EngineConfiguration(context);
        try (DmaTraffic traffic = DmaTraffic.start(context)) {
            for (int i = 0; i < CHANGES; i++) {
                traffic.awaitBytes(BYTES_BETWEEN);
                String vendor = iommus.servingVendor().equals("vtd") ? "smmuv3" : "vtd";
                engine.set(EngineConfiguration.HARDWARE_TARGET, "(%s=%s)".formatted(IommuHardware.VENDOR, vendor));
                iommus.awaitServedBy(vendor);
                traffic.awaitBytes(BYTES_BETWEEN);
                assertEquals(vendor, iommus.servingVendor());
            }
            traffic.assertNothingLost();
        } finally {
            engine.resetAndRestart();
        }
    }
}
