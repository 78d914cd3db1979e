package vmm.devices.nvme;

import iommu.smmuv3.Smmuv3Backend;
import iommu.smmuv3.driver.DriverOptions;
import iommu.smmuv3.unit.SmmuFeatures;
import iommu.vtd.VtdBackend;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeatures;
import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.memory.GuestRam;
import iommufd.core.Engine;
import iommufd.core.EngineOptions;
import iommufd.core.memory.HostPhysicalMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.atomic.AtomicIntegerArray;

/** A guest's view of a machine: RAM, and a controller behind real hardware of one vendor, under the real engine. */
public final class Board implements AutoCloseable {
    /** Where guest RAM starts for the device. */
    static final long RAM_IOVA = 0x4000_0000L;
    static final long RAM_BYTES = 16L << 20;
    static final int VECTORS = 9;
    static final int QUEUE_PAIRS = 8;

    enum Vendor { VTD, SMMUV3 }

    /** Physical address space is not given back: one for all tests. */
    private static final HostPhysicalMemory MEMORY = new HostPhysicalMemory();

    final Engine engine = new Engine(EngineOptions.DEFAULT);
    public final GuestRam ram = MEMORY.allocateGuestRam(RAM_BYTES, false);
    public final Ioas ioas;
    public final DmaEndpoint endpoint;
    final Interrupts interrupts = new Interrupts();
    final MemorySegment doorbells = Arena.global().allocate(NvmeController.DOORBELLS_BYTES, 4096);
    final NvmeSubsystem subsystem;
    final NvmeController controller;
    private final IommufdContext context;
    private final BoundDevice device;
    private final Hardware hardware;

    private interface Hardware {
        void close();
    }

    Board(Vendor vendor, NamespaceOptions... namespaces) {
        IommuHardware unit = hardware(vendor);
        engine.add(unit, 1);
        hardware = () -> {
            engine.remove(unit);
            switch (unit) {
                case VtdBackend vtd -> vtd.close();
                case Smmuv3Backend smmu -> smmu.close();
                default -> throw new IllegalStateException();
            }
        };
        context = engine.service().open();
        ioas = context.allocateIoas();
        endpoint = engine.fabric().plug(EndpointDescription.of(RequesterId.of(0, 1, 0, 0)));
        device = context.bind(endpoint);
        device.attach(ioas);
        ioas.mapAt(RAM_IOVA, ram, 0, RAM_BYTES, DmaAccess.READ_WRITE);
        subsystem = new NvmeSubsystem(new NvmeOptions("TEST0001", QUEUE_PAIRS, List.of(namespaces)));
        controller = new NvmeController(subsystem, endpoint.openPort(), interrupts, doorbells);
    }

    public Board(NamespaceOptions... namespaces) {
        this(Vendor.VTD, namespaces);
    }

    private IommuHardware hardware(Vendor vendor) {
        return switch (vendor) {
            case VTD -> new VtdBackend(MEMORY.tables(), VtdFeatures.scalableMode(), VtdDriverOptions.named("vtd0"));
            case SMMUV3 -> new Smmuv3Backend("smmu0", SmmuFeatures.DEFAULT, DriverOptions.DEFAULT, MEMORY.tables());
        };
    }

    @Override
    public void close() {
        controller.close();
        subsystem.close();
        context.close();
        endpoint.close();
        ram.close();
        hardware.close();
    }

    /** Counts what arrives. */
    static final class Interrupts implements NvmeInterrupts {
        private final AtomicIntegerArray messages = new AtomicIntegerArray(VECTORS);
        volatile boolean pinBased;
        volatile boolean pin;

        int messages(int vector) {
            return messages.get(vector);
        }

        @Override
        public int vectors() {
            return VECTORS;
        }

        @Override
        public boolean pinBased() {
            return pinBased;
        }

        @Override
        public void message(int vector) {
            messages.incrementAndGet(vector);
        }

        @Override
        public void pin(boolean asserted) {
            pin = asserted;
        }
    }
}
