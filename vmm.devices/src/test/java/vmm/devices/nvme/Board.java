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
import iommufd.api.memory.GuestRam;
import iommufd.core.Engine;
import iommufd.core.EngineOptions;
import iommufd.core.memory.HostPhysicalMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.atomic.AtomicIntegerArray;

/** A guest's view of a machine: RAM, and a controller behind real hardware, which may be exchanged, under the real engine. */
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
    private final VtdBackend vtd;
    private final Smmuv3Backend smmu;

    Board(Vendor vendor, NamespaceOptions... namespaces) {
        vtd = new VtdBackend(MEMORY.tables(), VtdFeatures.scalableMode(), VtdDriverOptions.named("vtd0"));
        smmu = new Smmuv3Backend("smmu0", SmmuFeatures.DEFAULT, DriverOptions.DEFAULT, MEMORY.tables());
        engine.add(vtd, vendor == Vendor.VTD ? 1 : 0);
        engine.add(smmu, vendor == Vendor.SMMUV3 ? 1 : 0);
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

    /** Puts the other vendor's hardware in the place of that which serves. */
    void swap(Vendor from) {
        engine.swap().swap(from == Vendor.VTD ? "vtd0" : "smmu0", from == Vendor.VTD ? "smmu0" : "vtd0");
    }

    @Override
    public void close() {
        controller.close();
        subsystem.close();
        context.close();
        endpoint.close();
        ram.close();
        engine.close();
        vtd.close();
        smmu.close();
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
