package iommufd.core.fabric;

import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaFaultListener;
import iommufd.api.hardware.FaultSink;
import iommufd.api.hardware.PageRequest;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Takes what hardware reports about one endpoint to listeners and fault queues. */
final class EndpointFaults implements FaultSink {
    private static final Logger LOG = LoggerFactory.getLogger("iommufd.fault");

    private final FabricEndpoint endpoint;
    private final List<DmaFaultListener> listeners;

    EndpointFaults(FabricEndpoint endpoint, List<DmaFaultListener> listeners) {
        this.endpoint = endpoint;
        this.listeners = listeners;
    }

    @Override
    public void unrecoverable(DmaFault fault) {
        LOG.debug("{}", fault);
        for (DmaFaultListener listener : listeners) {
            try {
                listener.faulted(fault);
            } catch (RuntimeException broken) {
                LOG.info("a fault listener threw; the fault was {}", fault, broken);
            }
        }
    }

    @Override
    public boolean pageRequest(PageRequest request) {
        try {
            if (endpoint.pageRequestsPaused()) {
                return false;
            }
            boolean heard = endpoint.tableForRequests(request.pasid()).flatMap(TranslationTable::receiver)
                    .map(receiver -> receiver.requested(endpoint, request)).orElse(false);
            if (heard && endpoint.pageRequestsPaused()) {
                endpoint.endPageRequests();   // it may have come after those that were there were ended
            }
            return heard;
        } catch (RuntimeException broken) {
            LOG.info("the page request {} of {} was lost", request, endpoint.description().requesterId(), broken);
            return false;
        }
    }
}
