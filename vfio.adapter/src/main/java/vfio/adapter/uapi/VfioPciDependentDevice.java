package vfio.adapter.uapi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * {@code struct vfio_pci_dependent_device} of {@code linux/vfio.h} (Linux 7.3), native byte order: a device that a hot reset
 * reaches.
 */
public final class VfioPciDependentDevice {
    /** Name of the struct in C. */
    public static final String STRUCT = "vfio_pci_dependent_device";

    /** {@code devid}: number in the caller's iommufd, or IOMMU group. */
    public static final int DEVID_OFFSET = 0;
    /** {@code segment}: PCI segment. */
    public static final int SEGMENT_OFFSET = 4;
    /** {@code bus}: PCI bus. */
    public static final int BUS_OFFSET = 6;
    /** {@code devfn}: device and function. */
    public static final int DEVFN_OFFSET = 7;
    /** {@code sizeof}, without what follows. */
    public static final int SIZE_BYTES = 8;

    /** The caller's, but it has no number. */
    public static final int VFIO_PCI_DEVID_OWNED = 0;
    /** Somebody else's. */
    public static final int VFIO_PCI_DEVID_NOT_OWNED = -1;

    private VfioPciDependentDevice() {}

    /** {@code devid}: number in the caller's iommufd, or IOMMU group. */
    public static int devid(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_INT_UNALIGNED, DEVID_OFFSET);
    }

    /** Stores {@code devid}. */
    public static void devid(MemorySegment struct, int value) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, DEVID_OFFSET, value);
    }

    /** {@code segment}: PCI segment. */
    public static short segment(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_SHORT_UNALIGNED, SEGMENT_OFFSET);
    }

    /** Stores {@code segment}. */
    public static void segment(MemorySegment struct, short value) {
        struct.set(ValueLayout.JAVA_SHORT_UNALIGNED, SEGMENT_OFFSET, value);
    }

    /** {@code bus}: PCI bus. */
    public static byte bus(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_BYTE, BUS_OFFSET);
    }

    /** Stores {@code bus}. */
    public static void bus(MemorySegment struct, byte value) {
        struct.set(ValueLayout.JAVA_BYTE, BUS_OFFSET, value);
    }

    /** {@code devfn}: device and function. */
    public static byte devfn(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_BYTE, DEVFN_OFFSET);
    }

    /** Stores {@code devfn}. */
    public static void devfn(MemorySegment struct, byte value) {
        struct.set(ValueLayout.JAVA_BYTE, DEVFN_OFFSET, value);
    }
}
