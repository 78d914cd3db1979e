package itest;

import iommufd.api.BoundDevice;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFabric;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.node.Caller;
import iommufd.api.node.DeviceNode;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IommufdFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** A node of which every open file is a device that clients attach to their address spaces, and that does DMA when told. */
final class HostileDevice implements DeviceNode {
    static final String PATH = "/dev/hostile-device";
    static final int DEVICES = 200;
    private static final int ATTACH = 0x6801;
    private static final int DMA_WRITE = 0x6802;
    private static final int DMA_READ = 0x6803;

    private final DmaFabric fabric;
    private final BlockingQueue<Integer> free = new LinkedBlockingQueue<>();

    HostileDevice(DmaFabric fabric) {
        this.fabric = fabric;
        for (int i = 0; i < DEVICES; i++) {
            free.add(i);
        }
    }

    /** Devices that are not open. */
    int freeDevices() {
        return free.size();
    }

    @Override
    public OpenNode open(Caller caller) {
        Integer number = free.poll();
        if (number == null) {
            throw new IommufdException(Errno.EBUSY, "all devices are in use");
        }
        return new Opened(number);
    }

    private final class Opened implements OpenNode {
        private final int number;
        private final DmaEndpoint endpoint;
        private final DmaPort port;
        private final MemorySegment word = Arena.ofAuto().allocate(ValueLayout.JAVA_LONG);
        private Optional<BoundDevice> bound = Optional.empty();

        Opened(int number) {
            this.number = number;
            endpoint = fabric.plug(EndpointDescription.of(RequesterId.of(0, 1 + number / 32, number % 32, 0)));
            port = endpoint.openPort();
        }

        @Override
        public synchronized long ioctl(Caller caller, int request, long argument) {
            return switch (request) {
                case ATTACH -> attach(caller, (int) (argument >>> 32), (int) argument);
                case DMA_WRITE -> {
                    word.set(ValueLayout.JAVA_LONG, 0, argument);
                    check(port.write(argument, word, 0, Long.BYTES), argument);
                    yield 0;
                }
                case DMA_READ -> {
                    check(port.read(argument, word, 0, Long.BYTES), argument);
                    yield word.get(ValueLayout.JAVA_LONG, 0) & Integer.MAX_VALUE;
                }
                default -> throw new IommufdException(Errno.ENOTTY, "no such request");
            };
        }

        private long attach(Caller caller, int descriptor, int objectId) {
            if (!(caller.files().node(descriptor).orElse(null) instanceof IommufdFile iommu)) {
                throw new IommufdException(Errno.EINVAL, "no /dev/iommu");
            }
            if (!(iommu.context().object(objectId) instanceof Ioas ioas)) {
                throw new IommufdException(Errno.EINVAL, "no address space");
            }
            letGo();
            BoundDevice device = iommu.context().bind(endpoint);
            bound = Optional.of(device);
            device.attach(ioas);
            return 0;
        }

        private void letGo() {
            try {
                bound.ifPresent(device -> {
                    if (device.attached().isPresent()) {
                        device.detach();
                    }
                    device.destroy();
                });
            } catch (IommufdException refused) {
                if (refused.errno() != Errno.EBADF && refused.errno() != Errno.ENOENT) {   // its context is closed, and with it all is gone
                    throw refused;
                }
            }
            bound = Optional.empty();
        }

        private static void check(DmaStatus status, long iova) {
            if (status != DmaStatus.DONE) {
                throw new IommufdException(Errno.EFAULT, "DMA at 0x%x: %s".formatted(iova, status));
            }
        }

        @Override
        public synchronized void close() {
            letGo();
            port.close();
            endpoint.close();
            free.add(number);
        }
    }
}
