package vdpa.adapter.memory;

import iommufd.api.IommufdException;
import iommufd.api.memory.SharedFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.OptionalInt;

/** A page for each queue, which clients map at the queue's number times the size of a page. Lives as long as the device's node. */
public final class NotificationPages implements AutoCloseable {
    private static final long PAGE_BYTES = 4096;

    private final SharedFile file;
    private final MemorySegment pages;

    /** @throws IommufdException {@link iommufd.api.Errno#ENOMEM} */
    public NotificationPages(String name, int queues) {
        long lengthBytes = queues * PAGE_BYTES;
        file = new SharedFile(name, lengthBytes);
        try {
            pages = file.map(0, lengthBytes);
        } catch (RuntimeException refused) {
            file.close();
            throw refused;
        }
    }

    /** The file that clients map. */
    public OptionalInt file() {
        return OptionalInt.of(file.descriptor());
    }

    /** A queue's page. @param user as long as it lives the page can be reached */
    public MemorySegment of(int queue, Arena user) {
        return pages.asSlice(queue * PAGE_BYTES, PAGE_BYTES).reinterpret(user, bytes -> { });
    }

    /** Makes all of it zero. */
    public void clear() {
        pages.fill((byte) 0);
    }

    /** Clients' mappings stay; nobody of this runtime may touch the memory any more. */
    @Override
    public void close() {
        SharedFile.unmap(pages);
        file.close();
    }
}
