package iommu.common.unit;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Storage of a unit's memory-mapped registers. What software may change is data, given by {@link #define}; effects are the
 * unit's, after the store. Guarded by the unit's lock for writes; reads need none.
 */
public final class RegisterFile {
    private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private final byte[] values;
    private final byte[] writable;
    private final byte[] clearOnOne;

    /** @param sizeBytes size of the register page or pages; everything is read-only 0 at first */
    public RegisterFile(int sizeBytes) {
        values = new byte[sizeBytes];
        writable = new byte[sizeBytes];
        clearOnOne = new byte[sizeBytes];
    }

    /**
     * Describes a 64-bit register.
     *
     * @param reset value after reset
     * @param writableMask bits software may set freely
     * @param clearOnOneMask bits software clears by writing 1 (RW1C)
     */
    public void define64(int offset, long reset, long writableMask, long clearOnOneMask) {
        LONG.set(values, offset, reset);
        LONG.set(writable, offset, writableMask);
        LONG.set(clearOnOne, offset, clearOnOneMask);
    }

    /** Describes a 32-bit register; see {@link #define64}. */
    public void define32(int offset, int reset, int writableMask, int clearOnOneMask) {
        INT.set(values, offset, reset);
        INT.set(writable, offset, writableMask);
        INT.set(clearOnOne, offset, clearOnOneMask);
    }

    /** Size of the register space. */
    public int sizeBytes() {
        return values.length;
    }

    /** What software or the unit reads; {@code offset} is a multiple of 4. */
    public int get32(int offset) {
        return (int) INT.getVolatile(values, offset);
    }

    /** What software or the unit reads; {@code offset} is a multiple of 8. */
    public long get64(int offset) {
        return (long) LONG.getVolatile(values, offset);
    }

    /** The unit changes a register; masks do not apply. */
    public void put32(int offset, int value) {
        INT.setVolatile(values, offset, value);
    }

    /** The unit changes a register; masks do not apply. */
    public void put64(int offset, long value) {
        LONG.setVolatile(values, offset, value);
    }

    /** Software writes. @return the value now stored */
    public int write32(int offset, int value) {
        int mask = (int) INT.get(writable, offset);
        int cleared = value & (int) INT.get(clearOnOne, offset);
        int stored = (get32(offset) & ~mask | value & mask) & ~cleared;
        put32(offset, stored);
        return stored;
    }

    /** Software writes. @return the value now stored */
    public long write64(int offset, long value) {
        long mask = (long) LONG.get(writable, offset);
        long cleared = value & (long) LONG.get(clearOnOne, offset);
        long stored = (get64(offset) & ~mask | value & mask) & ~cleared;
        put64(offset, stored);
        return stored;
    }
}
