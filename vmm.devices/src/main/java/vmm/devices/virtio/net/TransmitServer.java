package vmm.devices.virtio.net;

import iommufd.api.dma.DmaStatus;
import vmm.devices.virtio.ActiveQueue;
import vmm.devices.virtio.DescriptorChain;
import vmm.devices.virtio.QueueFault;
import vmm.devices.virtio.QueueServer;
import vmm.devices.virtio.Virtqueue;

/** Takes packets from a driver and puts them into the cable. One thread; allocates nothing. */
final class TransmitServer implements QueueServer {
    private static final int BATCH = 64;

    private final NetState state;
    private final ActiveQueue queue;
    private final Virtqueue ring;
    private final PacketSink sink;
    /** The cable is full: whoever empties it wakes the thread. */
    private boolean full;

    TransmitServer(NetState state, ActiveQueue queue, PacketSink sink) {
        this.state = state;
        this.queue = queue;
        this.sink = sink;
        ring = queue.ring();
    }

    @Override
    public int serve() {
        int taken = 0;
        int sent = 0;
        full = false;
        DescriptorChain chain = queue.chain();
        for (; taken < BATCH; taken++) {
            ring.mark();
            if (!queue.next()) {
                break;
            }
            long bytes = chain.readableBytes();
            if (bytes < PacketHeader.BYTES) {
                ring.fail(QueueFault.MALFORMED_REQUEST);
                break;
            }
            if (bytes <= PacketHeader.MAX_PACKET_BYTES) {
                long at = sink.reserve((int) bytes);
                if (at == PacketSink.FULL) {
                    ring.backToMark();
                    full = true;
                    break;
                }
                if (queue.read(chain.readable(), 0, bytes, sink.memory(), at) != DmaStatus.DONE) {
                    ring.fail(QueueFault.BUFFER_UNREACHABLE);
                    break;
                }
                if (PacketHeader.plausible(sink.memory(), at, (int) bytes)) {
                    sink.commit((int) bytes);
                    sent++;
                }
            }
            ring.complete(chain, 0);
        }
        if (taken > 0) {
            sink.flush();
            queue.publish();
            state.sent.add(sent);
            if (sent < taken) {
                state.dropped.add(taken - sent);
            }
        }
        return taken;
    }

    @Override
    public boolean arm() {
        return !full && ring.requestNotifications();
    }

    @Override
    public void disarm() {
        ring.suppressNotifications();
    }
}
