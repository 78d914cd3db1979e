package iommu.mock.command;

import iommu.mock.hardware.MockBackend;
import iommufd.api.dma.DmaFabric;
import iommufd.api.memory.PhysicalMemory;
import iommufd.api.uapi.IoctlExtension;
import iommufd.api.uapi.IommufdFile;

/** Serves {@code IOMMU_TEST_CMD}. Thread-safe. */
public final class Selftest implements IoctlExtension {
    private final MockBackend iommu;
    private final DmaFabric fabric;
    private final PhysicalMemory memory;

    /**
     * @param iommu deployed behind {@code fabric}
     * @param memory for dmabufs
     */
    public Selftest(MockBackend iommu, DmaFabric fabric, PhysicalMemory memory) {
        this.iommu = iommu;
        this.fabric = fabric;
        this.memory = memory;
    }

    @Override
    public Session open(IommufdFile file) {
        return new SelftestSession(file, iommu, fabric, memory);
    }
}
