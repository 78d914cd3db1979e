package iommu.s390;

import iommu.common.dma.FarPath;
import iommu.common.table.TablePool;
import iommu.s390.driver.FunctionSlots;
import iommu.s390.driver.ZpciDriver;
import iommu.s390.driver.ZpciDriverOptions;
import iommu.s390.unit.ZpciFeatures;
import iommu.s390.unit.ZpciUnit;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.memory.MemoryMap;
import iommufd.api.memory.TableMemory;

/** The zPCI of a machine and the driver of its functions, wired together: instructions, machine check, slots. Usable without OSGi. */
public final class S390Backend implements IommuHardware, AutoCloseable {
    private final ZpciUnit unit;
    private final ZpciDriver driver;

    /**
     * Powers it up and starts the driver.
     *
     * @param memory where tables live
     */
    public S390Backend(TableMemory memory, ZpciDriverOptions options) {
        MachineCheck machineCheck = new MachineCheck();
        unit = new ZpciUnit(options.name(), new ZpciFeatures(options.firstDma(), options.lastDma(), false), MemoryMap.HOST, machineCheck::changed);
        driver = new ZpciDriver(unit, new Slots(unit), new TablePool(memory), options);
        machineCheck.driver = driver;
    }

    /** How its requests reach memory behind the physical window. */
    public FarPath farPath() {
        return unit.farPath();
    }

    @Override
    public String name() {
        return driver.name();
    }

    @Override
    public String vendor() {
        return driver.vendor();
    }

    @Override
    public HardwareEndpoint probe(EndpointDescription endpoint, FaultSink faults) {
        return driver.probe(endpoint, faults);
    }

    /** Stops the driver; the unit has no functions from then on, and uses no memory. */
    @Override
    public void close() {
        driver.close();
    }

    private record Slots(ZpciUnit unit) implements FunctionSlots {
        @Override
        public int plug(RequesterId requester) {
            return unit.plug(requester);
        }

        @Override
        public void unplug(RequesterId requester) {
            unit.unplug(requester);
        }

        @Override
        public HardwarePort open(RequesterId requester, int pasid) {
            return unit.openPort(requester, pasid);
        }
    }

    /** Carries the machine check to the driver, which is there only after the unit; nothing fails before. */
    private static final class MachineCheck {
        private volatile ZpciDriver driver;

        void changed(boolean pending) {
            ZpciDriver handler = driver;
            if (pending && handler != null) {
                handler.machineCheck();
            }
        }
    }
}
