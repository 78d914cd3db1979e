package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_device_attach_iommufd_pt} of {@code linux/vfio.h} (Linux 7.3), native byte order: attaches a device to
 * an address space or page table. Argument of {@code VFIO_DEVICE_ATTACH_IOMMUFD_PT}.
 */
public final class VfioDeviceAttachIommufdPt {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_device_attach_iommufd_pt";
    /** Request number: {@code _IO(';', 119)}. */
    public static final int VFIO_DEVICE_ATTACH_IOMMUFD_PT = 0x3B77;

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static final int ARGSZ_OFFSET = 0;
    /** {@code flags}: {@link #VFIO_DEVICE_ATTACH_PASID} or 0. */
    public static final int FLAGS_OFFSET = 4;
    /** {@code pt_id}: what; answered: the page table. */
    public static final int PT_ID_OFFSET = 8;
    /** {@code pasid}: which PASID. */
    public static final int PASID_OFFSET = 12;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 16;
    /** Through {@code pt_id}; a shorter struct is {@code EINVAL}. */
    public static final int MIN_BYTES = 12;

    /** Requests with a PASID. */
    public static final int VFIO_DEVICE_ATTACH_PASID = 1;

    private VfioDeviceAttachIommufdPt() {}

    /** {@code argsz}: size of the struct as the caller knows it. */
    public static int argsz(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET);
    }

    /** Stores {@code argsz}. */
    public static void argsz(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, ARGSZ_OFFSET, value);
    }

    /** {@code flags}: {@link #VFIO_DEVICE_ATTACH_PASID} or 0. */
    public static int flags(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET);
    }

    /** Stores {@code flags}. */
    public static void flags(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, FLAGS_OFFSET, value);
    }

    /** {@code pt_id}: what; answered: the page table. */
    public static int ptId(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, PT_ID_OFFSET);
    }

    /** Stores {@code pt_id}. */
    public static void ptId(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, PT_ID_OFFSET, value);
    }

    /** {@code pasid}: which PASID. */
    public static int pasid(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, PASID_OFFSET);
    }

    /** Stores {@code pasid}. */
    public static void pasid(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, PASID_OFFSET, value);
    }
}
