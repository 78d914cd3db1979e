package vfio.adapter.device;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Optional;
import vfio.device.Bar;
import vfio.device.MsixCapability;

/**
 * Reads and writes of BARs by calls (pread(2), pwrite(2)). They go to the model in naturally aligned parts of up to 8 bytes, to
 * shared memory, or, in the MSI-X table, nowhere: it reads as all ones, which is what Linux's vfio-pci does.
 */
public final class BarAccess {
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private BarAccess() {}

    /**
     * Reads.
     *
     * @return bytes read: up to the BAR's end
     * @throws IommufdException {@link Errno#EINVAL} outside of a BAR; {@link Errno#EIO} while the device does not answer
     */
    public static int read(DeviceSession session, int index, long offset, MemorySegment target) {
        return transfer(session, index, offset, target, false);
    }

    /** Writes. As {@link #read}. */
    public static int write(DeviceSession session, int index, long offset, MemorySegment source) {
        return transfer(session, index, offset, source, true);
    }

    private static int transfer(DeviceSession session, int index, long offset, MemorySegment bytes, boolean writing) {
        Bar bar = session.device().function().bar(index).orElseThrow(() -> new IommufdException(Errno.EINVAL, "there is no BAR " + index));
        if (offset >= bar.sizeBytes()) {
            throw new IommufdException(Errno.EINVAL, "0x%x is outside of BAR %d".formatted(offset, index));
        }
        int length = (int) Math.min(bytes.byteSize(), bar.sizeBytes() - offset);
        int width;
        for (int done = 0; done < length; done += width) {
            long at = offset + done;
            width = width(at, length - done);
            if (inTable(session, index, at)) {
                width = 1;
                if (!writing) {
                    bytes.set(ValueLayout.JAVA_BYTE, done, (byte) -1);
                }
                continue;
            }
            while (width > 1 && inTable(session, index, at + width - 1)) {
                width /= 2;
            }
            if (writing) {
                write(session, bar, at, width, value(bytes, done, width));
            } else {
                store(bytes, done, width, read(session, bar, at, width));
            }
        }
        return length;
    }

    /** The widest naturally aligned access. */
    static int width(long offset, int left) {
        int aligned = (int) Math.min(Long.BYTES, Long.lowestOneBit(offset | Long.BYTES));
        return Math.min(aligned, Integer.highestOneBit(left));
    }

    private static boolean inTable(DeviceSession session, int index, long at) {
        Optional<MsixCapability> msix = session.device().msix();
        return msix.isPresent() && msix.get().tableBar() == index && at >= msix.get().tableOffset()
                && at < msix.get().tableOffset() + (long) msix.get().tableBytes();
    }

    /** Writes a register, from a doorbell. */
    static void write(DeviceSession session, int index, long offset, int width, long value) {
        write(session, session.device().function().bar(index).orElseThrow(), offset, width, value);
    }

    private static void write(DeviceSession session, Bar bar, long at, int width, long value) {
        session.memoryLock().readLock().lock();
        try {
            requireEnabled(session, bar);
            if (bar.isShared(at, width)) {
                store(session.sharedMemory(bar.index()), at, width, value);
                session.running().sharedWritten(bar.index(), at, width);
            } else {
                session.running().write(bar.index(), at, width, value);
            }
        } finally {
            session.memoryLock().readLock().unlock();
        }
    }

    private static long read(DeviceSession session, Bar bar, long at, int width) {
        session.memoryLock().readLock().lock();
        try {
            requireEnabled(session, bar);
            if (bar.isShared(at, width)) {
                return value(session.sharedMemory(bar.index()), at, width);
            }
            return session.running().read(bar.index(), at, width);
        } finally {
            session.memoryLock().readLock().unlock();
        }
    }

    private static void requireEnabled(DeviceSession session, Bar bar) {
        if (bar.space() != Bar.Space.PORTS && !session.config().memoryEnabled()) {
            throw new IommufdException(Errno.EIO, "memory is disabled in the command register, or the device is in D3");
        }
    }

    private static long value(MemorySegment bytes, long offset, int width) {
        return switch (width) {
            case 1 -> Byte.toUnsignedLong(bytes.get(ValueLayout.JAVA_BYTE, offset));
            case 2 -> Short.toUnsignedLong(bytes.get(SHORT, offset));
            case 4 -> Integer.toUnsignedLong(bytes.get(INT, offset));
            default -> bytes.get(LONG, offset);
        };
    }

    private static void store(MemorySegment bytes, long offset, int width, long value) {
        switch (width) {
            case 1 -> bytes.set(ValueLayout.JAVA_BYTE, offset, (byte) value);
            case 2 -> bytes.set(SHORT, offset, (short) value);
            case 4 -> bytes.set(INT, offset, (int) value);
            default -> bytes.set(LONG, offset, value);
        }
    }
}
