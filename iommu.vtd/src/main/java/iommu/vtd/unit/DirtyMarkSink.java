package iommu.vtd.unit;

/** Learns of paging entries in which the unit set a dirty bit. Called inside a request's epoch: must not block or allocate. */
@FunctionalInterface
public interface DirtyMarkSink {
    /** The entry at this physical address was marked just now. */
    void marked(long entryAddress);
}
