package iommu.vtd.driver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommu.vtd.Ram;
import iommu.vtd.VtdBackend;
import iommu.vtd.unit.VtdFeature;
import iommu.vtd.unit.VtdFeatures;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.FaultResponse;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PageResponse;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A device's page requests through unit, driver and fault sink, and the answers back; and what keeps its device-TLB true. */
class VtdPageRequestTest {
    private static final long IOVA = 0x4000_0000L;
    private static final RequesterId DEVICE = RequesterId.of(0, 3, 4, 1);

    private final ScratchTables memory = new ScratchTables();
    private final Ram ram = new Ram();
    private final VtdBackend backend = new VtdBackend(memory, VtdFeatures.scalableMode().with(VtdFeature.NESTED, VtdFeature.DEVICE_TLB,
            VtdFeature.PAGE_REQUESTS, VtdFeature.PAGE_REQUEST_DRAIN, VtdFeature.NO_WRITE_FLAG), VtdDriverOptions.named("vtd9"));
    private final List<PageRequest> requests = new CopyOnWriteArrayList<>();
    private final List<PageResponse> responses = new CopyOnWriteArrayList<>();
    private final List<Long> invalidations = new CopyOnWriteArrayList<>();
    private boolean willBeAnswered = true;

    private final FaultSink sink = new FaultSink() {
        @Override
        public void unrecoverable(DmaFault fault) {
            throw new AssertionError(fault.toString());
        }

        @Override
        public boolean pageRequest(PageRequest request) {
            requests.add(request);
            return willBeAnswered;
        }
    };
    private final AtsPort.Device device = new AtsPort.Device() {
        @Override
        public boolean invalidate(int pasid, long iova, long lengthBytes, boolean global) {
            invalidations.add((long) pasid);
            return true;
        }

        @Override
        public void pageResponse(PageResponse response) {
            responses.add(response);
        }
    };
    private final HardwareEndpoint endpoint = backend.probe(new EndpointDescription(DEVICE, 0, 20, true), sink);

    @AfterEach
    void everyFrameComesBack() {
        endpoint.release();
        backend.close();
        assertThat(memory.bytesInUse()).isZero();
    }

    private PinnedRuns page() {
        PinnedRuns runs = new PinnedRuns(1);
        runs.add(ram.frame(), 4096);
        return runs;
    }

    @Test
    void requestsReachTheSinkAndAnswersTheDevice() {
        PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN);
        endpoint.attach(Pasid.NONE, domain);
        endpoint.attach(70, domain);
        AtsPort port = endpoint.openAtsPort(70, device);
        assertThat(port.requestTranslation(IOVA, DmaAccess.READ_WRITE).read()).isFalse();
        PageRequest request = new PageRequest(70, 0x123, IOVA, DmaAccess.READ_WRITE, true, true, false);
        PageRequest last = new PageRequest(70, 0x123, IOVA + 4096, DmaAccess.WRITE, false, false, true);
        assertThat(port.requestPage(request)).isTrue();
        assertThat(port.requestPage(last)).isTrue();
        assertThat(requests).containsExactly(request, last);
        assertThat(responses).isEmpty();
        domain.map(IOVA, page(), DmaAccess.READ_WRITE);
        endpoint.respond(new PageResponse(70, 0x124, FaultResponse.SUCCESS));
        assertThat(responses).as("an unknown group").isEmpty();
        endpoint.respond(new PageResponse(70, 0x123, FaultResponse.SUCCESS));
        assertThat(responses).containsExactly(new PageResponse(70, 0x123, FaultResponse.SUCCESS));
        endpoint.respond(new PageResponse(70, 0x123, FaultResponse.INVALID));
        assertThat(responses).as("answered already").hasSize(1);
        AtsPort.Translation translation = port.requestTranslation(IOVA, DmaAccess.READ_WRITE);
        assertThat(translation.write()).isTrue();
        assertThat(port.writeTranslated(translation.address(), MemorySegment.ofArray(new byte[] {1}), 0, 1)).isEqualTo(DmaStatus.DONE);
        endpoint.block(70);
        endpoint.block(Pasid.NONE);
        domain.close();
    }

    @Test
    void whatNobodyWillAnswerIsInvalid() {
        willBeAnswered = false;
        PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN);
        endpoint.attach(Pasid.NONE, domain);
        AtsPort port = endpoint.openAtsPort(Pasid.NONE, device);
        port.requestPage(new PageRequest(Pasid.NONE, 1, IOVA, DmaAccess.READ, false, false, true));
        assertThat(responses).containsExactly(new PageResponse(Pasid.NONE, 1, FaultResponse.INVALID));
        endpoint.block(Pasid.NONE);
        domain.close();
    }

    @Test
    void deviceForgetsWhatIsUnmappedOrDetached() {
        PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN);
        PagingDomain other = endpoint.allocatePaging(new PagingOptions(false, true, false));
        endpoint.attach(Pasid.NONE, domain);
        endpoint.attach(70, domain);
        domain.map(IOVA, page(), DmaAccess.READ_WRITE);
        domain.unmap(IOVA, IOVA + 4095);
        assertThat(invalidations).as("no port, no device-TLB").isEmpty();
        endpoint.openAtsPort(70, device);
        domain.map(IOVA, page(), DmaAccess.READ_WRITE);
        domain.unmap(IOVA, IOVA + 4095);
        assertThat(invalidations).containsExactlyInAnyOrder((long) Pasid.NONE, 70L);
        invalidations.clear();
        endpoint.attach(70, other);
        assertThat(invalidations).containsExactly(70L);
        invalidations.clear();
        domain.map(IOVA, page(), DmaAccess.READ_WRITE);
        domain.unmap(IOVA, IOVA + 4095);
        assertThat(invalidations).containsExactly((long) Pasid.NONE);
        invalidations.clear();
        endpoint.block(70);
        endpoint.block(Pasid.NONE);
        assertThat(invalidations).containsExactly(70L, (long) Pasid.NONE);
        domain.close();
        other.close();
    }

    @Test
    void floodsAreHandedOverCompletely() throws InterruptedException {
        PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN);
        endpoint.attach(Pasid.NONE, domain);
        AtsPort port = endpoint.openAtsPort(Pasid.NONE, device);
        for (int i = 0; i < 2000; i++) {
            port.requestPage(new PageRequest(Pasid.NONE, i & 0x1FF, IOVA, DmaAccess.READ, false, false, true));
        }
        long deadline = System.nanoTime() + 10_000_000_000L;
        while (requests.size() + responses.size() < 2000 && System.nanoTime() < deadline) {
            Thread.sleep(1);
        }
        assertThat(requests.size() + responses.size()).as("handed over, or answered by the unit").isEqualTo(2000);
        endpoint.block(Pasid.NONE);
        domain.close();
    }

    @Test
    void devicesWithoutPageRequestsStayOutside() {
        HardwareEndpoint plain = backend.probe(EndpointDescription.of(RequesterId.of(0, 5, 0, 0)), sink);
        assertThatThrownBy(() -> plain.openAtsPort(Pasid.NONE, device))
                .isInstanceOfSatisfying(IommufdException.class, failure -> assertThat(failure.errno()).isEqualTo(Errno.EOPNOTSUPP));
        plain.release();
    }
}
