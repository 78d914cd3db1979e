package itest;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
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

/** One backend and no successor: while it is away DMA waits, and what was mapped is there when it comes back. */
@RunWith(PaxExam.class)
@ExamReactorStrategy(PerClass.class)
public class BackendReturnsIT {
    private static final int BYTES_BETWEEN = 1 << 20;
    private static final Duration STALLED = Duration.ofMillis(100);

    @Inject
    private BundleContext context;

    private Iommus iommus;
    private Bundle backend;

    @Configuration
    public static Option[] configuration() {
        return new Option[] {Deployment.with("iommufd.api", "iommufd.core", "iommu.vtd")};
    }

    @Before
    public void theBackendIsThere() {
        iommus = new Iommus(context);
        iommus.awaitWorking(1);
        backend = Bundles.named(context, "iommu.vtd");
    }

    @Test(timeout = 60_000)
    public void requestsWaitForTheBackendToReturn() throws Exception {
        try (DmaTraffic traffic = DmaTraffic.start(context)) {
            for (int i = 0; i < 10; i++) {
                traffic.awaitBytes(BYTES_BETWEEN);
                backend.stop();
                traffic.awaitStalled(STALLED);
                backend.start();
            }
            traffic.awaitBytes(BYTES_BETWEEN);
            traffic.assertNothingLost();
        }
    }

    @Test(timeout = 60_000)
    public void aNewReleaseTakesUpWhatTheOldOneLeft() throws Exception {
        try (DmaTraffic traffic = DmaTraffic.start(context)) {
            for (int i = 1; i <= 3; i++) {
                traffic.awaitBytes(BYTES_BETWEEN);
                try (InputStream release = Bundles.release("iommu.vtd", "9.1." + i)) {
                    backend.update(release);
                }
                Bundles.refresh(context, backend);
                traffic.awaitBytes(BYTES_BETWEEN);
            }
            traffic.assertNothingLost();
        }
    }

    @Test(timeout = 60_000)
    public void aDeviceIsToldWhenItWaitedTooLong() throws Exception {
        EngineConfiguration engine = new EngineConfiguration(context);
        engine.setAndRestart(EngineConfiguration.GATE_MILLIS, 150L);
        try (DmaTraffic traffic = DmaTraffic.start(context)) {
            traffic.awaitBytes(BYTES_BETWEEN);
            backend.stop();
            DmaPort port = traffic.openPort();
            MemorySegment bytes = Arena.ofAuto().allocate(64);
            assertEquals(DmaStatus.ABORTED, port.write(DmaTraffic.IOVA, bytes, 0, 64));
            DmaFault fault = port.lastFault().orElseThrow();
            assertEquals(DmaFault.Kind.NO_HARDWARE, fault.kind());
            assertEquals(DmaTraffic.IOVA, fault.iova());
            backend.start();
            iommus.awaitWorking(1);
            Await.until("the port to work again", () -> port.write(DmaTraffic.IOVA, bytes, 0, 64) == DmaStatus.DONE);
            Await.until("the traffic to have met the closed gate", () -> traffic.failedRequests() > 0);
            traffic.awaitBytes(BYTES_BETWEEN);
            assertTrue(traffic.firstFailure().isPresent());
        } finally {
            engine.resetAndRestart();
        }
    }
}
