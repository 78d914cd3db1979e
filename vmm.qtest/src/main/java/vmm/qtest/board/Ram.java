package vmm.qtest.board;

import iommufd.api.memory.GuestRam;
import iommufd.api.memory.MemoryMap;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** The board's RAM: one piece of the physical window, shown at one or two places of the memory map. */
final class Ram implements AutoCloseable {
    /**
     * A place where RAM is seen.
     *
     * @param address on the bus
     * @param lengthBytes greater than 0
     */
    record Bank(long address, long lengthBytes) {}

    private final GuestRam ram;
    private final List<Bank> banks;
    private final MemoryMap map;

    /** @param banks in the order in which they show the RAM; together as long as it */
    Ram(GuestRam ram, List<Bank> banks) {
        this.ram = ram;
        this.banks = List.copyOf(banks);
        List<MemoryMap.Range> ranges = new ArrayList<>();
        long offset = 0;
        for (Bank bank : banks) {
            ranges.add(new MemoryMap.Range(bank.address, bank.lengthBytes, ram.physicalAddress() + offset));
            offset += bank.lengthBytes;
        }
        map = MemoryMap.of(ranges);
    }

    MemoryMap map() {
        return map;
    }

    /** How many bytes from {@code address} on are RAM and lie next to each other, 0 if not even the first. */
    long contiguousBytes(long address) {
        for (Bank bank : banks) {
            long offset = address - bank.address;
            if (offset >= 0 && offset < bank.lengthBytes) {
                return bank.lengthBytes - offset;
            }
        }
        return 0;
    }

    /** Copies bytes that {@link #contiguousBytes} granted. */
    void read(long address, MemorySegment target, long targetOffset, long lengthBytes) {
        MemorySegment.copy(ram.segment(), offset(address), target, targetOffset, lengthBytes);
    }

    /** Copies bytes that {@link #contiguousBytes} granted. */
    void write(long address, MemorySegment source, long sourceOffset, long lengthBytes) {
        MemorySegment.copy(source, sourceOffset, ram.segment(), offset(address), lengthBytes);
    }

    private long offset(long address) {
        return map.hostAddress(address) - ram.physicalAddress();
    }

    @Override
    public void close() {
        ram.close();
    }
}
