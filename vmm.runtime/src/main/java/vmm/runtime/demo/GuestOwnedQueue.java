package vmm.runtime.demo;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.IommuModel;
import iommufd.api.hardware.IommuUnit;
import iommufd.api.hardware.UnitBoard;
import iommufd.api.memory.MemoryMap;
import java.lang.foreign.MemorySegment;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.osgi.framework.InvalidSyntaxException;
import org.osgi.framework.ServiceReference;
import vmm.runtime.text.Quantity;

/**
 * Invalidations that nobody passes on: an SMMUv3 with Tegra241's virtual command queues reads commands in the guest's memory when
 * the guest writes its own page of registers. Shown on a unit as guests get it; iommufd's {@code IOMMU_HW_QUEUE_ALLOC} has none to offer.
 */
final class GuestOwnedQueue implements Promise {
    private static final int ROUNDS = 500;
    private static final int STREAM = 3;
    private static final long VMID = 7;
    private static final long[] DATA = {0x8_0000, 0x9_0000};

    /** Where things are in memory: linear stream table, the hypervisor's queue, the event queue, the guest's queue. */
    private static final long STREAM_TABLE = 0x4_0000;
    private static final int STREAMS_LG2 = 6;
    private static final long HYPERVISOR_QUEUE = 0x5_0000;
    private static final long EVENT_QUEUE = 0x5_1000;
    private static final long GUEST_QUEUE = 0x5_2000;
    private static final int QUEUE_LG2 = 3;
    private static final int ENTRY_MASK = (1 << QUEUE_LG2) - 1;
    /** Index and wrap bit. */
    private static final int INDEX_MASK = (2 << QUEUE_LG2) - 1;
    private static final int COMMAND_BYTES = 16;

    /** Registers of SMMUv3 (IHI 0070, §6.3). */
    private static final int CR0 = 0x20;
    private static final int CR0_SMMUEN_EVENTQEN_CMDQEN = 1 | 1 << 2 | 1 << 3;
    private static final int STRTAB_BASE = 0x80;
    private static final int STRTAB_BASE_CFG = 0x88;
    private static final int CMDQ_BASE = 0x90;
    private static final int CMDQ_PROD = 0x98;
    private static final int EVENTQ_BASE = 0xA0;

    /** Registers of Tegra241 CMDQV behind those, and of what it has: interface 0 with its queue 0. */
    private static final int CMDQV = 0x2_0000;
    private static final int CMDQV_ALLOCATION = CMDQV + 0x200;
    private static final int INTERFACE_CONFIG = CMDQV + 0x1000;
    private static final int GUEST_PAGE = CMDQV + 0x3_0000;
    private static final int QUEUE_CONS = GUEST_PAGE;
    private static final int QUEUE_PROD = GUEST_PAGE + 4;
    private static final int QUEUE_CONFIG = GUEST_PAGE + 8;
    private static final int QUEUE_STATUS = GUEST_PAGE + 0xC;
    private static final int QUEUE_BASE = GUEST_PAGE + 0x1_0000;
    private static final int ALLOCATED = 1;

    /** Stream table entry, word 0: valid, Config stage 1; word 2: VMID. */
    private static final long STE_STAGE_1 = 1 | 5L << 1;
    private static final int STE_VMID_WORD = 2;
    /** Opcodes (IHI 0070, §4). */
    private static final long TLBI_NH_VA = 0x12;
    private static final long SYNC = 0x46;
    private static final int ASID_SHIFT = 48;

    @Override
    public String title() {
        return "Kernel-bypassed invalidation";
    }

    @Override
    public List<String> vendors() {
        return List.of(PromiseHardware.SMMUV3);
    }

    /** A guest's machine, as far as its IOMMU is concerned. Interrupts go nowhere: the guest polls. */
    private record Board(MemoryMap memory) implements UnitBoard {
        @Override
        public void message(long address, int data) { }

        @Override
        public void line(int line, boolean level) { }
    }

    @Override
    public String show(Guest guest) {
        IommuModel model = model(guest.services());
        MemoryMap map = MemoryMap.of(List.of(new MemoryMap.Range(0, Guest.RAM_BYTES, guest.ram().physicalAddress())));
        try (IommuUnit unit = model.create("guest-smmu", Map.of("stage", "nested", "cmdqv", "on"), new Board(map))) {
            return invalidate(guest, unit);
        }
    }

    private static IommuModel model(Services services) {
        try {
            Collection<ServiceReference<IommuModel>> models = services.bundles().getServiceReferences(IommuModel.class,
                    "(%s=%s)".formatted(IommuModel.VENDOR, PromiseHardware.SMMUV3));
            IommuModel model = models.isEmpty() ? null : services.bundles().getService(models.iterator().next());
            if (model == null) {
                throw new Step.StepFailed("there is no model of an SMMUv3 for guests");
            }
            return model;
        } catch (InvalidSyntaxException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static String invalidate(Guest guest, IommuUnit unit) {
        MemorySegment memory = guest.ram().segment();
        SmmuStageOne stage = new SmmuStageOne(memory);
        hypervisorSetsUp(unit, memory);
        HardwarePort port = unit.openPort(new RequesterId(STREAM), Pasid.NONE);
        int producer = 0;
        long nanos = 0;
        for (int round = 0; round < ROUNDS; round++) {
            long page = DATA[round % DATA.length];
            stage.map(page);
            long began = System.nanoTime();
            producer = command(memory, producer, TLBI_NH_VA | SmmuStageOne.ASID << ASID_SHIFT, GuestTables.IOVA);
            producer = command(memory, producer, SYNC, 0);
            ring(unit, producer);
            nanos += System.nanoTime() - began;
            DmaStatus status = port.write(GuestTables.IOVA, MemorySegment.ofArray(new long[] {round + 1L}), 0, Long.BYTES);
            Promise.require(status == DmaStatus.DONE, "write %d ended as %s: %s", round + 1, status, port.lastFault());
            Promise.require(guest.word(page) == round + 1, "write %d is not where the guest's table leads, 0x%x", round + 1, page);
        }
        stage.unmap();
        producer = command(memory, producer, TLBI_NH_VA | SmmuStageOne.ASID << ASID_SHIFT, GuestTables.IOVA);
        ring(unit, command(memory, producer, SYNC, 0));
        DmaStatus status = port.write(GuestTables.IOVA, MemorySegment.ofArray(new long[1]), 0, Long.BYTES);
        Promise.require(status == DmaStatus.FAULTED, "a write where nothing is mapped ended as %s", status);
        long others = unit.read(CMDQ_PROD, 4);
        Promise.require(others == 0, "the hypervisor's queue got commands: its index is 0x%x", others);
        return "%d invalidations by the guest's own queue and registers (%s each), 0 by anybody else's; on a guest's unit"
                .formatted(ROUNDS, Quantity.time((double) nanos / ROUNDS));
    }

    private static void hypervisorSetsUp(IommuUnit unit, MemorySegment memory) {
        long entry = STREAM_TABLE + STREAM * 64L;
        memory.set(JAVA_LONG, entry + STE_VMID_WORD * Long.BYTES, VMID);
        memory.set(JAVA_LONG, entry, STE_STAGE_1 | SmmuStageOne.CONTEXT);
        unit.write(STRTAB_BASE, 8, STREAM_TABLE);
        unit.write(STRTAB_BASE_CFG, 4, STREAMS_LG2);
        unit.write(CMDQ_BASE, 8, HYPERVISOR_QUEUE | QUEUE_LG2);
        unit.write(EVENTQ_BASE, 8, EVENT_QUEUE | QUEUE_LG2);
        unit.write(CR0, 4, CR0_SMMUEN_EVENTQEN_CMDQEN);
        unit.write(CMDQV, 4, 1);
        unit.write(INTERFACE_CONFIG, 4, VMID << 1 | 1);
        unit.write(CMDQV_ALLOCATION, 4, ALLOCATED);
        unit.write(QUEUE_BASE, 8, GUEST_QUEUE | QUEUE_LG2);
        unit.write(QUEUE_CONFIG, 4, 1);
        Promise.require(unit.read(QUEUE_STATUS, 4) == 1, "the guest's queue cannot be enabled");
    }

    /** Puts a command into the guest's queue. @return the next index */
    private static int command(MemorySegment memory, int producer, long word0, long word1) {
        long slot = GUEST_QUEUE + (long) (producer & ENTRY_MASK) * COMMAND_BYTES;
        memory.set(JAVA_LONG, slot, word0);
        memory.set(JAVA_LONG, slot + Long.BYTES, word1);
        return producer + 1 & INDEX_MASK;
    }

    private static void ring(IommuUnit unit, int producer) {
        unit.write(QUEUE_PROD, 4, producer);
        long consumer = unit.read(QUEUE_CONS, 4);
        Promise.require(consumer == producer, "the queue stands at 0x%x, not at 0x%x", consumer, producer);
    }
}
