package iommufd.core.object;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.OnDemandMapping;
import iommufd.api.OnDemandOptions;
import iommufd.api.hardware.PageRequest;
import iommufd.api.memory.UserMemory;
import iommufd.core.space.IovaSpace;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One range that is mapped on demand. Chunks are areas of the space, a chunk each or, where memory is not to be had, single pages.
 * Pages are served by the pager's one thread; everything else is called from any.
 */
final class DemandRegion implements OnDemandMapping, DemandPager.PageSource {
    private static final Logger LOG = LoggerFactory.getLogger(DemandRegion.class);
    private static final long PAGE_BYTES = UserMemory.PAGE_BYTES;

    private final DemandPager pager;
    private final IovaSpace space;
    private final long iova;
    private final UserMemory memory;
    private final long address;
    private final long lengthBytes;
    private final DmaAccess access;
    private final OnDemandOptions options;
    private final AtomicLong served = new AtomicLong();
    private final AtomicLong refused = new AtomicLong();
    /** First IOVA of areas in the order they came; some may be gone. Only the pager's thread. */
    private final Deque<Long> arrivals = new ArrayDeque<>();

    DemandRegion(DemandPager pager, IovaSpace space, long iova, UserMemory memory, long address, long lengthBytes, DmaAccess access,
            OnDemandOptions options) {
        this.pager = pager;
        this.space = space;
        this.iova = iova;
        this.memory = memory;
        this.address = address;
        this.lengthBytes = lengthBytes;
        this.access = access;
        this.options = options;
    }

    boolean covers(long address) {
        return Long.compareUnsigned(address - iova, lengthBytes) < 0;
    }

    @Override
    public boolean serve(PageRequest request) {
        boolean there = (request.access().bits() & ~access.bits()) == 0 && mapAround(request.iova());
        (there ? served : refused).incrementAndGet();
        return there;
    }

    private boolean mapAround(long page) {
        long offset = page - iova & -PAGE_BYTES;
        long chunk = offset & -options.chunkBytes();
        if (mapOrFind(chunk, Math.min(options.chunkBytes(), lengthBytes - chunk), page)) {
            return true;
        }
        // A neighbour may be mapped already, or lack memory.
        return options.chunkBytes() > PAGE_BYTES && mapOrFind(offset, PAGE_BYTES, page);
    }

    private boolean mapOrFind(long offset, long bytes, long page) {
        if (isMapped(page)) {
            return true;
        }
        makeRoom(bytes);
        for (boolean again = true; ; again = false) {
            try {
                space.mapPromised(this, iova + offset, memory, address + offset, bytes, access);
                arrivals.add(iova + offset);
                return true;
            } catch (IommufdException impossible) {
                if (impossible.errno() == Errno.EEXIST && isMapped(page)) {
                    return true;   // somebody who waited for another page of the chunk
                }
                // The owner's limit of pinned pages: something has to go, and there is something.
                if (impossible.errno() == Errno.ENOMEM && again && evictOldest()) {
                    continue;
                }
                LOG.debug("a device asked for 0x{}, which cannot be mapped", Long.toHexString(page), impossible);
                return false;
            }
        }
    }

    private boolean isMapped(long page) {
        return space.mappedBytes(page, 1) != 0;
    }

    private void makeRoom(long bytes) {
        while (residentBytes() + bytes > options.maxResidentBytes() && evictOldest()) { }
    }

    /** @return whether there was anything to evict */
    private boolean evictOldest() {
        for (Long oldest = arrivals.poll(); oldest != null; oldest = arrivals.poll()) {
            try {
                long chunkLast = Math.min((oldest - iova & -options.chunkBytes()) + options.chunkBytes(), lengthBytes);
                if (space.unmapIfMapped(oldest, chunkLast - (oldest - iova)) != 0) {
                    return true;
                }
            } catch (IommufdException held) {
                LOG.debug("what is mapped on demand at 0x{} is in use and stays", Long.toHexString(oldest), held);
            }
        }
        return false;
    }

    @Override
    public long iova() {
        return iova;
    }

    @Override
    public long lengthBytes() {
        return lengthBytes;
    }

    @Override
    public long residentBytes() {
        return space.mappedBytes(iova, lengthBytes);
    }

    @Override
    public long pagesServed() {
        return served.get();
    }

    @Override
    public long pagesRefused() {
        return refused.get();
    }

    @Override
    public long evict(long first, long bytes) {
        long offset = first - iova;
        if (bytes <= 0 || Long.compareUnsigned(offset, lengthBytes) >= 0 || bytes > lengthBytes - offset) {
            throw new IommufdException(Errno.EINVAL, "0x%x bytes at 0x%x are not all of what is mapped on demand at 0x%x, 0x%x bytes"
                    .formatted(bytes, first, iova, lengthBytes));
        }
        long from = offset & -options.chunkBytes();
        long to = Math.min((offset + bytes - 1 | options.chunkBytes() - 1) + 1, lengthBytes);
        return space.unmapIfMapped(iova + from, to - from);
    }

    @Override
    public void close() {
        pager.forget(this);
        space.endPromise(this, iova, lengthBytes);
    }
}
