package vmm.runtime.demo;

import iommufd.api.Attachable;
import iommufd.api.BoundDevice;
import iommufd.api.IommufdContext;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFabric;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;

/**
 * A small DMA engine: an endpoint on the fabric, a port, and a thread that turns whatever engine is put in. It knows no
 * IOMMU, only its port.
 */
final class EmulatedDevice implements AutoCloseable {
    /** What the device does, piece by piece. */
    interface Engine {
        /** Does a piece of work. @return whether there is more */
        boolean doWork(DmaPort port);
    }

    private final DmaEndpoint endpoint;
    private final DmaPort port;
    private final BoundDevice bound;
    private volatile boolean stopping;
    private volatile Throwable broken;
    private Thread thread;

    private EmulatedDevice(DmaEndpoint endpoint, DmaPort port, BoundDevice bound) {
        this.endpoint = endpoint;
        this.port = port;
        this.bound = bound;
    }

    /** Plugs a device in and gives it to {@code context}; DMA is blocked until {@link #attach}. */
    static EmulatedDevice plug(DmaFabric fabric, IommufdContext context, RequesterId requesterId) {
        DmaEndpoint endpoint = fabric.plug(EndpointDescription.of(requesterId));
        try {
            return new EmulatedDevice(endpoint, endpoint.openPort(), context.bind(endpoint));
        } catch (RuntimeException refused) {
            endpoint.close();
            throw refused;
        }
    }

    RequesterId requesterId() {
        return endpoint.description().requesterId();
    }

    /** Its one port, for whoever drives the device by hand while it is {@linkplain #start not started}. */
    DmaPort port() {
        return port;
    }

    /** Its DMA goes through {@code target} from now on; it never lies still in between. */
    void attach(Attachable target) {
        if (bound.attached().isPresent()) {
            bound.replace(target);
        } else {
            bound.attach(target);
        }
    }

    /** What a context knows it as. */
    BoundDevice bound() {
        return bound;
    }

    /** Sets the device to work until it has no more or is stopped. */
    void start(Engine engine) {
        stopping = false;
        broken = null;
        thread = Thread.ofPlatform().daemon().name("device-" + requesterId()).start(() -> {
            try {
                boolean more = true;
                while (more && !stopping) {
                    more = engine.doWork(port);
                }
            } catch (RuntimeException | Error thrown) {
                broken = thrown;
            }
        });
    }

    /** Whether it is at work. */
    boolean working() {
        return thread != null && thread.isAlive();
    }

    /** Waits until it has no more work. @throws Step.StepFailed if its engine threw */
    void join() throws InterruptedException {
        if (thread != null) {
            thread.join();
            thread = null;
        }
        Throwable thrown = broken;
        if (thrown != null) {
            throw new Step.StepFailed("device %s broke: %s".formatted(requesterId(), thrown));
        }
    }

    /** Stops it after the piece of work it is at. */
    void stop() throws InterruptedException {
        stopping = true;
        join();
    }

    /** Unplugs the device; its context has let go of it. */
    @Override
    public void close() {
        stopping = true;
        port.close();
        endpoint.close();
    }
}
