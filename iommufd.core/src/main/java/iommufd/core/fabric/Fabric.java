package iommufd.core.fabric;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFabric;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The plugged endpoints and which context owns which group. Thread-safe. */
public final class Fabric implements DmaFabric {
    private final HardwareRack rack;
    private final Map<RequesterId, FabricEndpoint> endpoints = new LinkedHashMap<>();

    Fabric(HardwareRack rack) {
        this.rack = rack;
    }

    @Override
    public DmaEndpoint plug(EndpointDescription description) {
        rack.topology().readLock().lock();
        try {
            FabricEndpoint endpoint = new FabricEndpoint(rack, description);
            synchronized (endpoints) {
                if (endpoints.putIfAbsent(description.requesterId(), endpoint) != null) {
                    throw new IommufdException(Errno.EBUSY, "requester id %s is plugged already".formatted(description.requesterId()));
                }
            }
            rack.seat(endpoint);
            return endpoint;
        } finally {
            rack.topology().readLock().unlock();
        }
    }

    void unplug(FabricEndpoint endpoint) {
        rack.topology().readLock().lock();
        try {
            synchronized (endpoints) {
                if (endpoint.owner().isPresent()) {
                    throw new IommufdException(Errno.EBUSY, "endpoint %s is bound by a context; unbind it first"
                            .formatted(endpoint.description().requesterId()));
                }
                if (!endpoints.remove(endpoint.description().requesterId(), endpoint)) {
                    return;
                }
            }
            endpoint.unplug();
        } finally {
            rack.topology().readLock().unlock();
        }
    }

    /**
     * Gives an endpoint to a context.
     *
     * @throws IommufdException {@link Errno#ENODEV} if it is not plugged here; {@link Errno#EBUSY} if it, or its group in
     *         another context, is taken
     */
    public FabricEndpoint claim(DmaEndpoint wanted, Object context) {
        synchronized (endpoints) {
            FabricEndpoint endpoint = endpoints.get(wanted.description().requesterId());
            if (endpoint == null || endpoint != wanted) {
                throw new IommufdException(Errno.ENODEV, "endpoint %s is not plugged into this fabric"
                        .formatted(wanted.description().requesterId()));
            }
            boolean taken = endpoint.owner().isPresent() || group(endpoint.description().group()).stream()
                    .anyMatch(member -> member.owner().isPresent() && member.owner().get() != context);
            if (taken) {
                throw new IommufdException(Errno.EBUSY, "endpoint %s, or one of its group %d, is bound already"
                        .formatted(endpoint.description().requesterId(), endpoint.description().group()));
            }
            endpoint.own(Optional.of(context));
            return endpoint;
        }
    }

    /** Undoes {@link #claim}. */
    public void release(FabricEndpoint endpoint) {
        synchronized (endpoints) {
            endpoint.own(Optional.empty());
        }
    }

    /** Plugged endpoints of an IOMMU group. */
    public List<FabricEndpoint> group(int number) {
        return all().stream().filter(endpoint -> endpoint.description().group() == number).toList();
    }

    List<FabricEndpoint> all() {
        synchronized (endpoints) {
            return List.copyOf(endpoints.values());
        }
    }
}
