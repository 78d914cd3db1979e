package iommu.vtd.format;

/** The memory-mapped registers of a unit, as software sees them (§11.2). Thread-safe. */
public interface RegisterAccess {
    /**
     * Reads a register.
     *
     * @param offset from the start of the register page, a multiple of {@code bytes}
     * @param bytes 4 or 8
     * @return the value, zero-extended
     */
    long read(int offset, int bytes);

    /** Writes a register; effects have happened, and status registers show them, on return. Parameters as {@link #read}. */
    void write(int offset, int bytes, long value);
}
