package vmm.runtime.demo;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import iommufd.api.BoundDevice;
import iommufd.api.IommufdContext;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.GuestRam;
import java.lang.foreign.MemorySegment;

/** What a promise is shown with: memory, a context, and a device with PASIDs and page requests that is attached to nothing yet. */
final class Guest implements AutoCloseable {
    static final int PAGE_BYTES = 4096;
    static final long RAM_BYTES = 16L << 20;
    static final long RAM_PAGES = RAM_BYTES / PAGE_BYTES;
    /** Where promises map for the device: above 4 GiB, clear of every interrupt window, aligned for large entries. */
    static final long IOVA = 1L << 32;
    private static final int PASID_BITS = 8;
    private static final RequesterId REQUESTER = RequesterId.of(0, 0, 9, 0);

    private final Services services;
    private final String vendor;
    private final IommufdContext context;
    private final GuestRam ram;
    private final DmaEndpoint endpoint;
    private final BoundDevice device;

    private Guest(Services services, String vendor, IommufdContext context, GuestRam ram, DmaEndpoint endpoint, BoundDevice device) {
        this.services = services;
        this.vendor = vendor;
        this.context = context;
        this.ram = ram;
        this.endpoint = endpoint;
        this.device = device;
    }

    /** A guest behind the hardware that serves; nothing is left if a part is refused. */
    static Guest start(Services services, String vendor) {
        GuestRam ram = services.memory().allocateGuestRam(RAM_BYTES, true);
        try {
            IommufdContext context = services.iommufd().open();
            try {
                DmaEndpoint endpoint = services.fabric().plug(new EndpointDescription(REQUESTER, REQUESTER.value(), PASID_BITS, true));
                try {
                    return new Guest(services, vendor, context, ram, endpoint, context.bind(endpoint));
                } catch (RuntimeException refused) {
                    endpoint.close();
                    throw refused;
                }
            } catch (RuntimeException refused) {
                context.close();
                throw refused;
            }
        } catch (RuntimeException refused) {
            ram.close();
            throw refused;
        }
    }

    Services services() {
        return services;
    }

    /** Vendor of the hardware that serves the device. */
    String vendor() {
        return vendor;
    }

    IommufdContext context() {
        return context;
    }

    /** Its memory, contiguous and aligned for large entries. */
    GuestRam ram() {
        return ram;
    }

    /** The device, as it is plugged in. */
    DmaEndpoint endpoint() {
        return endpoint;
    }

    /** The device, as the context knows it. */
    BoundDevice device() {
        return device;
    }

    /** The word that the owner of the memory finds there. */
    long word(long offset) {
        return ram.segment().get(JAVA_LONG, offset);
    }

    /** The device writes a word. */
    static DmaStatus write(DmaPort port, long iova, long value) {
        return port.write(iova, MemorySegment.ofArray(new long[] {value}), 0, Long.BYTES);
    }

    /** The device writes a word, which must go through. @throws Step.StepFailed if it is refused */
    static void writeThrough(DmaPort port, long iova, long value) {
        DmaStatus status = write(port, iova, value);
        Promise.require(status == DmaStatus.DONE, "a write at 0x%x ended as %s: %s", iova, status, port.lastFault());
    }

    /** The device writes a word, which must be refused. @throws Step.StepFailed if it goes through */
    static void writeRefused(DmaPort port, long iova, String why) {
        DmaStatus status = write(port, iova, -1L);
        Promise.require(status == DmaStatus.FAULTED, "a write at 0x%x ended as %s, although %s", iova, status, why);
    }

    @Override
    public void close() {
        context.close();
        endpoint.close();
        ram.close();
    }
}
