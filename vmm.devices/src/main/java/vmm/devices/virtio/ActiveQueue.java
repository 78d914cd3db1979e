package vmm.devices.virtio;

import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.ScatterList;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import vdpa.device.QueueSetup;
import vdpa.device.QueueState;
import vdpa.device.VdpaHost;

/** A queue that works: its ring, the port its buffers are reached through, and its driver's ear. One thread at a time. */
public final class ActiveQueue implements AutoCloseable {
    private final int index;
    private final VdpaHost host;
    private final DmaPort port;
    private final Arena arena = Arena.ofShared();
    private final Virtqueue ring;
    private final DescriptorChain chain;
    private final ScatterList part;
    private boolean faultReported;

    ActiveQueue(int index, VdpaHost host, DmaPort port, QueueSetup setup, long features) {
        this.index = index;
        this.host = host;
        this.port = port;
        try {
            ring = Virtqueue.open(port, new QueueLayout(setup.size(), setup.descriptorIova(), setup.driverIova(), setup.deviceIova()), features,
                    setup.state(), arena);
        } catch (RuntimeException | Error failed) {
            arena.close();
            throw failed;
        }
        int longest = Virtqueue.maxChain(setup.size());
        chain = new DescriptorChain(longest);
        part = new ScatterList(longest);
    }

    /** Its number. */
    public int index() {
        return index;
    }

    /** Its ring. */
    public Virtqueue ring() {
        return ring;
    }

    /** Where the buffers are reached. */
    public DmaPort port() {
        return port;
    }

    /** For chains of this queue. */
    public DescriptorChain chain() {
        return chain;
    }

    /** Memory for as long as the queue works. */
    public MemorySegment allocate(long bytes) {
        return arena.allocate(bytes, 64);
    }

    /** Takes the next buffer to {@link #chain}. */
    public boolean next() {
        return ring.next(chain);
    }

    /** Shows what was completed, and tells the driver if it wants to know. */
    public void publish() {
        if (ring.publish()) {
            host.call(index);
        }
    }

    /**
     * Copies a part of {@code list}, which must have it, to {@code target}.
     *
     * @return how that ended; what cannot be reached is the driver's mistake unless it is the target's memory that went away
     */
    public DmaStatus read(ScatterList list, long fromByte, long lengthBytes, MemorySegment target, long targetOffset) {
        if (list.count() > 0 && list.lengthBytes(0) >= fromByte + lengthBytes) {
            return lengthBytes == 0 ? DmaStatus.DONE : port.read(list.iova(0) + fromByte, target, targetOffset, lengthBytes);
        }
        DescriptorChain.part(list, fromByte, lengthBytes, part);
        return port.read(part, target, targetOffset);
    }

    /** Copies from {@code source} to a part of {@code list}, which must have it. */
    public DmaStatus write(ScatterList list, long fromByte, long lengthBytes, MemorySegment source, long sourceOffset) {
        if (list.count() > 0 && list.lengthBytes(0) >= fromByte + lengthBytes) {
            return lengthBytes == 0 ? DmaStatus.DONE : port.write(list.iova(0) + fromByte, source, sourceOffset, lengthBytes);
        }
        DescriptorChain.part(list, fromByte, lengthBytes, part);
        return port.write(part, source, sourceOffset);
    }

    /** Tells the adapter, once, that the queue is broken. */
    void reportFault() {
        if (!ring.working() && !faultReported) {
            faultReported = true;
            host.needsReset(index, "queue %d: %s; %s".formatted(index, ring.fault().text(),
                    port.lastFault().map(Object::toString).orElse("no DMA fault")));
        }
    }

    QueueState state() {
        return ring.position();
    }

    @Override
    public void close() {
        ring.publish();
        port.close();
        arena.close();
    }
}
