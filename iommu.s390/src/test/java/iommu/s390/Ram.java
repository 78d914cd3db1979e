package iommu.s390;

import iommufd.api.memory.HostMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Physical memory for tests that build structures by hand: 1 GiB, aligned, used from the bottom up. Words are big-endian. */
public final class Ram {
    /** First address. */
    public static final long BASE = 1L << 38;
    /** Size; only what is touched is taken from the system. */
    public static final long BYTES = 1L << 30;
    /** An aligned gigabyte in which there is no memory. */
    public static final long HOLE = BASE + 4 * BYTES;

    private static final ValueLayout.OfLong BE_LONG = ValueLayout.JAVA_LONG.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfInt BE_INT = ValueLayout.JAVA_INT.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfShort BE_SHORT = ValueLayout.JAVA_SHORT.withOrder(ByteOrder.BIG_ENDIAN);

    static {
        HostMemory.backAnonymous(BASE, BYTES, false);
    }

    private long next = BASE;

    /** Zeroed bytes, aligned to their number, which is a power of two. */
    public long take(long bytes) {
        long address = next + bytes - 1 & -bytes;
        next = address + bytes;
        HostMemory.WINDOW.asSlice(address, bytes).fill((byte) 0);
        return address;
    }

    /** A zeroed, aligned page. */
    public long page() {
        return take(4096);
    }

    /** A region or segment table whose entries are all invalid. */
    public long table() {
        return table(16384, 0x20);
    }

    /** A page table whose entries are all invalid. */
    public long pageTable() {
        return table(2048, 0x400);
    }

    private long table(int bytes, long invalid) {
        long table = take(bytes);
        for (int offset = 0; offset < bytes; offset += 8) {
            word(table + offset, invalid);
        }
        return table;
    }

    /** Stores a word. */
    public static void word(long address, long value) {
        HostMemory.WINDOW.set(BE_LONG, address, value);
    }

    /** Loads a word. */
    public static long word(long address) {
        return HostMemory.WINDOW.get(BE_LONG, address);
    }

    /** Loads 32 bits. */
    public static int word32(long address) {
        return HostMemory.WINDOW.get(BE_INT, address);
    }

    /** Loads 16 bits. */
    public static int word16(long address) {
        return Short.toUnsignedInt(HostMemory.WINDOW.get(BE_SHORT, address));
    }

    /** Loads 8 bits. */
    public static int octet(long address) {
        return Byte.toUnsignedInt(HostMemory.WINDOW.get(ValueLayout.JAVA_BYTE, address));
    }

    /** Stores bytes. */
    public static void octets(long address, int... values) {
        for (int i = 0; i < values.length; i++) {
            HostMemory.WINDOW.set(ValueLayout.JAVA_BYTE, address + i, (byte) values[i]);
        }
    }

    /** Bytes at a physical address. */
    public static MemorySegment bytes(long address, long length) {
        return HostMemory.WINDOW.asSlice(address, length);
    }
}
