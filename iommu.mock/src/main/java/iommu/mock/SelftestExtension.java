package iommu.mock;

import iommu.mock.command.Selftest;
import iommufd.api.dma.DmaFabric;
import iommufd.api.memory.PhysicalMemory;
import iommufd.api.uapi.IommufdFile;
import iommufd.api.uapi.IoctlExtension;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Reference;

/** {@code IOMMU_TEST_CMD} (0x3BA0) on every open {@code /dev/iommu}. */
@Component(service = IoctlExtension.class,
        property = {IoctlExtension.REQUESTS + ":Integer=15264", IoctlExtension.COUNTS_PINS + ":Boolean=true"})
public final class SelftestExtension implements IoctlExtension {
    private final Selftest selftest;

    /** By SCR. */
    @Activate
    public SelftestExtension(@Reference MockIommu iommu, @Reference DmaFabric fabric, @Reference PhysicalMemory memory) {
        selftest = new Selftest(iommu.backend(), fabric, memory);
    }

    @Override
    public Session open(IommufdFile file) {
        return selftest.open(file);
    }
}
