package iommufd.api.hardware;

import org.osgi.annotation.versioning.ProviderType;

/** Takes ranges that were written. */
@ProviderType
@FunctionalInterface
public interface DirtySink {
    /** The entry or entries {@code [iova, iova + lengthBytes)} were written. Ascending, not overlapping. */
    void dirty(long iova, long lengthBytes);
}
