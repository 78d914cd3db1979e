package iommu.mock.command;

import iommufd.api.Access;
import iommufd.api.AccessClient;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.Caller;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IommufdFile;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An emulated device in the hands of a client: an access and what it has pinned. It keeps the context open. One lock is around
 * every pin, so that an unmap sees the pin or the pin sees the unmap.
 */
final class AccessFile implements OpenNode, AccessClient {
    private static final Logger LOG = LoggerFactory.getLogger(AccessFile.class);
    private static final long PAGE_BYTES = UserMemory.PAGE_BYTES;

    private final boolean pins;
    private final IommufdFile.Hold hold;
    private final Access access;
    /** By number, guarded by itself. */
    private final Map<Integer, Pinned> pinned = new LinkedHashMap<>();
    private int nextId;

    private record Pinned(long iova, long lengthBytes) {
        boolean overlaps(long otherIova, long otherLast) {
            return Long.compareUnsigned(otherIova, iova + lengthBytes - 1) <= 0 && Long.compareUnsigned(otherLast, iova) >= 0;
        }
    }

    AccessFile(IommufdFile file, boolean pins) {
        this.pins = pins;
        hold = file.hold();
        try {
            access = file.context().createAccess(pins ? this : AccessClient.withoutPins());
        } catch (RuntimeException | Error refused) {
            hold.close();
            throw refused;
        }
    }

    Access access() {
        return access;
    }

    /**
     * Pins the pages behind a range.
     *
     * @param check looks at them; if it throws they are unpinned
     * @return a number for {@link #unpin}
     */
    int pin(long iova, long lengthBytes, boolean writable, Consumer<PinnedRuns> check) {
        if (!pins) {
            throw new IommufdException(Errno.EOPNOTSUPP, "this access was made without MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES");
        }
        PinnedRuns runs = new PinnedRuns(4);
        synchronized (pinned) {
            access.pin(iova, lengthBytes, writable, runs);
            try {
                check.accept(runs);
            } catch (RuntimeException | Error refused) {
                access.unpin(iova, lengthBytes);
                throw refused;
            }
            int id = nextId++;
            pinned.put(id, new Pinned(iova, lengthBytes));
            return id;
        }
    }

    /** Undoes a {@link #pin}. @throws IommufdException {@link Errno#ENOENT} */
    void unpin(int id) {
        synchronized (pinned) {
            Pinned item = pinned.remove(id);
            if (item == null) {
                throw new IommufdException(Errno.ENOENT, "nothing is pinned under the number " + Integer.toUnsignedString(id));
            }
            access.unpin(item.iova(), item.lengthBytes());
        }
    }

    @Override
    public void unmapping(long iova, long lengthBytes) {
        long last = iova + lengthBytes - 1;
        synchronized (pinned) {
            for (Iterator<Pinned> items = pinned.values().iterator(); items.hasNext(); ) {
                Pinned item = items.next();
                if (item.overlaps(iova, last)) {
                    items.remove();
                    access.unpin(item.iova(), item.lengthBytes());
                }
            }
        }
    }

    @Override
    public long ioctl(Caller caller, int request, long argument) {
        throw new IommufdException(Errno.ENOTTY, "an access has no requests of its own");
    }

    @Override
    public void close() {
        try {
            access.destroy();
        } catch (IommufdException runtimeEnded) {
            LOG.debug("the engine closed the context, and the access with it", runtimeEnded);
        }
        hold.close();
    }

    /** First byte of the page. */
    static long pageStart(long address) {
        return address & -PAGE_BYTES;
    }
}
