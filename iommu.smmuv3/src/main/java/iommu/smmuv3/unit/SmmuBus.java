package iommu.smmuv3.unit;

import iommu.common.unit.PhysicalWords;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.MemoryMap;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * The unit's side of the bus: every structure, queue, message and DMA target is found through it, and nothing else is reached.
 * Thread-safe; {@link #locate} and {@link #page} allocate nothing.
 */
final class SmmuBus {
    /** What {@link #locate} and {@link #page} answer where there is no memory. */
    static final long NOWHERE = MemoryMap.NOWHERE;
    private static final int PAGE_BYTES = 4096;
    private static final int WORD_BYTES = 8;

    private final MemoryMap map;
    private final SmmuMessages messages;
    private final ConcurrentLinkedQueue<Message> waiting = new ConcurrentLinkedQueue<>();

    private record Message(long address, int data) {}

    SmmuBus(MemoryMap map, SmmuMessages messages) {
        this.map = map;
        this.messages = messages;
    }

    /** Whether addresses are the host's, far memory included. */
    boolean isHost() {
        return map == MemoryMap.HOST;
    }

    /**
     * Where a structure lies.
     *
     * @param address naturally aligned, of a structure or of a word in one
     * @param bytes a power of two; all of them are there, or none
     * @return an address in the window, or {@link #NOWHERE}
     */
    long locate(long address, int bytes) {
        long at = map.hostAddress(address);
        if (at < 0 || (at & Math.min(bytes, WORD_BYTES) - 1) != 0 || !HostMemory.isBacked(at)
                || map.hostAddress(address + bytes - 1) != at + bytes - 1) {
            return NOWHERE;
        }
        return at;
    }

    /** Where a byte of a page of 4 KiB lies, whose whole page must be there, or {@link #NOWHERE}. */
    long page(long address) {
        long page = address & -PAGE_BYTES;
        long at = map.hostAddress(page);
        if (at < 0 || (at & PAGE_BYTES - 1) != 0 || map.hostAddress(page + PAGE_BYTES - 1) != at + PAGE_BYTES - 1) {
            return NOWHERE;
        }
        return at + (address - page);
    }

    /** Whether {@code bytes} from {@code address} on, a power of two, lie in one piece at {@code at}, which is aligned as they are. */
    boolean wholeAt(long address, long at, long bytes) {
        long first = address & -bytes;
        return (at & bytes - 1) == (address & bytes - 1) && map.hostAddress(first) == (at & -bytes)
                && map.hostAddress(first + bytes - 1) == (at | bytes - 1);
    }

    /**
     * A message: a word in memory, or an interrupt, which goes out with {@link #deliver}.
     *
     * @return false if it is aborted
     */
    boolean message(long address, int data) {
        long at = locate(address, Integer.BYTES);
        if (at >= 0) {
            PhysicalWords.setInt(at, data);
            return true;
        }
        return messages != SmmuMessages.ABORTED && waiting.add(new Message(address, data));
    }

    /** A device's message to where no memory is; the caller holds no lock of the unit. @return false if it is aborted */
    boolean interrupt(long address, int data) {
        if (messages == SmmuMessages.ABORTED) {
            return false;
        }
        messages.message(address, data);
        return true;
    }

    /** Sends the messages that wait; the caller holds no lock of the unit. */
    void deliver() {
        for (Message message = waiting.poll(); message != null; message = waiting.poll()) {
            messages.message(message.address(), message.data());
        }
    }
}
