package iommu.s390;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommufd.api.IommufdException;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.PhysicalMemory;
import iommufd.api.memory.TableMemory;
import java.lang.annotation.Annotation;
import org.junit.jupiter.api.Test;

/** The component, without a framework. */
class S390IommuTest {
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
            return ram.take(1L << sizeLg2);
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

    private record Configuration(String iommu_name, int levels, int segment, long first_dma, long last_dma, int service_ranking)
            implements S390Configuration {
        @Override
        public Class<? extends Annotation> annotationType() {
            return S390Configuration.class;
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
        S390Iommu iommu = new S390Iommu(memory, new Configuration("zpci7", 3, 2, 1L << 32, (1L << 40) - 1, 0));
        assertThat(iommu.name()).isEqualTo("zpci7");
        assertThat(iommu.vendor()).isEqualTo("s390");
        HardwareEndpoint endpoint = iommu.probe(EndpointDescription.of(RequesterId.of(2, 0, 1, 0)).withPasidBits(20), SILENT);
        assertThat(endpoint.info().pasidBits()).isZero();
        assertThat(endpoint.reservedRegions()).hasSize(1);
        PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN);
        assertThat(domain.geometry().aperture().last()).isEqualTo((1L << 40) - 1);
        endpoint.attach(Pasid.NONE, domain);
        endpoint.block(Pasid.NONE);
        domain.close();
        endpoint.release();
        iommu.stop();
        assertThat(frames.bytesInUse()).isZero();
    }

    @Test
    void stopReleasesEndpointsThatWereForgotten() {
        S390Iommu iommu = new S390Iommu(memory, new Configuration("zpci0", 4, 0, 0, (1L << 53) - 1, 0));
        HardwareEndpoint endpoint = iommu.probe(EndpointDescription.of(RequesterId.of(0, 0, 1, 0)), SILENT);
        PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN);
        endpoint.attach(Pasid.NONE, domain);
        iommu.stop();
        assertThat(frames.bytesInUse()).as("only the region table its owner still has").isEqualTo(16384);
        domain.close();
        assertThat(frames.bytesInUse()).as("which can still be closed").isZero();
    }

    @Test
    void refusesWhatNoFunctionHas() {
        assertThatThrownBy(() -> new S390Iommu(memory, new Configuration("zpci0", 5, 0, 0, (1L << 53) - 1, 0)))
                .isInstanceOf(IommufdException.class).hasMessageContaining("3 or 4 levels");
        assertThatThrownBy(() -> new S390Iommu(memory, new Configuration("zpci0", 4, 0, 0x123, (1L << 53) - 1, 0)))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("0x123");
        assertThat(frames.bytesInUse()).isZero();
    }
}
