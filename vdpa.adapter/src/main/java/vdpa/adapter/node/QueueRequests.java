package vdpa.adapter.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.MemorySegment;
import vdpa.adapter.device.Eventfd;
import vdpa.adapter.device.VdpaSession;
import vdpa.adapter.uapi.VhostRequest;
import vdpa.adapter.uapi.VhostVringAddr;
import vdpa.device.QueueState;

/** Requests that begin with the number of a queue. Unknown ones end here too, as in Linux: their number is looked at first. */
final class QueueRequests {
    private static final int SPLIT_STATE_LIMIT = 0xffff;
    /**
     * What DPDK's virtio-user sets for a new packed queue, as if 16 bits were all: the available half. Taken literally a whole ring would
     * be under way.
     */
    private static final int START_OF_HALF = 0x8000;
    private static final int AVAIL_ALIGN = 2;
    private static final int USED_ALIGN = 4;

    private QueueRequests() {}

    /** @throws IommufdException {@link Errno#ENOBUFS} if there is no such queue; {@link Errno#ENOTTY} for an unknown request */
    static void run(VhostCall call, int request) {
        VdpaSession session = call.session();
        int queue = request == VhostRequest.VHOST_SET_VRING_NUM ? firstOfTwo(call) : call.readInt();
        session.requireQueue(queue);
        switch (request) {
            case VhostRequest.VHOST_SET_VRING_NUM -> resize(call, queue);
            case VhostRequest.VHOST_SET_VRING_ADDR -> place(call, queue);
            case VhostRequest.VHOST_SET_VRING_BASE -> setBase(call, queue);
            case VhostRequest.VHOST_GET_VRING_BASE -> call.writeInts(queue, word(session, session.state(queue)));
            case VhostRequest.VHOST_SET_VRING_KICK -> session.kickBy(queue, Eventfd.take(call.caller(), call.readSecondInt()));
            case VhostRequest.VHOST_SET_VRING_CALL -> session.callBy(queue, Eventfd.take(call.caller(), call.readSecondInt()));
            case VhostRequest.VHOST_SET_VRING_ERR -> session.errorBy(queue, Eventfd.take(call.caller(), call.readSecondInt()));
            case VhostRequest.VHOST_SET_VRING_BUSYLOOP_TIMEOUT -> session.busyLoopMicros(queue, call.readSecondInt());
            case VhostRequest.VHOST_GET_VRING_BUSYLOOP_TIMEOUT -> call.writeInts(queue, session.busyLoopMicros(queue));
            case VhostRequest.VHOST_VDPA_SET_VRING_ENABLE -> session.enable(queue, call.readSecondInt() != 0);
            case VhostRequest.VHOST_VDPA_GET_VRING_GROUP -> call.writeInts(queue, session.function().queueGroup(queue));
            case VhostRequest.VHOST_VDPA_GET_VRING_DESC_GROUP -> descriptorGroup(call, queue);
            case VhostRequest.VHOST_VDPA_SET_GROUP_ASID -> session.moveGroup(queue, call.readSecondInt());
            case VhostRequest.VHOST_VDPA_GET_VRING_SIZE -> call.writeInts(queue, session.size(queue));
            default -> throw new IommufdException(Errno.ENOTTY, "a vDPA device knows no request 0x%x".formatted(request));
        }
    }

    private static int firstOfTwo(VhostCall call) {
        call.readSecondInt();
        return call.readInt();
    }

    private static void resize(VhostCall call, int queue) {
        int entries = call.readSecondInt();
        if (entries <= 0 || entries > call.session().function().maxQueueSize() || Integer.bitCount(entries) != 1) {
            throw new IommufdException(Errno.EINVAL, "a queue of %s entries; it has a power of two, at most %d"
                    .formatted(Integer.toUnsignedString(entries), call.session().function().maxQueueSize()));
        }
        call.session().resize(queue, entries);
    }

    private static void place(VhostCall call, int queue) {
        MemorySegment struct = call.read(VhostVringAddr.SIZE_BYTES);
        int flags = VhostVringAddr.flags(struct);
        if ((flags & ~VhostVringAddr.VHOST_VRING_F_LOG) != 0) {
            throw new IommufdException(Errno.EOPNOTSUPP, "flags 0x%x are not known".formatted(flags));
        }
        long driver = VhostVringAddr.availUserAddr(struct);
        long device = VhostVringAddr.usedUserAddr(struct);
        if ((driver & AVAIL_ALIGN - 1) != 0 || ((device | VhostVringAddr.logGuestAddr(struct)) & USED_ALIGN - 1) != 0) {
            throw new IommufdException(Errno.EINVAL, "available ring 0x%x is not aligned to 2, or used ring 0x%x or its log not to 4".formatted(driver, device));
        }
        call.session().requireQuiet();
        call.session().place(queue, VhostVringAddr.descUserAddr(struct), driver, device);
    }

    private static void setBase(VhostCall call, int queue) {
        int base = call.readSecondInt();
        boolean packed = call.session().packed();
        if (!packed && Integer.compareUnsigned(base, SPLIT_STATE_LIMIT) > 0) {
            throw new IommufdException(Errno.EINVAL, "an index of 16 bits is not 0x%x".formatted(base));
        }
        call.session().requireQuiet();
        call.session().state(queue, packed ? packedState(base) : QueueState.split(base));
    }

    private static QueueState packedState(int base) {
        return base == START_OF_HALF ? QueueState.PACKED_START : QueueState.packed(base);
    }

    private static int word(VdpaSession session, QueueState state) {
        return session.packed() ? state.packedWord() : state.availIndex();
    }

    private static void descriptorGroup(VhostCall call, int queue) {
        if (call.session().function().descriptorGroups().isEmpty()) {
            throw new IommufdException(Errno.EOPNOTSUPP, "rings are in the groups of their queues");
        }
        call.writeInts(queue, call.session().function().descriptorGroup(queue));
    }
}
