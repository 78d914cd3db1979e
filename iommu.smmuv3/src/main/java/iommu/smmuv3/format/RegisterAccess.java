package iommu.smmuv3.format;

/** A unit's memory-mapped registers, pages 0 and 1 (IHI 0070, §6.1): all that software sees of the hardware. Thread-safe. */
public interface RegisterAccess {
    /** @param offset aligned to {@code bytes}; @param bytes 4 or 8 */
    long read(int offset, int bytes);

    /** Effects have happened on return. @param offset aligned to {@code bytes}; @param bytes 4 or 8 */
    void write(int offset, int bytes, long value);
}
