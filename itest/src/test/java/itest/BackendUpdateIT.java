package itest;

import static org.junit.Assert.assertEquals;

import java.io.InputStream;
import javax.inject.Inject;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.ops4j.pax.exam.junit.PaxExam;
import org.ops4j.pax.exam.spi.reactors.ExamReactorStrategy;
import org.ops4j.pax.exam.spi.reactors.PerClass;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.Version;

/** The bundle of the hardware that serves is updated to a new release while devices work. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class BackendUpdateIT {
    private static final int UPDATES = 5;
    private static final int BYTES_BETWEEN = 1 << 20;

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
    public void dmaSurvivesUpdatesOfWhateverServesIt() throws Exception {
        try (DmaTraffic traffic = DmaTraffic.start(context)) {
            for (int i = 1; i <= UPDATES; i++) {
                traffic.awaitBytes(BYTES_BETWEEN);
                Bundle serving = iommus.bundleOf(iommus.serving());
                String version = "9.0." + i;
                try (InputStream release = Bundles.release(serving.getSymbolicName(), version)) {
                    serving.update(release);
                }
                Bundles.refresh(context, serving);
                assertEquals(Version.parseVersion(version), serving.getVersion());
                assertEquals(Bundle.ACTIVE, serving.getState());
                traffic.awaitBytes(BYTES_BETWEEN);
                iommus.awaitWorking(2);   // the new release came back, to serve or to stand by
            }
            traffic.assertNothingLost();
        }
    }
}
