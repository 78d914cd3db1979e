package iommu.tck;

import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.HardwarePort;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;

/** What a device keeps while the hardware behind is exchanged: a request that met a closed port goes to its successor. */
final class PortFront {
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(2);

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
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        while (port == closed) {
            if (System.nanoTime() - deadline > 0) {
                throw new IllegalStateException("the port was closed and no successor came");
            }
            Thread.onSpinWait();
            port = current;
        }
        return port;
    }
}
