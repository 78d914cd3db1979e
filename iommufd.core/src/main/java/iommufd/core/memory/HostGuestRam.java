package iommufd.core.memory;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A contiguous part of the physical space as guest RAM. Lives until it is closed and nothing of it is pinned. Thread-safe;
 * revocation listeners are called without a lock.
 */
final class HostGuestRam implements GuestRam {
    private static final long HUGE_BYTES = HostMemory.BACKING_BYTES;
    private static final long GIANT_BYTES = 1L << 30;

    private final long physicalAddress;
    private final long lengthBytes;
    private final long backedBytes;
    private final Arena access = Arena.ofShared();
    private final MemorySegment segment;
    /** One per mapping, so there may be very many. */
    private final Set<RevocationListener> listeners = ConcurrentHashMap.newKeySet();
    private long pinnedBytes;
    private boolean revoked;
    private boolean closed;

    /** @throws IommufdException {@link Errno#ENOMEM} */
    HostGuestRam(long lengthBytes, boolean hugePages) {
        this.lengthBytes = lengthBytes;
        this.backedBytes = lengthBytes + HUGE_BYTES - 1 & -HUGE_BYTES;
        this.physicalAddress = PhysicalRanges.take(backedBytes, backedBytes >= GIANT_BYTES ? GIANT_BYTES : HUGE_BYTES, PhysicalRanges.RAM_START);
        try {
            HostMemory.backAnonymous(physicalAddress, backedBytes, hugePages);
        } catch (IommufdException refused) {
            PhysicalRanges.give(physicalAddress);
            throw refused;
        }
        this.segment = HostMemory.WINDOW.asSlice(physicalAddress, lengthBytes).reinterpret(access, unused -> { });
    }

    @Override
    public Kind kind() {
        return Kind.FILE;
    }

    @Override
    public MemorySegment segment() {
        return segment;
    }

    @Override
    public long lengthBytes() {
        return lengthBytes;
    }

    @Override
    public long physicalAddress() {
        return physicalAddress;
    }

    @Override
    public synchronized void pin(long address, long length, boolean writable, PinnedRuns runs) {
        if (revoked) {
            throw new IommufdException(Errno.ENODEV, "this guest RAM was revoked by its owner");
        }
        if (closed) {
            throw new IommufdException(Errno.EFAULT, "this guest RAM is closed");
        }
        boolean aligned = ((address | length) & PAGE_BYTES - 1) == 0;
        if (!aligned || address < 0 || length <= 0 || address > lengthBytes - length) {
            throw new IommufdException(Errno.EINVAL, "0x%x + 0x%x is no range of whole pages of 0x%x bytes guest RAM"
                    .formatted(address, length, lengthBytes));
        }
        pinnedBytes += length;
        runs.add(physicalAddress + address, length);
    }

    @Override
    public void unpin(long pinnedAddress, long length) {
        boolean last;
        synchronized (this) {
            pinnedBytes -= length;
            assert pinnedBytes >= 0 : "more was unpinned than pinned";
            last = closed && pinnedBytes == 0;
        }
        if (last) {
            giveBack();
        }
    }

    @Override
    public Subscription onRevocation(RevocationListener listener) {
        listeners.add(listener);
        return () -> listeners.remove(listener);
    }

    /** @throws IllegalStateException if a system call or a copy is using {@link #segment()} this moment */
    @Override
    public void close() {
        boolean unpinned;
        synchronized (this) {
            if (closed) {
                return;
            }
            access.close();
            closed = true;
            unpinned = pinnedBytes == 0;
        }
        if (unpinned) {
            giveBack();
        }
    }

    @Override
    public void revoke() {
        synchronized (this) {
            if (revoked) {
                return;
            }
            revoked = true;
        }
        for (RevocationListener listener : listeners) {
            listener.revoked(0, lengthBytes);
        }
    }

    private void giveBack() {
        HostMemory.unback(physicalAddress, backedBytes);
        PhysicalRanges.give(physicalAddress);
    }
}
