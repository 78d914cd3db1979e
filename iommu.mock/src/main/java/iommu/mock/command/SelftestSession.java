package iommu.mock.command;

import iommu.mock.hardware.MockBackend;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaFabric;
import iommufd.api.memory.PhysicalMemory;
import iommufd.api.node.Caller;
import iommufd.api.uapi.IoctlExtension;
import iommufd.api.uapi.IommufdFile;

/** One file's test commands ({@code IOMMU_TEST_OP_…}). Thread-safe. */
final class SelftestSession implements IoctlExtension.Session {
    /** What the kernel's batches need at least; ours have no limit to set. */
    private static final int SMALLEST_MEMORY_LIMIT = Long.BYTES + Integer.BYTES;

    private final DeviceCommands devices;
    private final PasidCommands pasids;
    private final TableCommands tables;
    private final AccessCommands accesses;
    private final DmabufCommands dmabufs;

    SelftestSession(IommufdFile file, MockBackend iommu, DmaFabric fabric, PhysicalMemory memory) {
        devices = new DeviceCommands(file, iommu, fabric);
        pasids = new PasidCommands(file);
        tables = new TableCommands(file);
        accesses = new AccessCommands(file);
        dmabufs = new DmabufCommands(memory);
    }

    @Override
    public long ioctl(Caller caller, int request, long argument) {
        TestCommand command = new TestCommand(caller, argument);
        switch (command.operation()) {
            case TestOperation.ADD_RESERVED -> tables.reserve(command);
            case TestOperation.MOCK_DOMAIN -> devices.create(command, 0);
            case TestOperation.MD_CHECK_MAP -> tables.checkMapped(command);
            case TestOperation.MD_CHECK_REFS -> tables.checkPins(command);
            case TestOperation.CREATE_ACCESS -> accesses.create(command);
            case TestOperation.DESTROY_ACCESS_PAGES -> accesses.unpin(command);
            case TestOperation.ACCESS_PAGES -> accesses.pin(command);
            case TestOperation.ACCESS_RW -> accesses.copy(command);
            case TestOperation.SET_TEMP_MEMORY_LIMIT -> limitMemory(command);
            case TestOperation.MOCK_DOMAIN_REPLACE -> devices.replace(command);
            case TestOperation.ACCESS_REPLACE_IOAS -> accesses.replaceIoas(command);
            case TestOperation.MOCK_DOMAIN_FLAGS -> devices.create(command, command.int32(TestCommand.DOMAIN_DEVICE_FLAGS));
            case TestOperation.DIRTY -> tables.markWritten(command);
            case TestOperation.MD_CHECK_IOTLB -> tables.checkCached(command);
            case TestOperation.TRIGGER_IOPF -> devices.requestPage(command);
            case TestOperation.DEV_CHECK_CACHE -> devices.checkCached(command);
            case TestOperation.TRIGGER_VEVENT -> devices.raiseEvent(command);
            case TestOperation.PASID_ATTACH -> pasids.attach(command);
            case TestOperation.PASID_REPLACE -> pasids.replace(command);
            case TestOperation.PASID_DETACH -> pasids.detach(command);
            case TestOperation.PASID_CHECK_HWPT -> pasids.check(command);
            case TestOperation.DMABUF_GET -> {
                return dmabufs.export(command);
            }
            case TestOperation.DMABUF_REVOKE -> dmabufs.revoke(command);
            default -> throw new IommufdException(Errno.EOPNOTSUPP, "there is no test operation " + Integer.toUnsignedString(command.operation()));
        }
        return 0;
    }

    private static void limitMemory(TestCommand command) {
        if (Integer.compareUnsigned(command.int32(TestCommand.MEMORY_LIMIT), SMALLEST_MEMORY_LIMIT) < 0) {
            throw new IommufdException(Errno.EINVAL, "a memory limit below %d bytes".formatted(SMALLEST_MEMORY_LIMIT));
        }
    }

    @Override
    public void close() {
        devices.close();
    }
}
