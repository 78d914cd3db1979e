package vfio.compat.container;

import iommufd.api.ContextOwner;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.Caller;
import iommufd.api.node.ClientMemory.MappedNode;
import java.util.Optional;

/** Who maps pays. The system is asked who that is when another process maps, and when the limit seems reached. Not thread-safe. */
final class Payer {
    private UserMemory identity;
    private ContextOwner owner;

    /** A container's first client. */
    Payer(Caller caller, ContextOwner owner) {
        identity = caller.memory().mappable();
        this.owner = owner;
    }

    /** Maps memory of the caller. */
    void map(Caller caller, Ioas ioas, long iova, long address, long lengthBytes, DmaAccess access) {
        UserMemory memory = caller.memory().mappable();
        if (memory != identity) {
            owner = caller.owner();
            identity = memory;
        }
        try {
            ioas.mapAt(iova, memory, address, lengthBytes, access, owner);
        } catch (IommufdException refused) {
            if (refused.errno() == Errno.EFAULT && mapDevice(caller, ioas, iova, address, lengthBytes, access)) {
                return;
            }
            ContextOwner now = refused.errno() == Errno.ENOMEM ? caller.owner() : owner;
            if (now.equals(owner)) {
                throw refused;
            }
            owner = now;   // the limit has changed
            ioas.mapAt(iova, memory, address, lengthBytes, access, now);
        }
    }

    /** Maps a BAR that the caller has mapped, a target of other devices' DMA. @return false if it is something else, or may not be written */
    private boolean mapDevice(Caller caller, Ioas ioas, long iova, long address, long lengthBytes, DmaAccess access) {
        Optional<MappedNode> device = caller.memory().mappedNode(address, lengthBytes);
        if (device.isEmpty()) {
            return false;
        }
        UserMemory memory = device.get().memory();
        try {
            if (access != DmaAccess.READ && !device.get().writable()) {
                return false;
            }
            ioas.mapAt(iova, memory, device.get().offset(), lengthBytes, access, owner);
            return true;
        } finally {
            memory.release();
        }
    }
}
