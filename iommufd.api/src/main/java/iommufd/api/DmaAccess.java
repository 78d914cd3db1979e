package iommufd.api;

/** What DMA may do to memory, seen from the device ({@code IOMMU_IOAS_MAP_READABLE}, {@code …_WRITEABLE}). */
public enum DmaAccess {
    /** The device may only read. */
    READ(1),
    /** The device may only write. */
    WRITE(2),
    /** The device may read and write. */
    READ_WRITE(3);

    /** Bit of {@link #bits()} that grants reads. */
    public static final int READ_BIT = 1;
    /** Bit of {@link #bits()} that grants writes. */
    public static final int WRITE_BIT = 2;

    private final int bits;

    DmaAccess(int bits) {
        this.bits = bits;
    }

    /** {@link #READ_BIT} and {@link #WRITE_BIT}, or both; never 0. */
    public int bits() {
        return bits;
    }

    /** Whether the device may read. */
    public boolean readable() {
        return (bits & READ_BIT) != 0;
    }

    /** Whether the device may write. */
    public boolean writable() {
        return (bits & WRITE_BIT) != 0;
    }
}
