package iommu.vtd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommufd.api.HardwareInfo;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.dma.DmaFault;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.PhysicalMemory;
import iommufd.api.memory.TableMemory;
import java.lang.annotation.Annotation;
import org.junit.jupiter.api.Test;

/** The component, without a framework. */
class VtdIommuTest {
    private final CountedFrames frames = new CountedFrames();

    private final PhysicalMemory memory = new PhysicalMemory() {
        @Override
        public GuestRam allocateGuestRam(long lengthBytes, boolean hugePages) {
            throw new UnsupportedOperationException("a backend needs no guest RAM");
        }

        @Override
        public TableMemory tables() {
            return frames;
        }
    };

    /** Frames out of {@link Ram}; counts them. */
    private static final class CountedFrames implements TableMemory {
        private final Ram ram = new Ram();
        private long inUse;

        @Override
        public long baseAddress() {
            return Ram.BASE;
        }

        @Override
        public long lengthBytes() {
            return Ram.BYTES;
        }

        @Override
        public long allocate(int sizeLg2) {
            inUse += 1L << sizeLg2;
            return ram.frames(1 << sizeLg2 - MIN_FRAME_LG2);
        }

        @Override
        public void free(long physicalAddress, int sizeLg2) {
            inUse -= 1L << sizeLg2;
        }

        @Override
        public long bytesInUse() {
            return inUse;
        }
    }

    private record Configuration(String iommu_name, String mode, int levels, int segment, int pasid_bits, boolean page_requests, int service_ranking)
            implements VtdConfiguration {
        @Override
        public Class<? extends Annotation> annotationType() {
            return VtdConfiguration.class;
        }
    }

    private static final FaultSink SILENT = new FaultSink() {
        @Override
        public void unrecoverable(DmaFault fault) {}

        @Override
        public boolean pageRequest(PageRequest request) {
            return false;
        }
    };

    @Test
    void followsItsConfigurationAndLeaksNoFrame() {
        VtdIommu iommu = new VtdIommu(memory, new Configuration("vtd7", "scalable", 5, 2, 16, false, 0));
        assertThat(iommu.name()).isEqualTo("vtd7");
        assertThat(iommu.vendor()).isEqualTo("vtd");
        HardwareEndpoint endpoint = iommu.probe(EndpointDescription.of(RequesterId.of(2, 0, 1, 0)).withPasidBits(20), SILENT);
        assertThat(endpoint.info().pasidBits()).isEqualTo(16);
        PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN);
        assertThat(domain.geometry().aperture().last()).isEqualTo((1L << 56) - 1);
        endpoint.attach(Pasid.NONE, domain);
        endpoint.block(Pasid.NONE);
        domain.close();
        endpoint.release();
        iommu.stop();
        assertThat(frames.bytesInUse()).isZero();
    }

    @Test
    void stopReleasesEndpointsThatWereForgotten() {
        VtdIommu iommu = new VtdIommu(memory, new Configuration("vtd0", "legacy", 4, 0, 20, false, 0));
        HardwareEndpoint endpoint = iommu.probe(EndpointDescription.of(RequesterId.of(0, 0, 1, 0)), SILENT);
        PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN);
        endpoint.attach(Pasid.NONE, domain);
        iommu.stop();
        assertThat(frames.bytesInUse()).as("only the page table its owner still has").isEqualTo(4096);
        domain.close();
        assertThat(frames.bytesInUse()).as("which can still be closed").isZero();
    }

    @Test
    void takesPageRequestsIfToldTo() {
        VtdIommu iommu = new VtdIommu(memory, new Configuration("vtd0", "scalable", 4, 0, 20, true, 0));
        HardwareEndpoint endpoint = iommu.probe(new EndpointDescription(RequesterId.of(0, 0, 1, 0), 1, 0, true), SILENT);
        assertThat(endpoint.info().capabilities()).doesNotContain(HardwareInfo.Capability.ATS_NOT_SUPPORTED);
        endpoint.release();
        iommu.stop();
        assertThat(frames.bytesInUse()).isZero();
        assertThatThrownBy(() -> new VtdIommu(memory, new Configuration("vtd0", "legacy", 4, 0, 20, true, 0)))
                .as("legacy mode has none").isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void refusesAnUnknownMode() {
        assertThatThrownBy(() -> new VtdIommu(memory, new Configuration("vtd0", "extended", 4, 0, 20, false, 0)))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("extended");
        assertThat(frames.bytesInUse()).isZero();
    }
}
