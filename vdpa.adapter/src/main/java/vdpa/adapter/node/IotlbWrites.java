package vdpa.adapter.node;

import iommufd.api.ContextOwner;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.UserMemory;
import java.lang.foreign.MemorySegment;
import vdpa.adapter.device.AddressSpaces;
import vdpa.adapter.device.VdpaSession;
import vdpa.adapter.uapi.VhostIotlbMsg;

/**
 * Messages that clients write to fill address spaces. A batch is of one address space, and what it says is done at once; but once it has
 * unmapped anything the device stands still until its end: VMMs unmap all memory there, and map it again in other pieces. Guarded by
 * the session's lock.
 */
final class IotlbWrites {
    private static final int READ = 1;
    private static final int WRITE = 2;
    private static final int READ_WRITE = 3;

    private boolean inBatch;
    private int batchAsid;

    /** Looks at what can be told from the message alone. @throws IommufdException {@link Errno#EINVAL} */
    static void check(MemorySegment message) {
        if (message.byteSize() < Integer.BYTES || VhostIotlbMsg.version(message) != VhostIotlbMsg.VHOST_IOTLB_MSG
                && VhostIotlbMsg.version(message) != VhostIotlbMsg.VHOST_IOTLB_MSG_V2) {
            throw new IommufdException(Errno.EINVAL, "%d bytes, no message of version 1 or 2".formatted(message.byteSize()));
        }
        if (message.byteSize() < VhostIotlbMsg.MIN_BYTES) {
            throw new IommufdException(Errno.EINVAL, "a message of %d bytes ends early".formatted(message.byteSize()));
        }
        if (VhostIotlbMsg.type(message) == VhostIotlbMsg.VHOST_IOTLB_UPDATE && VhostIotlbMsg.size(message) == 0) {
            throw new IommufdException(Errno.EINVAL, "nothing to map");
        }
    }

    /**
     * Does what a message says.
     *
     * @param asid whose
     * @throws IommufdException any errno; the client gets {@link Errno#EFAULT}
     */
    void apply(VdpaSession session, int asid, MemorySegment message, UserMemory memory, ContextOwner payer) {
        AddressSpaces spaces = session.spaces();
        int type = VhostIotlbMsg.type(message);
        if (type == VhostIotlbMsg.VHOST_IOTLB_UPDATE || type == VhostIotlbMsg.VHOST_IOTLB_BATCH_BEGIN) {
            spaces.require(asid);
        } else {
            spaces.checkExists(asid);
        }
        if (inBatch && batchAsid != asid) {
            throw new IommufdException(Errno.EINVAL, "a message for address space %d in a batch for %d".formatted(asid, batchAsid));
        }
        switch (type) {
            case VhostIotlbMsg.VHOST_IOTLB_UPDATE -> spaces.map(asid, VhostIotlbMsg.iova(message), VhostIotlbMsg.size(message), memory,
                    VhostIotlbMsg.uaddr(message), access(VhostIotlbMsg.perm(message)), payer);
            case VhostIotlbMsg.VHOST_IOTLB_INVALIDATE -> {
                if (inBatch) {
                    session.hold();
                }
                spaces.unmap(asid, VhostIotlbMsg.iova(message), VhostIotlbMsg.size(message));
            }
            case VhostIotlbMsg.VHOST_IOTLB_BATCH_BEGIN -> {
                inBatch = true;
                batchAsid = asid;
            }
            case VhostIotlbMsg.VHOST_IOTLB_BATCH_END -> {
                inBatch = false;
                session.release();
            }
            default -> throw new IommufdException(Errno.EINVAL, "a message of type " + type);
        }
    }

    private static DmaAccess access(int perm) {
        return switch (perm) {
            case READ -> DmaAccess.READ;
            case WRITE -> DmaAccess.WRITE;
            case READ_WRITE -> DmaAccess.READ_WRITE;
            default -> throw new IommufdException(Errno.EINVAL, "access 0x%x".formatted(perm));
        };
    }
}
