package iommu.mock.hardware;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.PageRequest;
import java.util.Arrays;
import java.util.Optional;

/** A device that does nothing by itself. Thread-safe. */
public final class MockDevice {
    /** MOCK_DEV_CACHE_NUM. */
    static final int CACHES = 4;
    /** IOMMU_TEST_DEV_CACHE_DEFAULT. */
    private static final int CACHE_DEFAULT = 0xbaddad;
    /** MOCK_PASID_WIDTH. */
    private static final int PASID_BITS = 20;

    private final EndpointDescription description;
    private final boolean dirtyTracking;
    /** Guarded by itself. */
    private final int[] cache = new int[CACHES];
    private volatile Optional<MockEndpoint> endpoint = Optional.empty();

    MockDevice(RequesterId requesterId, boolean dirtyTracking, boolean pasids) {
        this.description = new EndpointDescription(requesterId, requesterId.value(), pasids ? PASID_BITS : 0, true);
        this.dirtyTracking = dirtyTracking;
        Arrays.fill(cache, CACHE_DEFAULT);
    }

    /** What it says of itself. */
    public EndpointDescription description() {
        return description;
    }

    boolean dirtyTracking() {
        return dirtyTracking;
    }

    void seatedAt(Optional<MockEndpoint> seat) {
        endpoint = seat;
    }

    void invalidate(int entry) {
        synchronized (cache) {
            cache[entry] = 0;
        }
    }

    void invalidateAll() {
        synchronized (cache) {
            Arrays.fill(cache, 0);
        }
    }

    /** What stands for something it cached. @return empty if there is no entry of that number */
    public Optional<Integer> cached(int entry) {
        synchronized (cache) {
            return Integer.compareUnsigned(entry, CACHES) < 0 ? Optional.of(cache[entry]) : Optional.empty();
        }
    }

    /** Asks for a page. If nobody answers, nothing happens. */
    public void request(PageRequest request) {
        endpoint.ifPresent(seat -> seat.report(request));
    }

    /**
     * Lets something happen that its guest's IOMMU would report.
     *
     * @throws IommufdException {@link Errno#ENOENT} if it is attached to no nested table of a vIOMMU; {@link Errno#EOPNOTSUPP}
     *         if nobody listens there
     */
    public void raiseEvent() {
        endpoint.orElseThrow(() -> new IommufdException(Errno.ENOENT, "the mock device is not plugged in")).raiseEvent();
    }
}
