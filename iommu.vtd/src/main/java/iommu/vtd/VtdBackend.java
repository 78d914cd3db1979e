package iommu.vtd;

import iommu.common.dma.FarPath;
import iommu.common.dma.PendingPages;
import iommu.common.table.TablePool;
import iommu.vtd.driver.RequestPath;
import iommu.vtd.driver.VtdDriver;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeatures;
import iommu.vtd.unit.VtdUnit;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.memory.TableMemory;

/** A unit and the driver that programs it, wired as a board wires them: registers, interrupt, bus. Usable without OSGi. */
public final class VtdBackend implements IommuHardware, AutoCloseable {
    private final VtdUnit unit;
    private final VtdDriver driver;

    /**
     * Powers the unit up and starts the driver.
     *
     * @param memory where tables and queues live
     * @param features what the unit is built with
     * @param options how it is driven
     */
    public VtdBackend(TableMemory memory, VtdFeatures features, VtdDriverOptions options) {
        TablePool pool = new TablePool(memory);
        InterruptLine line = new InterruptLine();
        unit = new VtdUnit(options.name(), features, pool::markDirty, line::message);
        driver = new VtdDriver(unit, pool, new Bus(unit), options);
        line.driver = driver;
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

    /** Stops the driver; the unit aborts all DMA from then on, and uses no memory. */
    @Override
    public void close() {
        driver.close();
    }

    /** Devices' way to the unit. */
    private record Bus(VtdUnit unit) implements RequestPath {
        @Override
        public HardwarePort open(RequesterId requester, int pasid) {
            return unit.openPort(requester, pasid);
        }

        @Override
        public AtsPort openAts(RequesterId requester, int pasid, AtsPort.Device device) {
            return unit.openAtsPort(requester, pasid, device);
        }

        @Override
        public HardwarePort openWaiting(RequesterId requester, int pasid, PendingPages pages) {
            return unit.openWaitingPort(requester, pasid, pages);
        }
    }

    /** Carries messages from the unit to the driver, which is there only after the unit; nothing faults before. */
    private static final class InterruptLine {
        private volatile VtdDriver driver;

        void message(long address, int data) {
            VtdDriver handler = driver;
            if (handler != null) {
                handler.message(address, data);
            }
        }
    }
}
