package itest;

import iommufd.api.BoundDevice;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFabric;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.node.Caller;
import iommufd.api.node.DeviceNode;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IommufdFile;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/** A node of which every open file is a device: reads and writes of the file are DMA, at the IOVA that is the position. */
final class CopyingDevice implements DeviceNode {
    static final String PATH = "/dev/vmm-it/device";
    private static final int ATTACH = 0x7001;
    private static final int ADD = 0x7002;
    private static final int SWAP = 0x7003;

    /** What requests were not served. */
    final Queue<DmaFault> faults = new ConcurrentLinkedQueue<>();
    private final DmaFabric fabric;
    private final Runnable swap;

    /** @param swap exchanges the hardware */
    CopyingDevice(DmaFabric fabric, Runnable swap) {
        this.fabric = fabric;
        this.swap = swap;
    }

    @Override
    public OpenNode open(Caller caller) {
        return new Opened();
    }

    private final class Opened implements OpenNode {
        private final DmaEndpoint endpoint = fabric.plug(EndpointDescription.of(RequesterId.of(0, 7, 0, 0)));
        private final DmaPort port = endpoint.openPort();
        private Optional<BoundDevice> bound = Optional.empty();

        @Override
        public synchronized long ioctl(Caller caller, int request, long argument) {
            switch (request) {
                case ATTACH -> attach(caller, (int) (argument >>> 32), (int) argument);
                case ADD -> {
                    port.fetchAndAdd(argument, 1);
                    check(port.status());
                }
                case SWAP -> swap.run();
                default -> throw new IommufdException(Errno.ENOTTY, "no such request");
            }
            return 0;
        }

        private void attach(Caller caller, int descriptor, int objectId) {
            if (!(caller.files().node(descriptor).orElse(null) instanceof IommufdFile iommu)
                    || !(iommu.context().object(objectId) instanceof Ioas ioas)) {
                throw new IommufdException(Errno.EINVAL, "no address space");
            }
            BoundDevice device = iommu.context().bind(endpoint);
            bound = Optional.of(device);
            device.attach(ioas);
        }

        @Override
        public boolean positioned() {
            return true;
        }

        @Override
        public synchronized int read(Caller caller, MemorySegment target, long offset) {
            check(port.read(offset, target, 0, target.byteSize()));
            return (int) target.byteSize();
        }

        @Override
        public synchronized int write(Caller caller, MemorySegment source, long offset) {
            check(port.write(offset, source, 0, source.byteSize()));
            return (int) source.byteSize();
        }

        private void check(DmaStatus status) {
            if (status != DmaStatus.DONE) {
                DmaFault fault = port.lastFault().orElseThrow();
                faults.add(fault);
                throw new IommufdException(status == DmaStatus.ABORTED ? Errno.EIO : Errno.EFAULT, fault.toString());
            }
        }

        @Override
        public synchronized void close() {
            try {
                bound.ifPresent(device -> {
                    device.detach();
                    device.destroy();
                });
            } catch (IommufdException contextClosed) {
                if (contextClosed.errno() != Errno.EBADF && contextClosed.errno() != Errno.ENOENT) {
                    throw contextClosed;
                }
            }
            port.close();
            endpoint.close();
        }
    }
}
