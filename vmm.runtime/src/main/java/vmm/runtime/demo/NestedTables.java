package vmm.runtime.demo;

import iommufd.api.DmaAccess;
import iommufd.api.HwptOptions;
import iommufd.api.InvalidationResult;
import iommufd.api.Ioas;
import iommufd.api.PagingHwpt;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaPort;
import java.util.List;
import vmm.runtime.text.Quantity;

/** A device goes through tables that the guest writes in its own memory, and through the host's below. */
final class NestedTables implements Promise {
    private static final int ROUNDS = 500;
    private static final long[] DATA = {0x8_0000, 0x9_0000};
    private static final long OFFSET = 0x18;

    @Override
    public String title() {
        return "IO page tables of user space";
    }

    @Override
    public List<String> vendors() {
        return List.of(PromiseHardware.VTD, PromiseHardware.SMMUV3, PromiseHardware.S390);
    }

    @Override
    public String show(Guest guest) {
        Ioas space = guest.context().allocateIoas();
        space.mapAt(0, guest.ram(), 0, Guest.RAM_BYTES, DmaAccess.READ_WRITE);
        PagingHwpt parent = guest.context().allocateHwpt(guest.device(), space, HwptOptions.asNestParent());
        GuestTables tables = GuestTables.build(guest, parent);
        guest.device().attach(tables.hwpt());
        DmaPort port = guest.endpoint().openPort();
        long invalidatingNanos = 0;
        for (int round = 0; round < ROUNDS; round++) {
            long page = DATA[round % DATA.length];
            tables.map(page);
            long began = System.nanoTime();
            invalidate(tables);
            invalidatingNanos += System.nanoTime() - began;
            arrives(guest, port, page, round + 1L);
        }
        tables.unmap();
        invalidate(tables);
        Guest.writeRefused(port, GuestTables.IOVA + OFFSET, "the guest has unmapped it");
        DmaFault fault = port.lastFault().orElseThrow();
        Promise.require(fault.kind() == DmaFault.Kind.TRANSLATION && fault.iova() >>> 12 == GuestTables.IOVA >>> 12,
                "the fault is recorded as %s", fault);
        for (int i = 0; i < DATA.length; i++) {
            Promise.require(guest.word(DATA[i] + OFFSET) == ROUNDS - DATA.length + i + 1, "a refused write has arrived");
        }
        tables.map(DATA[0]);
        invalidate(tables);
        arrives(guest, port, DATA[0], ROUNDS + 1L);
        space.unmapAll();
        Guest.writeRefused(port, GuestTables.IOVA + OFFSET, "the host has unmapped the guest's memory");
        return "%d remaps by the guest, each in force once invalidated (%s each); unmapped by guest (fault 0x%x), by host: refused".formatted(
                ROUNDS, Quantity.time((double) invalidatingNanos / ROUNDS), fault.code());
    }

    private static void invalidate(GuestTables tables) {
        InvalidationResult result = tables.invalidate();
        Promise.require(result.equals(InvalidationResult.complete(1)), "an invalidation ended as %s", result);
    }

    private static void arrives(Guest guest, DmaPort port, long page, long value) {
        Guest.writeThrough(port, GuestTables.IOVA + OFFSET, value);
        Promise.require(guest.word(page + OFFSET) == value, "write %d is not where the guest's table leads, 0x%x", value, page);
    }
}
