package iommufd.core.fabric;

import static iommufd.core.fake.Rig.PAGE;
import static iommufd.core.fake.Rig.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.HardwareSwap.HardwareState.State;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.PagingHwpt;
import iommufd.api.Viommu;
import iommufd.api.ViommuTable;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.core.EngineOptions;
import iommufd.core.fake.DmaTraffic;
import iommufd.core.fake.FakeHardware;
import iommufd.core.fake.Rig;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Hardware that leaves, breaks, hangs or lies. */
class HardwareLossTest {
    private static final long IOVA = 1 << 20;
    private static final MemorySegment BYTE = MemorySegment.ofArray(new byte[1]);
    private final Rig rig = new Rig(new EngineOptions(Duration.ofSeconds(5), Duration.ofMillis(300)));
    private final FakeHardware second = new FakeHardware("second", "fake");
    private final DmaEndpoint endpoint = rig.plug(1);
    private final BoundDevice device = rig.context.bind(endpoint);
    private final Ioas ioas = rig.mappedIoas(64);
    private final DmaPort port = endpoint.openPort();

    @AfterEach
    void close() {
        second.sabotage.endHangs();
        rig.close();
    }

    private State stateOf(String name) {
        return rig.engine.swap().hardware().stream().filter(h -> h.name().equals(name)).findFirst().orElseThrow().state();
    }

    @Test
    void withoutASuccessorDmaWaitsAndContextsGoOn() {
        device.attach(ioas);
        try (DmaTraffic traffic = new DmaTraffic(port, IOVA, 9000)) {
            traffic.awaitRounds(3);
            rig.engine.remove(rig.hardware);
            assertThat(rig.hardware.endpointCount()).isZero();
            assertThat(rig.hardware.domainCount()).isZero();
            long stopped = traffic.rounds();
            ioas.mapAt(2 * IOVA, rig.ram, 256 * PAGE, 4 * PAGE, DmaAccess.READ_WRITE);
            ioas.unmap(2 * IOVA, 4 * PAGE);
            ioas.mapAt(3 * IOVA, rig.ram, 256 * PAGE, 4 * PAGE, DmaAccess.READ_WRITE);
            assertRefused(Errno.EINVAL, () -> ioas.mapAt(4 * IOVA + 8, rig.ram, 8, 100, DmaAccess.READ));
            Ioas other = rig.mappedIoas(8);
            PagingHwpt made = rig.context.allocateHwpt(device, other, HwptOptions.none());
            device.replace(made);
            device.replace(ioas);
            made.destroy();
            assertThat(traffic.rounds()).isLessThanOrEqualTo(stopped + 1);
            rig.engine.add(second);
            traffic.awaitRounds(3);
            assertThat(second.endpointCount()).isEqualTo(1);
        }
        assertThat(rig.reaches(port, 3 * IOVA, 256 * PAGE)).isTrue();
        assertThat(rig.reaches(port, 2 * IOVA, 256 * PAGE)).isFalse();
    }

    @Test
    void aSuccessorTakesOverWithoutAStop() {
        rig.engine.add(second);
        device.attach(ioas);
        try (DmaTraffic traffic = new DmaTraffic(port, IOVA, 9000)) {
            for (int update = 0; update < 5; update++) {
                traffic.awaitRounds(3);
                rig.engine.remove(rig.hardware);
                rig.engine.add(rig.hardware);
                traffic.awaitRounds(3);
                rig.engine.remove(second);
                rig.engine.add(second);
            }
        }
        assertThat(rig.hardware.endpointCount()).isEqualTo(1);
    }

    @Test
    void dirtyPagesSurviveTheTimeWithoutHardware() {
        PagingHwpt hwpt = rig.context.allocateHwpt(device, ioas, HwptOptions.withDirtyTracking());
        device.attach(hwpt);
        hwpt.setDirtyTracking(true);
        port.write(IOVA + 2 * PAGE, BYTE, 0, 1);
        rig.engine.remove(rig.hardware);
        assertThat(dirty(hwpt, false)).isEqualTo(0b100);
        rig.engine.add(second);
        port.write(IOVA + 4 * PAGE, BYTE, 0, 1);
        assertThat(dirty(hwpt, true)).isEqualTo(0b10100);
        assertThat(dirty(hwpt, true)).isZero();
    }

    @Test
    void dmaIsAbortedWhenTheGateTimeIsOver() {
        try (Rig impatient = new Rig(new EngineOptions(Duration.ofMillis(100), Duration.ofSeconds(5)))) {
            DmaPort waiting = impatient.plug(1).openPort();
            impatient.engine.remove(impatient.hardware);
            assertThat(waiting.write(0, BYTE, 0, 1)).isEqualTo(DmaStatus.ABORTED);
            assertThat(waiting.lastFault()).get().returns(DmaFault.Kind.NO_HARDWARE, DmaFault::kind);
            assertThat(waiting.fetchAndAdd(0, 1)).isZero();
            assertThat(waiting.status()).isEqualTo(DmaStatus.ABORTED);
        }
    }

    @Test
    void unpluggingEndsWaitingDma() throws Exception {
        device.destroy();
        rig.engine.remove(rig.hardware);
        var request = CompletableFuture.supplyAsync(() -> port.write(0, BYTE, 0, 1));
        endpoint.close();
        assertThat(request.get(5, TimeUnit.SECONDS)).isEqualTo(DmaStatus.ABORTED);
        assertThat(port.lastFault()).get().returns(DmaFault.Kind.UNPLUGGED, DmaFault::kind);
        assertRefused(Errno.ENODEV, endpoint::openPort);
    }

    @Test
    void aPortThatThrowsIsReplaced() {
        rig.engine.add(second);
        PagingHwpt hwpt = rig.context.allocateHwpt(device, ioas, HwptOptions.withDirtyTracking());
        device.attach(hwpt);
        hwpt.setDirtyTracking(true);
        rig.hardware.sabotage.throwAt("write", 1, () -> new AssertionError("a bug"));
        assertThat(port.write(IOVA, BYTE, 0, 1)).isEqualTo(DmaStatus.ABORTED);
        assertThat(port.lastFault()).get().extracting(DmaFault::text).asString().contains("a bug");
        await().untilAsserted(() -> assertThat(second.endpointCount()).isEqualTo(1));
        assertThat(stateOf("first")).isEqualTo(State.FAILED);
        assertThat(rig.reaches(port, IOVA, 0)).isTrue();
        assertThat(dirty(hwpt, true)).as("what cannot be read counts as written").isEqualTo(-1L);
        assertThat(dirty(hwpt, true)).isZero();
        forgetFirst();
    }

    @Test
    void memoryThatWentAwayIsNoDefectOfTheHardware() {
        device.attach(ioas);
        rig.hardware.sabotage.throwAt("write", 1, () -> new InternalError("truncated"));
        assertThat(port.write(IOVA, BYTE, 0, 1)).isEqualTo(DmaStatus.ABORTED);
        assertThat(port.lastFault()).get().returns(DmaFault.Kind.EXTERNAL_ABORT, DmaFault::kind);
        assertThat(stateOf("first")).isEqualTo(State.SERVING);
        assertThat(rig.reaches(port, IOVA, 0)).isTrue();
    }

    @Test
    void aThrowingControlCallIsReportedAndTheHardwareReplaced() {
        rig.engine.add(second);
        rig.hardware.sabotage.throwAt("attach", 1, () -> new IllegalStateException("a bug"));
        assertRefused(Errno.EIO, () -> device.attach(ioas));
        await().untilAsserted(() -> assertThat(second.endpointCount()).isEqualTo(1));
        device.attach(ioas);
        assertThat(rig.reaches(port, IOVA, 0)).isTrue();
        forgetFirst();
    }

    @Test
    void aHangingControlCallIsBounded() {
        rig.engine.add(second);
        rig.hardware.sabotage.hangAt("attach", 1);
        assertRefused(Errno.ETIMEDOUT, () -> device.attach(ioas));
        await().untilAsserted(() -> assertThat(second.endpointCount()).isEqualTo(1));
        device.attach(ioas);
        assertThat(rig.reaches(port, IOVA, 0)).isTrue();
        forgetFirst();
    }

    @Test
    void aBrokenUnmapStopsDmaBeforeItReturns() {
        device.attach(ioas);
        rig.hardware.sabotage.throwAt("unmap", 1, () -> new IllegalStateException("a bug"));
        assertThat(ioas.unmapAll()).isEqualTo(64 * PAGE);
        assertThat(rig.hardware.endpoint(Rig.id(1)) == null || rig.hardware.endpoint(Rig.id(1)).portCount() == 0).isTrue();
        rig.engine.add(second);
        assertThat(rig.reaches(port, IOVA, 0)).isFalse();
        forgetFirst();
    }

    @Test
    void aBrokenMapIsMadeGoodByTheSuccessor() {
        rig.engine.add(second);
        device.attach(ioas);
        rig.hardware.sabotage.throwAt("map", 1, () -> new IllegalStateException("a bug"));
        ioas.mapAt(2 * IOVA, rig.ram, 128 * PAGE, PAGE, DmaAccess.READ_WRITE);
        assertThat(rig.reaches(port, 2 * IOVA, 128 * PAGE)).isTrue();
        forgetFirst();
    }

    @Test
    void aSleepingMapIsInterruptedAndMadeGoodByTheSuccessor() {
        rig.engine.add(second);
        device.attach(ioas);
        rig.hardware.sabotage.sleepAt("map", 1);
        ioas.mapAt(2 * IOVA, rig.ram, 128 * PAGE, PAGE, DmaAccess.READ_WRITE);
        assertThat(Thread.currentThread().isInterrupted()).isFalse();
        assertThat(rig.reaches(port, 2 * IOVA, 128 * PAGE)).isTrue();
        assertThat(stateOf("first")).isEqualTo(State.FAILED);
        forgetFirst();
    }

    @Test
    void aSuccessorThatHangsIsGivenUpAndTheFormerServesOn() {
        rig.engine.add(second);
        device.attach(ioas);
        second.sabotage.hangAt("openPort", 1);
        assertRefused(Errno.ETIMEDOUT, () -> rig.engine.swap().swap("first", "second"));
        assertThat(rig.reaches(port, IOVA, 0)).isTrue();
        assertThat(stateOf("second")).isEqualTo(State.FAILED);
        second.sabotage.endHangs();
        rig.engine.remove(second);
    }

    @Test
    void onlyWhatIsOfTheVendorsFormatWaitsForTheVendor() {
        FakeHardware foreign = new FakeHardware("foreign", "otherVendor");
        PagingHwpt parent = rig.context.allocateHwpt(device, ioas, HwptOptions.asNestParent());
        Viommu viommu = rig.context.allocateViommu(device, parent, new ViommuTable(1, new byte[0]));
        viommu.allocateVdevice(device, 11);
        viommu.allocateEventQueue(1, 8);
        device.attach(viommu.allocateNestedHwpt(device, Rig.shiftedBy(IOVA), Optional.empty()));
        DmaEndpoint plain = rig.plug(2);
        rig.context.bind(plain).attach(ioas);
        DmaPort plainPort = plain.openPort();
        rig.engine.add(foreign);
        rig.engine.remove(rig.hardware);
        assertThat(rig.reaches(plainPort, IOVA, 0)).isTrue();
        var waiting = CompletableFuture.supplyAsync(() -> port.write(0, BYTE, 0, 1));
        assertThat(foreign.endpointCount()).isEqualTo(1);
        assertThat(waiting).isNotDone();
        rig.engine.add(second);
        assertThat(waiting.orTimeout(5, TimeUnit.SECONDS).join()).isEqualTo(DmaStatus.DONE);
        assertThat(second.viommu(0).devices).containsOnlyKeys(11L);
        assertThat(second.viommu(0).events).containsOnlyKeys(1);
        assertThat(second.endpointCount()).isEqualTo(1);
    }

    @Test
    void nothingOfHardwareThatLeftIsHeld() {
        device.attach(ioas);
        FakeHardware[] leaving = {new FakeHardware("leaving", "fake")};
        WeakReference<FakeHardware> trace = new WeakReference<>(leaving[0]);
        rig.engine.add(leaving[0]);
        rig.engine.swap().swap("first", "leaving");
        port.write(IOVA, BYTE, 0, 1);
        port.write(0, BYTE, 0, 1);
        rig.context.allocateHwpt(device, ioas, new HwptOptions(true, true, false, Optional.empty()));
        rig.engine.remove(leaving[0]);
        assertThat(rig.reaches(port, IOVA, 0)).isTrue();
        leaving[0] = null;
        await().untilAsserted(() -> {
            System.gc();
            assertThat(trace.get()).isNull();
        });
    }

    /** Tables of failed hardware are its own business; let the rig's checks not find them. */
    private void forgetFirst() {
        rig.hardware.sabotage.endHangs();
        rig.engine.remove(rig.hardware);
        rig.hardware.reset();
    }

    private static long dirty(PagingHwpt hwpt, boolean clear) {
        MemorySegment bits = MemorySegment.ofArray(new long[1]);
        hwpt.readDirty(IOVA, 64 * PAGE, PAGE, bits, clear);
        return bits.get(ValueLayout.JAVA_LONG, 0);
    }
}
