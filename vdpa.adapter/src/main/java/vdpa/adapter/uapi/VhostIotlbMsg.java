package vdpa.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vhost_msg} and {@code struct vhost_msg_v2} with their {@code struct vhost_iotlb_msg}, of {@code linux/vhost_types.h}
 * (Linux 7.3), native byte order. Version 2 has an address space where version 1 has a hole.
 */
public final class VhostIotlbMsg {
    /** {@code type}: version of the message. */
    public static final int VERSION_OFFSET = 0;
    /** {@code asid}, of version 2. */
    public static final int ASID_OFFSET = 4;
    /** {@code iotlb.iova}. */
    public static final int IOVA_OFFSET = 8;
    /** {@code iotlb.size}. */
    public static final int SIZE_OFFSET = 16;
    /** {@code iotlb.uaddr}: address in the client. */
    public static final int UADDR_OFFSET = 24;
    /** {@code iotlb.perm}: 1 to read, 2 to write, for the device. */
    public static final int PERM_OFFSET = 32;
    /** {@code iotlb.type}: what is asked. */
    public static final int TYPE_OFFSET = 33;
    /** Through {@code iotlb}; what is shorter is {@code EINVAL}. */
    public static final int MIN_BYTES = 40;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 72;

    /** Version 1. */
    public static final int VHOST_IOTLB_MSG = 1;
    /** Version 2. */
    public static final int VHOST_IOTLB_MSG_V2 = 2;
    /** {@code type}: maps. */
    public static final int VHOST_IOTLB_UPDATE = 2;
    /** {@code type}: unmaps. */
    public static final int VHOST_IOTLB_INVALIDATE = 3;
    /** {@code type}: more follows. */
    public static final int VHOST_IOTLB_BATCH_BEGIN = 5;
    /** {@code type}: that was all. */
    public static final int VHOST_IOTLB_BATCH_END = 6;

    private VhostIotlbMsg() {}

    /** {@code type} of the message. */
    public static int version(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, VERSION_OFFSET);
    }

    /** {@code asid}. */
    public static int asid(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ASID_OFFSET);
    }

    /** {@code iotlb.iova}. */
    public static long iova(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, IOVA_OFFSET);
    }

    /** {@code iotlb.size}. */
    public static long size(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, SIZE_OFFSET);
    }

    /** {@code iotlb.uaddr}. */
    public static long uaddr(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, UADDR_OFFSET);
    }

    /** {@code iotlb.perm}. */
    public static int perm(MemorySegment struct) {
        return Byte.toUnsignedInt(struct.get(ValueLayout.JAVA_BYTE, PERM_OFFSET));
    }

    /** {@code iotlb.type}. */
    public static int type(MemorySegment struct) {
        return Byte.toUnsignedInt(struct.get(ValueLayout.JAVA_BYTE, TYPE_OFFSET));
    }
}
