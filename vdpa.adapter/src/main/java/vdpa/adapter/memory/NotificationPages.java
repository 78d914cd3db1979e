package vdpa.adapter.memory;

import iommufd.api.IommufdException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.OptionalInt;

/** A page for each queue, which clients map at the queue's number times the size of a page. Lives as long as the device's node. */
public final class NotificationPages implements AutoCloseable {
    private static final long PAGE_BYTES = 4096;

    private final int file;
    private final long address;
    private final long lengthBytes;

    /** @throws IommufdException {@link iommufd.api.Errno#ENOMEM} */
    public NotificationPages(String name, int queues) {
        lengthBytes = queues * PAGE_BYTES;
        file = SystemCalls.createFile(name, lengthBytes);
        try {
            address = SystemCalls.map(file, 0, lengthBytes);
        } catch (RuntimeException refused) {
            SystemCalls.close(file);
            throw refused;
        }
    }

    /** The file that clients map. */
    public OptionalInt file() {
        return OptionalInt.of(file);
    }

    /** A queue's page. @param user as long as it lives the page can be reached */
    public MemorySegment of(int queue, Arena user) {
        return MemorySegment.ofAddress(address + queue * PAGE_BYTES).reinterpret(PAGE_BYTES, user, bytes -> { });
    }

    /** Makes all of it zero. */
    public void clear() {
        MemorySegment.ofAddress(address).reinterpret(lengthBytes).fill((byte) 0);
    }

    /** Clients' mappings stay; nobody of this runtime may touch the memory any more. */
    @Override
    public void close() {
        SystemCalls.unmap(address, lengthBytes);
        SystemCalls.close(file);
    }
}
