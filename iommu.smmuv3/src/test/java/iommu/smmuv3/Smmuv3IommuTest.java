package iommu.smmuv3;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommufd.api.Errno;
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
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The component's life, without a framework. */
class Smmuv3IommuTest {
    private final ScratchTableMemory memory = new ScratchTableMemory();
    private final PhysicalMemory physical = new PhysicalMemory() {
        @Override
        public GuestRam allocateGuestRam(long lengthBytes, boolean hugePages) {
            throw new IommufdException(Errno.ENOMEM, "this test has no guest");
        }

        @Override
        public TableMemory tables() {
            return memory;
        }
    };

    @AfterEach
    void unback() {
        memory.close();
    }

    private record Configured(String iommu_name, int service_ranking, int granule_kib, int stage, long message_window, int streamid_bits, boolean stalls)
            implements Smmuv3Iommu.Configuration {
        @Override
        public Class<? extends Annotation> annotationType() {
            return Smmuv3Iommu.Configuration.class;
        }
    }

    private static final FaultSink QUIET = new FaultSink() {
        @Override
        public void unrecoverable(DmaFault fault) {}

        @Override
        public boolean pageRequest(PageRequest request) {
            return false;
        }
    };

    @Test
    void takesItsNameGranuleAndStageFromTheConfiguration() {
        Smmuv3Iommu iommu = new Smmuv3Iommu(physical, new Configured("smmu3", 5, 64, 2, 0x1230_0000, 16, false));
        assertThat(iommu.name()).isEqualTo("smmu3");
        assertThat(iommu.vendor()).isEqualTo("smmuv3");
        HardwareEndpoint endpoint = iommu.probe(EndpointDescription.of(new RequesterId(8)).withPasidBits(20), QUIET);
        PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN);
        assertThat(domain.geometry().smallestPageBytes()).isEqualTo(64 << 10);
        assertThat(endpoint.reservedRegions()).extracting(region -> region.range().start()).containsExactly(0x1230_0000L);
        assertThat(endpoint.info().pasidBits()).as("second stages take no PASIDs").isZero();
        domain.close();
        iommu.deactivate();
        assertThat(memory.bytesInUse()).isZero();
    }

    @Test
    void deactivationReleasesEndpointsThatAreLeft() {
        Smmuv3Iommu iommu = new Smmuv3Iommu(physical, new Configured("smmu0", 0, 4, 1, -1, 20, false));
        HardwareEndpoint endpoint = iommu.probe(EndpointDescription.of(new RequesterId(8)).withPasidBits(20), QUIET);
        PagingDomain domain = endpoint.allocatePaging(PagingOptions.PLAIN);
        endpoint.attach(Pasid.NONE, domain);
        endpoint.attach(77_777, domain);
        iommu.deactivate();
        domain.close();   // late, but neither hangs nor touches the unit
        assertThat(memory.bytesInUse()).isZero();
    }

    @Test
    void activationWithoutMemoryLeavesNothingBehind() {
        for (int n = 1; n <= 3; n++) {
            memory.failAllocation(n);
            assertThatThrownBy(
                    () -> new Smmuv3Iommu(physical, new Configured("smmu0", 0, 4, 1, -1, 20, false)))
                    .isInstanceOf(IommufdException.class);
            assertThat(memory.bytesInUse()).isZero();
        }
    }
}
