package iommu.smmuv3;

import iommu.common.dma.FarPath;
import iommu.common.table.TablePool;
import iommu.smmuv3.driver.DriverOptions;
import iommu.smmuv3.driver.SmmuDriver;
import iommu.smmuv3.unit.SmmuFeatures;
import iommu.smmuv3.unit.SmmuInterrupts;
import iommu.smmuv3.unit.SmmuUnit;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.HardwareEndpoint;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.memory.TableMemory;
import java.util.concurrent.atomic.AtomicReference;

/** A unit, its driver, and the wires between: usable without OSGi. Thread-safe. */
public final class Smmuv3Backend implements IommuHardware, AutoCloseable {
    private final SmmuUnit unit;
    private final SmmuDriver driver;
    private final FarPath farPath;

    /**
     * Sets up a unit and its driver.
     *
     * @param name unique in the runtime
     * @param memory for every structure the unit reads; {@link #close} gives all of it back
     * @throws iommufd.api.IommufdException ENOMEM
     */
    public Smmuv3Backend(String name, SmmuFeatures features, DriverOptions options, TableMemory memory) {
        TablePool pool = new TablePool(memory);
        AtomicReference<Runnable> eventHandler = new AtomicReference<>(() -> { });
        unit = new SmmuUnit(name, features, line -> {
            if (line == SmmuInterrupts.Line.EVENT_QUEUE) {
                eventHandler.get().run();
            }
        }, pool::markDirty);
        farPath = unit.farPath();
        driver = new SmmuDriver(name, unit, unit::openPort, pool, options);
        eventHandler.set(driver::eventsArrived);
    }

    /** How its requests reach memory behind the physical window. */
    public FarPath farPath() {
        return farPath;
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

    /** Releases endpoints that are left and gives all memory back. */
    @Override
    public void close() {
        driver.close();
        unit.close();
    }
}
