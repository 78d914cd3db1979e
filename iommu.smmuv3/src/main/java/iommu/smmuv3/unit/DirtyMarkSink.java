package iommu.smmuv3.unit;

/** Is told where the unit has just made a leaf writable-dirty. Called inside a DMA request: must not block. */
@FunctionalInterface
public interface DirtyMarkSink {
    /** The descriptor at {@code entryAddress} was clean before. */
    void markDirty(long entryAddress);
}
