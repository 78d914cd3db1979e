package iommu.common.unit;

import iommufd.api.memory.HostMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Aligned little-endian words in physical memory, as hardware reads and writes them. An address without memory is the caller's
 * fault: check {@link HostMemory#isBacked} on addresses that come out of memory.
 */
public final class PhysicalWords {
    /** Layout of a 64-bit little-endian word. */
    public static final ValueLayout.OfLong LE_LONG = ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN);
    /** Layout of a 32-bit little-endian word. */
    public static final ValueLayout.OfInt LE_INT = ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final VarHandle LONG = LE_LONG.varHandle();
    private static final MemorySegment WINDOW = HostMemory.WINDOW;

    private PhysicalWords() {}

    /** Reads a 64-bit word. */
    public static long get(long address) {
        return WINDOW.get(LE_LONG, address);
    }

    /** Writes a 64-bit word. */
    public static void set(long address, long value) {
        WINDOW.set(LE_LONG, address, value);
    }

    /** Reads a 32-bit word. */
    public static int getInt(long address) {
        return WINDOW.get(LE_INT, address);
    }

    /** Writes a 32-bit word. */
    public static void setInt(long address, int value) {
        WINDOW.set(LE_INT, address, value);
    }

    /** Writes a 64-bit word after everything written before; for links and for completion records. */
    public static void setRelease(long address, long value) {
        LONG.setRelease(WINDOW, address, value);
    }

    /** Reads a 64-bit word before everything read after. */
    public static long getAcquire(long address) {
        return (long) LONG.getAcquire(WINDOW, address);
    }

    /** Replaces {@code expected} by {@code desired} atomically. @return whether it was there */
    public static boolean compareAndSet(long address, long expected, long desired) {
        return LONG.compareAndSet(WINDOW, address, expected, desired);
    }

    /** As {@link #compareAndSet}. @return the word found */
    public static long compareAndExchange(long address, long expected, long desired) {
        return (long) LONG.compareAndExchange(WINDOW, address, expected, desired);
    }

    /** Adds atomically. @return the word found */
    public static long getAndAdd(long address, long addend) {
        return (long) LONG.getAndAdd(WINDOW, address, addend);
    }

    /** Replaces atomically. @return the word found */
    public static long getAndSet(long address, long desired) {
        return (long) LONG.getAndSet(WINDOW, address, desired);
    }
}
