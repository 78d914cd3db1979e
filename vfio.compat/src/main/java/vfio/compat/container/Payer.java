package vfio.compat.container;

import iommufd.api.ContextOwner;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.Caller;

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
            ContextOwner now = refused.errno() == Errno.ENOMEM ? caller.owner() : owner;
            if (now.equals(owner)) {
                throw refused;
            }
            owner = now;   // the limit has changed
            ioas.mapAt(iova, memory, address, lengthBytes, access, now);
        }
    }
}
