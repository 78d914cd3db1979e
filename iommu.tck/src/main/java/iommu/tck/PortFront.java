package iommu.tck;

import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.HardwarePort;
import java.lang.foreign.MemorySegment;

/** What a device keeps while the hardware behind is exchanged: a request that met a closed port goes to its successor. */
final class PortFront {
    private volatile HardwarePort current;

    PortFront(HardwarePort first) {
        current = first;
    }

    void switchTo(HardwarePort successor) {
        current = successor;
    }

    DmaStatus write(long iova, MemorySegment source, long offset, long lengthBytes) {
        for (HardwarePort port = current; ; port = successorOf(port)) {
            DmaStatus status = port.write(iova, source, offset, lengthBytes);
            if (status != DmaStatus.CLOSED) {
                return status;
            }
        }
    }

    DmaStatus fetchAndAdd(long iova, long addend) {
        for (HardwarePort port = current; ; port = successorOf(port)) {
            port.fetchAndAdd(iova, addend);
            if (port.status() != DmaStatus.CLOSED) {
                return port.status();
            }
        }
    }

    private HardwarePort successorOf(HardwarePort closed) {
        HardwarePort port = current;
        while (port == closed) {
            Thread.onSpinWait();
            port = current;
        }
        return port;
    }
}
