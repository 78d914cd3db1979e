package itest;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.hardware.IommuModel;
import java.util.List;
import java.util.Map;
import javax.inject.Inject;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.ops4j.pax.exam.Configuration;
import org.ops4j.pax.exam.Option;
import org.ops4j.pax.exam.junit.PaxExam;
import org.ops4j.pax.exam.spi.reactors.ExamReactorStrategy;
import org.ops4j.pax.exam.spi.reactors.PerClass;
import org.osgi.framework.BundleContext;
import org.osgi.service.cm.ConfigurationAdmin;

/** zPCI is there when it is configured, takes over from the others and gives back, under two devices at work. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class S390SwapIT {
    private static final String PID = "iommu.s390";
    private static final String NAME = "zpci0";
    private static final int ROUNDS = 40;
    private static final int BYTES_BETWEEN = 64 * 1024;

    @Inject
    private BundleContext context;

    private Iommus iommus;
    private org.osgi.service.cm.Configuration configuration;

    @Configuration
    public static Option[] configuration() {
        return new Option[] {Deployment.complete()};
    }

    @Before
    public void configure() throws Exception {
        iommus = new Iommus(context);
        iommus.awaitWorking(2);
        configuration = Bundles.service(context, ConfigurationAdmin.class).createFactoryConfiguration(PID, "?");
        configuration.update(Bundles.properties(Map.of("iommu.name", NAME)));
        iommus.awaitWorking(3);
    }

    @After
    public void unconfigure() throws Exception {
        configuration.delete();
        iommus.awaitWorking(2);
    }

    @Test(timeout = 120_000)
    public void noByteIsLostBetweenThreeVendors() {
        try (DmaTraffic traffic = DmaTraffic.startUntracked(context)) {
            for (int round = 0; round < ROUNDS; round++) {
                for (String vendor : List.of("s390", round % 2 == 0 ? "smmuv3" : "vtd")) {
                    traffic.awaitBytes(BYTES_BETWEEN);
                    assertEquals("bytes mapped", DmaTraffic.RAM_BYTES, iommus.swapTo(iommus.ofVendor(vendor)).mappedBytes());
                    assertEquals(vendor, iommus.servingVendor());
                }
            }
            traffic.awaitBytes(BYTES_BETWEEN);
            traffic.assertNothingLost();
        }
    }

    @Test(timeout = 60_000)
    public void whoTracksDirtyPagesStaysWhereTheyAreTracked() {
        try (DmaTraffic traffic = DmaTraffic.start(context)) {
            String home = iommus.serving();
            traffic.awaitBytes(BYTES_BETWEEN);
            IommufdException refused = assertThrows(IommufdException.class, () -> iommus.swapTo(NAME));
            assertEquals(Errno.EOPNOTSUPP, refused.errno());
            assertEquals(home, iommus.serving());
            traffic.awaitBytes(BYTES_BETWEEN);
            traffic.assertNothingLost();
        }
    }

    @Test(timeout = 60_000)
    public void whenItsConfigurationGoesTheOthersTakeOver() throws Exception {
        try (DmaTraffic traffic = DmaTraffic.startUntracked(context)) {
            iommus.swapTo(NAME);
            traffic.awaitBytes(BYTES_BETWEEN);
            configuration.update(Bundles.properties(Map.of("iommu.name", NAME, "levels", 3)));
            traffic.awaitBytes(BYTES_BETWEEN);
            Await.until("the new configuration's zPCI", () -> Bundles.references(context, IommuHardware.class, "(&(%s=%s)(levels=3))".formatted(IommuHardware.NAME, NAME)).size() == 1);
            iommus.awaitWorking(3);
            // What a swap chose is preferred from then on, for the next test as well: that shall not be zPCI.
            iommus.swapTo(iommus.ofVendor(iommus.servingVendor().equals("vtd") ? "smmuv3" : "vtd"));
            traffic.assertNothingLost();
        }
    }

    @Test
    public void itsModelIsThereForGuests() {
        assertEquals(1, Bundles.references(context, IommuModel.class, "(%s=s390)".formatted(IommuModel.VENDOR)).size());
    }
}
