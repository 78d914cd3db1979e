package iommu.mock.command;

import iommu.mock.hardware.MockBackend;
import iommu.mock.hardware.MockDevice;
import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.Hwpt;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaFabric;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.PageRequest;
import iommufd.api.uapi.IommufdFile;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Commands that make devices and let them act. Thread-safe. */
final class DeviceCommands implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(DeviceCommands.class);

    /** MOCK_FLAGS_DEVICE_NO_DIRTY. */
    private static final int NO_DIRTY = 1;
    /** MOCK_FLAGS_DEVICE_PASID. */
    private static final int PASIDS = 1 << 2;

    /** IOMMU_PGFAULT_PERM_…. */
    private static final int READ = 1;
    private static final int WRITE = 1 << 1;
    private static final int EXECUTE = 1 << 2;
    private static final int PRIVILEGED = 1 << 3;

    private final IommufdFile file;
    private final MockBackend iommu;
    private final DmaFabric fabric;
    /** By number. */
    private final Map<Integer, TestDevice> devices = new ConcurrentHashMap<>();

    DeviceCommands(IommufdFile file, MockBackend iommu, DmaFabric fabric) {
        this.file = file;
        this.iommu = iommu;
        this.fabric = fabric;
    }

    /** MOCK_DOMAIN and MOCK_DOMAIN_FLAGS: a new device, attached. The number of the SELFTEST object comes first, as in Linux. */
    void create(TestCommand command, int flags) {
        if ((flags & ~(NO_DIRTY | PASIDS)) != 0) {
            throw new IommufdException(Errno.EINVAL, "unknown flags 0x%x of a mock device".formatted(flags));
        }
        MockDevice device = iommu.addDevice((flags & NO_DIRTY) == 0, (flags & PASIDS) != 0);
        TestDevice driver = new TestDevice(iommu, device, ended -> devices.values().remove(ended));
        int id = file.add(driver);
        devices.put(id, driver);
        try {
            driver.bind(file, fabric);
            if (command.id() == id) {
                throw new IommufdException(Errno.ENOENT, "object %d is not finished yet".formatted(id));
            }
            Hwpt hwpt = driver.bound().attach(TestDevice.target(file, command.id()));
            command.set(TestCommand.DOMAIN_OUT_STDEV_ID, id).set(TestCommand.DOMAIN_OUT_HWPT_ID, hwpt.id())
                    .set(TestCommand.DOMAIN_OUT_IDEV_ID, driver.bound().id()).respond();
        } catch (RuntimeException | Error refused) {
            file.remove(id);
            driver.end();
            throw refused;
        }
    }

    void replace(TestCommand command) {
        TestDevice driver = TestDevice.of(file, command.id());
        Hwpt hwpt = driver.bound().replace(TestDevice.target(file, command.int32(TestCommand.REPLACE_PT_ID)));
        command.set(TestCommand.REPLACE_PT_ID, hwpt.id()).respond();
    }

    /** TRIGGER_IOPF. Whether somebody answers does not matter. */
    void requestPage(TestCommand command) {
        int permissions = command.int32(TestCommand.IOPF_PERMISSIONS);
        int pasid = command.int32(TestCommand.IOPF_PASID);
        MockDevice device = device(command.int32(TestCommand.IOPF_DEV_ID));
        boolean sayable = pasid != Pasid.NONE;   // 2^32-1 is a PASID like any other in Linux, of no use to anybody
        if (sayable) {
            device.request(new PageRequest(pasid == PasidCommands.NO_PASID ? Pasid.NONE : pasid,
                    command.int32(TestCommand.IOPF_GROUP), command.int64(TestCommand.IOPF_ADDRESS), access(permissions),
                    (permissions & EXECUTE) != 0, (permissions & PRIVILEGED) != 0, true));
        }
    }

    private static DmaAccess access(int permissions) {
        return switch (permissions & (READ | WRITE)) {
            case WRITE -> DmaAccess.WRITE;
            case READ | WRITE -> DmaAccess.READ_WRITE;
            default -> DmaAccess.READ;
        };
    }

    void raiseEvent(TestCommand command) {
        device(command.int32(TestCommand.VEVENT_DEV_ID)).raiseEvent();
    }

    /** DEV_CHECK_CACHE. */
    void checkCached(TestCommand command) {
        int expected = command.int32(TestCommand.CACHE_VALUE);
        if (device(command.id()).cached(command.int32(TestCommand.CACHE_ID)).filter(value -> value == expected).isEmpty()) {
            throw new IommufdException(Errno.EINVAL, "the cache entry does not hold 0x%x".formatted(expected));
        }
    }

    /** The mock device behind the number of a bound device. */
    private MockDevice device(int id) {
        if (!(file.context().object(id) instanceof BoundDevice bound)) {
            throw new IommufdException(Errno.ENOENT, "object %s is no device".formatted(Integer.toUnsignedString(id)));
        }
        return iommu.device(bound.endpoint().description().requesterId())
                .orElseThrow(() -> new IommufdException(Errno.EINVAL, bound + " is no mock device"));
    }

    /** Ends all that clients did not destroy. */
    @Override
    public void close() {
        Map.copyOf(devices).forEach((id, device) -> {
            try {
                file.remove(id);
            } catch (IommufdException runtimeEnded) {
                LOG.debug("the engine closed the context, and all numbers with it", runtimeEnded);
            }
            device.end();
        });
    }
}
