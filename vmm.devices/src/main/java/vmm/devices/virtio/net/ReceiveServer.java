package vmm.devices.virtio.net;

import iommufd.api.dma.DmaStatus;
import java.lang.foreign.MemorySegment;
import java.util.List;
import vmm.devices.virtio.ActiveQueue;
import vmm.devices.virtio.DescriptorChain;
import vmm.devices.virtio.QueueFault;
import vmm.devices.virtio.QueueServer;
import vmm.devices.virtio.Virtqueue;

/** Takes packets from the cable and puts them into a driver's buffers. One thread; allocates nothing. */
final class ReceiveServer implements QueueServer {
    private static final int BATCH = 64;

    private enum Delivery { DONE, DROPPED, NO_BUFFERS }

    private final NetState state;
    private final ActiveQueue queue;
    private final Virtqueue ring;
    private final Cable cable;
    private final int pair;
    private final boolean mergeable;

    ReceiveServer(NetState state, ActiveQueue queue, Cable cable, int pair) {
        this.state = state;
        this.queue = queue;
        this.cable = cable;
        this.pair = pair;
        ring = queue.ring();
        mergeable = state.chose(NetFeature.MERGEABLE_BUFFERS);
    }

    @Override
    public int serve() {
        int active = state.activePairs();
        List<PacketSource> sources = cable.sources();
        int taken = 0;
        for (int i = pair; i < sources.size() && pair < active; i += active) {
            PacketSource source = sources.get(i);
            if (source.claim()) {
                try {
                    taken += drain(source);
                } finally {
                    source.unclaim();
                }
            }
        }
        return taken;
    }

    private int drain(PacketSource source) {
        ReceiveFilter filter = state.filter();
        long offloads = state.offloads();
        int dropped = 0;
        int received = 0;
        while (received + dropped < BATCH) {
            long at = source.peek();
            if (at == PacketSource.NOTHING) {
                break;
            }
            int bytes = source.peekedBytes();
            boolean wanted = filter.accepts(source.memory(), at + PacketHeader.BYTES) && PacketHeader.adapt(source.memory(), at, bytes, offloads);
            Delivery delivery = wanted ? deliver(source.memory(), at, bytes) : Delivery.DROPPED;
            if (delivery == Delivery.NO_BUFFERS) {
                break;
            }
            received += delivery == Delivery.DONE ? 1 : 0;
            dropped += delivery == Delivery.DROPPED ? 1 : 0;
            source.release();
        }
        if (received > 0) {
            queue.publish();
            state.received.add(received);
        }
        if (dropped > 0) {
            state.dropped.add(dropped);
        }
        return received + dropped;
    }

    private Delivery deliver(MemorySegment memory, long at, int bytes) {
        ring.mark();
        if (!take()) {
            return Delivery.NO_BUFFERS;
        }
        if (queue.chain().writableBytes() >= bytes) {
            PacketHeader.setBuffers(memory, at, 1);
            return fill(memory, at, bytes) ? Delivery.DONE : Delivery.NO_BUFFERS;
        }
        if (!mergeable) {
            ring.backToMark();
            return Delivery.DROPPED;
        }
        return merge(memory, at, bytes);
    }

    /** Takes a buffer, which must have room at least for a header. */
    private boolean take() {
        if (!queue.next()) {
            return false;
        }
        return queue.chain().writableBytes() >= PacketHeader.BYTES || ring.fail(QueueFault.MALFORMED_REQUEST);
    }

    /** Fills the buffer that was taken last. */
    private boolean fill(MemorySegment memory, long at, long bytes) {
        DescriptorChain chain = queue.chain();
        if (queue.write(chain.writable(), 0, bytes, memory, at) != DmaStatus.DONE) {
            return ring.fail(QueueFault.BUFFER_UNREACHABLE);
        }
        ring.complete(chain, bytes);
        return true;
    }

    /** Counts first how many buffers it takes: the header in the first one says so. */
    private Delivery merge(MemorySegment memory, long at, int bytes) {
        long room = queue.chain().writableBytes();
        int count = 1;
        while (room < bytes && take()) {
            room += queue.chain().writableBytes();
            count++;
        }
        if (!ring.working()) {
            return Delivery.NO_BUFFERS;
        }
        ring.backToMark();
        if (room < bytes) {
            return count >= ring.size() ? Delivery.DROPPED : Delivery.NO_BUFFERS;
        }
        PacketHeader.setBuffers(memory, at, count);
        long done = 0;
        for (int i = 0; i < count; i++) {
            if (!take()) {
                ring.fail(QueueFault.MALFORMED_REQUEST);   // it was there
                return Delivery.NO_BUFFERS;
            }
            long part = Math.min(queue.chain().writableBytes(), bytes - done);
            if (part > 0 && !fill(memory, at + done, part)) {
                return Delivery.NO_BUFFERS;
            }
            done += part;
        }
        if (done < bytes) {
            ring.fail(QueueFault.MALFORMED_REQUEST);
        }
        return Delivery.DONE;
    }

    /** Buffers are only of interest when packets wait for them. */
    @Override
    public boolean arm() {
        int active = state.activePairs();
        List<PacketSource> sources = cable.sources();
        boolean waiting = false;
        for (int i = pair; i < sources.size() && pair < active; i += active) {
            PacketSource source = sources.get(i);
            if (source.claim()) {
                waiting |= source.peek() != PacketSource.NOTHING;
                source.unclaim();
            }
        }
        if (waiting) {
            return ring.requestNotifications();
        }
        ring.suppressNotifications();
        return false;
    }

    @Override
    public void disarm() {
        ring.suppressNotifications();
    }
}
