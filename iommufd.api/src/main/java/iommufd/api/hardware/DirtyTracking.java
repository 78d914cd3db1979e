package iommufd.api.hardware;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import org.osgi.annotation.versioning.ConsumerType;

/** Which pages of a domain DMA has written. */
@ConsumerType
public interface DirtyTracking {
    /** Starts, forgetting what was recorded, or stops. @throws IommufdException {@link Errno#ENOMEM} */
    void setEnabled(boolean enabled);

    /**
     * Reports written entries of the range. What is written after a clearing read is reported again, also if the device
     * had the translation cached. Any thread, beside DMA.
     *
     * @param clear whether to forget what is reported
     */
    void read(long iova, long lastIova, boolean clear, DirtySink sink);
}
