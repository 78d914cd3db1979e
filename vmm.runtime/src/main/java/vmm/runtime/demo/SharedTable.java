package vmm.runtime.demo;

import iommufd.api.Ioas;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.memory.StageTwoTable.Format;
import java.util.List;
import java.util.SplittableRandom;
import vmm.runtime.guest.GuestMemory;

/** A guest's CPU and a device count in the same words through one page table, while pages go out and come back elsewhere. */
final class SharedTable implements Promise {
    private static final int PAGES = 64;
    private static final int RESIDENT = 24;
    private static final int ROUNDS = 2000;
    private static final int TRIES = 5;
    private static final long SEED = 3;

    @Override
    public String title() {
        return "Re-use of a KVM page table";
    }

    @Override
    public List<String> vendors() {
        return List.of(PromiseHardware.VTD, PromiseHardware.SMMUV3);
    }

    @Override
    public String show(Guest guest) {
        Format format = guest.vendor().equals(PromiseHardware.VTD) ? Format.EPT : Format.ARM_STAGE_2;
        try (GuestMemory memory = new GuestMemory(guest.services().memory(), format,
                (long) PAGES * Guest.PAGE_BYTES, (long) RESIDENT * Guest.PAGE_BYTES)) {
            Ioas space = guest.context().allocateIoas(memory);
            guest.device().attach(space);
            try {
                return count(guest, memory, space, format);
            } finally {
                guest.device().detach();
                space.destroy();
            }
        }
    }

    private static String count(Guest guest, GuestMemory memory, Ioas space, Format format) {
        DmaPort port = guest.endpoint().openPort();
        SplittableRandom random = new SplittableRandom(SEED);
        long[] expected = new long[PAGES];
        for (int round = 0; round < ROUNDS; round++) {
            int page = random.nextInt(PAGES);
            long address = (long) page * Guest.PAGE_BYTES;
            memory.fetchAndAdd(address, 1);
            if (round % 4 == 0) {
                memory.move(address);
            } else if (round % 4 == 1) {
                memory.evict(address);
            }
            addByDma(port, memory, address);
            expected[page] += 2;
        }
        for (int page = 0; page < PAGES; page++) {
            long found = memory.load((long) page * Guest.PAGE_BYTES);
            Promise.require(found == expected[page], "CPU and device counted to %d in page %d, not %d", found, page, expected[page]);
        }
        Promise.require(memory.evictions() > 0, "no page ever went out");
        Promise.require(space.mappedBytes() == 0, "0x%x bytes are mapped through iommufd", space.mappedBytes());
        return "%d additions by CPU and device through one %s, %d pages went out meanwhile; 0 bytes mapped".formatted(
                2 * ROUNDS, format == Format.EPT ? "EPT" : "stage 2 table", memory.evictions());
    }

    /** Where the device cannot ask for an absent page, the CPU brings it, and the device tries again. */
    private static void addByDma(DmaPort port, GuestMemory memory, long address) {
        for (int attempt = 0; attempt < TRIES; attempt++) {
            port.fetchAndAdd(address, 1);
            if (port.status() == DmaStatus.DONE) {
                return;
            }
            memory.load(address);
        }
        throw new Step.StepFailed("the device cannot reach 0x%x: %s".formatted(address, port.lastFault()));
    }
}
