package iommu.mock.command;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.Caller;
import iommufd.api.uapi.MappableNode;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Memory a mock device exports: can be mapped for DMA as a whole, and be revoked. Thread-safe. */
final class Dmabuf implements MappableNode, UserMemory {
    private final GuestRam ram;
    private final Set<RevocationListener> listeners = ConcurrentHashMap.newKeySet();
    private volatile boolean revoked;

    Dmabuf(GuestRam ram) {
        this.ram = ram;
    }

    @Override
    public UserMemory mappable() {
        return this;
    }

    @Override
    public Kind kind() {
        return Kind.EXPORTED;
    }

    /** As Linux: whoever maps it is told whatever the new state is, and does not come back. */
    void revoke(boolean on) {
        revoked = on;
        for (RevocationListener listener : listeners) {
            listener.revoked(0, ram.lengthBytes());
        }
    }

    @Override
    public void pin(long address, long lengthBytes, boolean writable, PinnedRuns runs) {
        if (revoked) {
            throw new IommufdException(Errno.ENODEV, "the exported memory is revoked");
        }
        ram.pin(address, lengthBytes, writable, runs);
    }

    @Override
    public void unpin(long physicalAddress, long lengthBytes) {
        ram.unpin(physicalAddress, lengthBytes);
    }

    @Override
    public Subscription onRevocation(RevocationListener listener) {
        listeners.add(listener);
        return () -> listeners.remove(listener);
    }

    @Override
    public long ioctl(Caller caller, int request, long argument) {
        throw new IommufdException(Errno.ENOTTY, "a mock dmabuf has no requests");
    }

    @Override
    public void close() {
        ram.close();
    }
}
