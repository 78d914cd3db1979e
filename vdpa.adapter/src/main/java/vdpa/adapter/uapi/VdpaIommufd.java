package vdpa.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Requests of our own, which Linux does not have: they bind a vDPA device to the client's iommufd as VFIO's do a VFIO device. All three
 * have one struct, native byte order, of four 32-bit fields.
 */
public final class VdpaIommufd {
    /** {@code _IOWR(0xAF, 0xF0, 16 bytes)}: binds the device; {@link #VALUE_OFFSET} takes the iommufd and gives the device's number. */
    public static final int VHOST_VDPA_BIND_IOMMUFD = 0xC010AFF0;
    /** {@code _IOWR(0xAF, 0xF1, 16 bytes)}: attaches; {@link #VALUE_OFFSET} takes IOAS or HWPT and gives the HWPT. */
    public static final int VHOST_VDPA_ATTACH_IOMMUFD_PT = 0xC010AFF1;
    /** {@code _IOW(0xAF, 0xF2, 16 bytes)}: detaches. */
    public static final int VHOST_VDPA_DETACH_IOMMUFD_PT = 0x4010AFF2;

    /** {@code argsz}: size of the struct as the caller knows it, at least {@link #SIZE_BYTES}. */
    public static final int ARGSZ_OFFSET = 0;
    /** {@code flags}: 0, or {@link #WITH_PASID} when attaching and detaching. */
    public static final int FLAGS_OFFSET = 4;
    /** What the request says. */
    public static final int VALUE_OFFSET = 8;
    /** {@code pasid}: the number of an address space of the device, 1 and up. */
    public static final int PASID_OFFSET = 12;
    /** {@code sizeof}. */
    public static final int SIZE_BYTES = 16;
    /** An address space other than the first. */
    public static final int WITH_PASID = 1;

    private VdpaIommufd() {}

    /** {@code flags}. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** What the request says. */
    public static int value(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, VALUE_OFFSET);
    }

    /** {@code pasid}. */
    public static int pasid(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, PASID_OFFSET);
    }
}
