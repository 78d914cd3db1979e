package iommufd.core.object;

import static iommufd.core.fake.Rig.PAGE;
import static iommufd.core.fake.Rig.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.FaultQueue;
import iommufd.api.FaultRecord;
import iommufd.api.FaultResponse;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.PagingHwpt;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.PageRequest;
import iommufd.core.fake.FakeHardware;
import iommufd.core.fake.Rig;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** IO page faults from the device to user space and back. */
class FaultQueueTest {
    private static final long IOVA = 1 << 20;
    private static final Duration LONG = Duration.ofSeconds(10);
    private final Rig rig = new Rig();
    private DmaEndpoint endpoint;
    private BoundDevice device;
    private FaultQueue queue;
    private Ioas ioas;
    private PagingHwpt hwpt;
    private DmaPort port;

    @BeforeEach
    void open() {
        endpoint = rig.plug(1, 1, 0, true);
        device = rig.context.bind(endpoint);
        queue = rig.context.allocateFaultQueue();
        ioas = rig.context.allocateIoas();
        hwpt = rig.context.allocateHwpt(device, ioas, new HwptOptions(false, false, false, Optional.of(queue)));
        device.attach(hwpt);
        port = endpoint.openPort();
    }

    @AfterEach
    void close() {
        rig.close();
    }

    private CompletableFuture<DmaStatus> write() {
        return CompletableFuture.supplyAsync(() -> port.write(IOVA, MemorySegment.ofArray(new byte[] {1, 2, 3}), 0, 3));
    }

    private FaultRecord next() throws InterruptedException {
        assertThat(queue.awaitReadable(LONG)).isTrue();
        List<FaultRecord> records = queue.read(8);
        assertThat(records).hasSize(1);
        return records.getFirst();
    }

    private static DmaStatus end(CompletableFuture<DmaStatus> request) throws Exception {
        return request.get(10, TimeUnit.SECONDS);
    }

    @Test
    void anAbsentPageArrivesAfterTheAnswer() throws Exception {
        var request = write();
        FaultRecord fault = next();
        assertThat(fault).returns(device.id(), FaultRecord::deviceId).returns(IOVA, FaultRecord::iova)
                .returns(DmaAccess.WRITE, FaultRecord::access).returns(true, FaultRecord::lastOfGroup).returns(1, FaultRecord::cookie);
        ioas.mapAt(IOVA, rig.ram, 0, PAGE, DmaAccess.READ_WRITE);
        assertRefused(Errno.EINVAL, () -> queue.respond(77, FaultResponse.SUCCESS));
        queue.respond(fault.cookie(), FaultResponse.SUCCESS);
        assertThat(end(request)).isEqualTo(DmaStatus.DONE);
        assertRefused(Errno.EINVAL, () -> queue.respond(fault.cookie(), FaultResponse.SUCCESS));
        assertThat(rig.ram.segment().get(ValueLayout.JAVA_BYTE, 2)).isEqualTo((byte) 3);
    }

    @Test
    void anAnswerMayEndTheRequest() throws Exception {
        List<DmaFault> told = new CopyOnWriteArrayList<>();
        rig.engine.add(told::add);
        var request = write();
        queue.respond(next().cookie(), FaultResponse.INVALID);
        assertThat(end(request)).isEqualTo(DmaStatus.FAULTED);
        assertThat(port.lastFault()).get().returns(DmaFault.Kind.TRANSLATION, DmaFault::kind);
        assertThat(told).hasSize(1);
    }

    @Test
    void withoutAFaultQueueNobodyAnswers() {
        device.replace(rig.mappedIoas(1));
        assertThat(port.write(0, MemorySegment.ofArray(new byte[1]), 0, 1)).isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void groupsAreReadWholeAndInOrder() {
        var asking = rig.hardware.endpoint(Rig.id(1));
        for (int group = 1; group <= 2; group++) {
            for (int request = 0; request < 3; request++) {
                assertThat(asking.report(new PageRequest(Pasid.NONE, group, request * PAGE, DmaAccess.READ, false, false, request == 2))).isTrue();
            }
        }
        asking.report(new PageRequest(Pasid.NONE, 3, 0, DmaAccess.READ, false, false, false));
        assertRefused(Errno.EINVAL, () -> queue.read(2));
        List<FaultRecord> first = queue.read(5);
        assertThat(first).hasSize(3).allMatch(record -> record.groupIndex() == 1 && record.cookie() == 1);
        assertThat(queue.read(8)).hasSize(3).allMatch(record -> record.groupIndex() == 2 && record.cookie() == 2);
        assertThat(queue.read(8)).as("an unfinished group is not shown").isEmpty();
        assertRefused(Errno.EBUSY, queue::destroy);
    }

    @Test
    void detachAndUnbindEndWhatIsOpen() throws Exception {
        var request = write();
        FaultRecord fault = next();
        device.detach();
        assertThat(end(request)).isEqualTo(DmaStatus.FAULTED);
        assertRefused(Errno.EINVAL, () -> queue.respond(fault.cookie(), FaultResponse.SUCCESS));
        device.attach(hwpt);
        var second = write();
        assertThat(queue.awaitReadable(LONG)).isTrue();
        device.destroy();
        assertThat(end(second)).isEqualTo(DmaStatus.FAULTED);
        assertThat(queue.read(8)).isEmpty();
    }

    @Test
    void aSwapAsksAgainOnTheSuccessor() throws Exception {
        FakeHardware second = new FakeHardware("second", "fake");
        rig.engine.add(second);
        var request = write();
        FaultRecord fault = next();
        rig.engine.swap().swap("first", "second");
        FaultRecord again = next();
        assertThat(again.iova()).isEqualTo(fault.iova());
        ioas.mapAt(IOVA, rig.ram, 0, PAGE, DmaAccess.READ_WRITE);
        queue.respond(again.cookie(), FaultResponse.SUCCESS);
        assertThat(end(request)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void aResetEndsWhatWaitsAndLetsNothingWait() throws Exception {
        var request = write();
        FaultRecord fault = next();
        try (var outer = endpoint.pausePageRequests(); var inner = endpoint.pausePageRequests()) {
            assertThat(end(request)).isEqualTo(DmaStatus.FAULTED);
            assertRefused(Errno.EINVAL, () -> queue.respond(fault.cookie(), FaultResponse.SUCCESS));
            assertThat(end(write())).isEqualTo(DmaStatus.FAULTED);
            inner.close();
            inner.close();
            assertThat(end(write())).as("the outer pause lasts").isEqualTo(DmaStatus.FAULTED);
            assertThat(queue.read(8)).isEmpty();
            outer.close();
        }
        var again = write();
        queue.respond(next().cookie(), FaultResponse.INVALID);
        assertThat(end(again)).isEqualTo(DmaStatus.FAULTED);
    }
}
