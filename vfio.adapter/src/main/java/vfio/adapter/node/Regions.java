package vfio.adapter.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import vfio.adapter.config.ConfigSpace;
import vfio.adapter.device.BarAccess;
import vfio.adapter.device.DeviceSession;
import vfio.adapter.memory.BarMemory;
import vfio.adapter.uapi.VfioRegionInfo;

/** Reads and writes of a device file: the region's index is in the upper bits of the offset. */
final class Regions {
    private static final long OFFSET_MASK = (1L << BarMemory.REGION_SHIFT) - 1;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private Regions() {}

    /** Where a region begins in the file. */
    static long start(int index) {
        return (long) index << BarMemory.REGION_SHIFT;
    }

    static int read(DeviceSession session, long position, MemorySegment target) {
        int index = index(position);
        long offset = position & OFFSET_MASK;
        return index == VfioRegionInfo.VFIO_PCI_CONFIG_REGION_INDEX ? readConfig(session.config(), offset, target)
                : BarAccess.read(session, index, offset, target);
    }

    static int write(DeviceSession session, long position, MemorySegment source) {
        int index = index(position);
        long offset = position & OFFSET_MASK;
        return index == VfioRegionInfo.VFIO_PCI_CONFIG_REGION_INDEX ? writeConfig(session.config(), offset, source)
                : BarAccess.write(session, index, offset, source);
    }

    private static int index(long position) {
        long index = position >>> BarMemory.REGION_SHIFT;
        if (index >= VfioRegionInfo.VFIO_PCI_NUM_REGIONS) {
            throw new IommufdException(Errno.EINVAL, "there is no region " + index);
        }
        return (int) index;
    }

    private static int readConfig(ConfigSpace config, long offset, MemorySegment target) {
        int length = (int) target.byteSize();
        requireInside(config, offset, length);
        int width;
        for (int done = 0; done < length; done += width) {
            width = width(offset + done, length - done);
            int content = config.read(offset + done, width);
            switch (width) {
                case 1 -> target.set(ValueLayout.JAVA_BYTE, done, (byte) content);
                case 2 -> target.set(SHORT, done, (short) content);
                default -> target.set(INT, done, content);
            }
        }
        return length;
    }

    private static int writeConfig(ConfigSpace config, long offset, MemorySegment source) {
        int length = (int) source.byteSize();
        requireInside(config, offset, length);
        int width;
        for (int done = 0; done < length; done += width) {
            width = width(offset + done, length - done);
            int content = switch (width) {
                case 1 -> source.get(ValueLayout.JAVA_BYTE, done);
                case 2 -> source.get(SHORT, done);
                default -> source.get(INT, done);
            };
            config.write(offset + done, width, content);
        }
        return length;
    }

    /** Linux checks what is left at each step, so nothing is transferred of what reaches beyond the end. */
    private static void requireInside(ConfigSpace config, long offset, int length) {
        if (offset + length > config.lengthBytes()) {
            throw new IommufdException(Errno.EFAULT, "0x%x + %d reaches beyond the configuration space".formatted(offset, length));
        }
    }

    private static int width(long offset, int left) {
        if ((offset & 3) == 0 && left >= Integer.BYTES) {
            return Integer.BYTES;
        }
        return (offset & 1) == 0 && left >= Short.BYTES ? Short.BYTES : 1;
    }
}
