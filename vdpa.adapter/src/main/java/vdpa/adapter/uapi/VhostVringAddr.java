package vdpa.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** {@code struct vhost_vring_addr} of {@code linux/vhost_types.h} (Linux 7.3), native byte order. */
public final class VhostVringAddr {
    /** {@code index}: which queue. */
    public static final int INDEX_OFFSET = 0;
    /** {@code flags}: {@link #VHOST_VRING_F_LOG} or 0. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code desc_user_addr}: descriptor table. */
    public static final int DESC_USER_ADDR_OFFSET = 8;
    /** {@code used_user_addr}: used ring. */
    public static final int USED_USER_ADDR_OFFSET = 16;
    /** {@code avail_user_addr}: available ring. */
    public static final int AVAIL_USER_ADDR_OFFSET = 24;
    /** {@code log_guest_addr}: where writes would be logged. */
    public static final int LOG_GUEST_ADDR_OFFSET = 32;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 40;
    /** The only flag. */
    public static final int VHOST_VRING_F_LOG = 1;

    private VhostVringAddr() {}

    /** {@code flags}. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** {@code desc_user_addr}. */
    public static long descUserAddr(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, DESC_USER_ADDR_OFFSET);
    }

    /** {@code used_user_addr}. */
    public static long usedUserAddr(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, USED_USER_ADDR_OFFSET);
    }

    /** {@code avail_user_addr}. */
    public static long availUserAddr(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, AVAIL_USER_ADDR_OFFSET);
    }

    /** {@code log_guest_addr}. */
    public static long logGuestAddr(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, LOG_GUEST_ADDR_OFFSET);
    }
}
