package itest;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertTrue;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.HardwareSwap.HardwareState;
import iommufd.api.HardwareSwap.HardwareState.State;
import iommufd.api.IommufdException;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.PhysicalMemory;
import itest.FlakyHardware.Misbehaviour;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
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

/** A backend breaks under devices at work: it throws, or never returns. The devices go on elsewhere, with right bytes. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class CrashIT {
    private static final int BYTES_BETWEEN = 256 * 1024;
    private static final long SPARE_IOVA = 1L << 36;
    private static final int SPARE_BYTES = 64 * 1024;

    @Inject
    private BundleContext context;

    private EngineConfiguration engine;
    private Iommus iommus;
    private DmaTraffic traffic;
    private FlakyHardware flaky;
    /** What served before the flaky backend, and can again. */
    private String home;

    @Configuration
    public static Option[] configuration() {
        return new Option[] {Deployment.complete()};
    }

    /** The traffic goes through the flaky backend, which has the real one behind it that does not serve. */
    @Before
    public void theFlakyBackendServes() throws Exception {
        engine = new EngineConfiguration(context);
        engine.setAndRestart(EngineConfiguration.CALL_MILLIS, 300L);
        iommus = new Iommus(context);
        iommus.awaitWorking(2);
        traffic = DmaTraffic.start(context);
        traffic.awaitBytes(BYTES_BETWEEN);
        home = iommus.serving();
        String idle = iommus.working().stream().map(HardwareState::name).filter(name -> !name.equals(home)).findFirst().orElseThrow();
        flaky = new FlakyHardware(context, Bundles.service(context, IommuHardware.class, "(%s=%s)".formatted(IommuHardware.NAME, idle)));
        iommus.awaitWorking(3);
        iommus.swapTo(FlakyHardware.NAME);
        traffic.awaitBytes(BYTES_BETWEEN);
        assertEquals(FlakyHardware.NAME, iommus.serving());
        assertEquals("DMA is well before the crash: " + traffic, 0, traffic.failedRequests());
    }

    @After
    public void takeDown() throws Exception {
        traffic.close();
        flaky.close();
        engine.resetAndRestart();
    }

    @Test(timeout = 60_000)
    public void aBackendThatThrowsInADmaRequestIsReplaced() {
        flaky.misbehave(Misbehaviour.THROWS, "write", "read");
        awaitReplacement();
    }

    @Test(timeout = 60_000)
    public void aBackendThatThrowsInAMapIsReplaced() {
        flaky.misbehave(Misbehaviour.THROWS, "map", "mapSmallest", "unmap");
        mapAndUnmap();
        awaitReplacement();
        assertEquals("no request needed to fail: " + traffic, 0, traffic.failedRequests());
        assertEquals("once replaced, mapping works", Optional.empty(), mapAndUnmap());
    }

    @Test(timeout = 60_000)
    public void aBackendThatHangsInAMapIsReplaced() {
        flaky.misbehave(Misbehaviour.HANGS, "map", "mapSmallest", "unmap");
        mapAndUnmap();
        awaitReplacement();
        assertEquals("no request needed to fail: " + traffic, 0, traffic.failedRequests());
        assertEquals("once replaced, mapping works", Optional.empty(), mapAndUnmap());
    }

    /** Nobody watches single requests; who moves the devices away finds out. */
    @Test(timeout = 60_000)
    public void devicesStuckInABackendAreFreedByASwap() {
        flaky.misbehave(Misbehaviour.HANGS, "write", "read");
        traffic.awaitStalled(Duration.ofMillis(100));
        try {
            iommus.swapTo(home);
        } catch (IommufdException refused) {
            assertTrue(refused.getMessage(), Set.of(Errno.EIO, Errno.ETIMEDOUT).contains(refused.errno()));
        }
        flaky.misbehave(Misbehaviour.NONE);
        flaky.letGo();   // what hung comes back late, to a port that is closed
        awaitReplacement();
    }

    @Test(timeout = 60_000)
    public void aBackendThatBreaksCompletelyIsReplaced() {
        flaky.misbehave(Misbehaviour.THROWS, "write", "read", "map", "mapSmallest", "unmap", "attach", "block", "close", "release", "openPort");
        awaitReplacement();
    }

    @Test(timeout = 60_000)
    public void aSwapToABrokenBackendIsRefusedAndChangesNothing() {
        iommus.swapTo(home);
        flaky.misbehave(Misbehaviour.THROWS, "attach");
        try {
            iommus.swapTo(FlakyHardware.NAME);
            throw new AssertionError("the swap to a broken backend succeeded");
        } catch (IommufdException refused) {
            assertTrue(refused.getMessage(), Set.of(Errno.EIO, Errno.ENODEV).contains(refused.errno()));
        }
        assertEquals(home, iommus.serving());
        traffic.awaitBytes(BYTES_BETWEEN);
        traffic.assertNothingLost();
    }

    /** Others serve, what the device sees is right, and the broken one is marked. */
    private void awaitReplacement() {
        Await.until("the flaky backend to be given up", () -> iommus.state(FlakyHardware.NAME) == State.FAILED);
        traffic.awaitBytes(BYTES_BETWEEN);
        assertNotEquals(FlakyHardware.NAME, iommus.serving());
        traffic.finish();
        assertEquals("corrupted bytes: " + traffic, 0, traffic.corruptedBytes());
    }

    /** Maps and unmaps memory while the traffic goes on. @return the errno it was refused with */
    private Optional<Errno> mapAndUnmap() {
        try (GuestRam spare = Bundles.service(context, PhysicalMemory.class).allocateGuestRam(SPARE_BYTES, false)) {
            traffic.ioas().mapAt(SPARE_IOVA, spare, 0, SPARE_BYTES, DmaAccess.READ_WRITE);
            traffic.ioas().unmap(SPARE_IOVA, SPARE_BYTES);
            return Optional.empty();
        } catch (IommufdException refused) {
            return Optional.of(refused.errno());
        }
    }
}
