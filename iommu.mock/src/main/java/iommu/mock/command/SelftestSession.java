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
            case 1 -> tables.reserve(command);
            case 2 -> devices.create(command, 0);
            case 3 -> tables.checkMapped(command);
            case 4 -> tables.checkPins(command);
            case 5 -> accesses.create(command);
            case 6 -> accesses.unpin(command);
            case 7 -> accesses.pin(command);
            case 8 -> accesses.copy(command);
            case 9 -> limitMemory(command);
            case 10 -> devices.replace(command);
            case 11 -> accesses.replaceIoas(command);
            case 12 -> devices.create(command, command.int32(TestCommand.DOMAIN_DEVICE_FLAGS));
            case 13 -> tables.markWritten(command);
            case 14 -> tables.checkCached(command);
            case 15 -> devices.requestPage(command);
            case 16 -> devices.checkCached(command);
            case 17 -> devices.raiseEvent(command);
            case 18 -> pasids.attach(command);
            case 19 -> pasids.replace(command);
            case 20 -> pasids.detach(command);
            case 21 -> pasids.check(command);
            case 22 -> {
                return dmabufs.export(command);
            }
            case 23 -> dmabufs.revoke(command);
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
