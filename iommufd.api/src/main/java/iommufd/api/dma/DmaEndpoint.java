package iommufd.api.dma;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import org.osgi.annotation.versioning.ProviderType;

/** A plugged device: where its ports come from and what a context binds. It stays valid while hardware is exchanged. */
@ProviderType
public interface DmaEndpoint extends AutoCloseable {
    /** What the device said of itself. */
    EndpointDescription description();

    /** A port for requests without PASID. @throws IommufdException {@link Errno#ENODEV} once closed */
    DmaPort openPort();

    /**
     * A port for requests with {@code pasid}.
     *
     * @throws IommufdException {@link Errno#EINVAL} if it is wider than the endpoint's PASIDs; {@link Errno#ENODEV} once closed
     */
    DmaPort openPort(Pasid pasid);

    /**
     * The device is about to be reset: requests that wait for absent pages end as {@link DmaStatus#FAULTED}, and no other waits, until
     * what this returns is closed. Nests.
     */
    PageRequestPause pausePageRequests();

    /** Until it is closed no request of the endpoint waits for a page. */
    @ProviderType
    interface PageRequestPause extends AutoCloseable {
        /** Page requests are passed on again. Idempotent. */
        @Override
        void close();
    }

    /**
     * Unplugs the device: ports answer {@link DmaStatus#ABORTED} from now on, and none of its DMA is in flight on return.
     *
     * @throws IommufdException {@link Errno#EBUSY} while a context has it bound
     */
    @Override
    void close();
}
