package vmm.devices.virtio.net;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import vmm.devices.virtio.DeviceModel;
import vmm.devices.virtio.Rest;

/** A TAP interface of the host: a queue of it for each pair. What the host's stack and the driver leave to each other is passed through. */
final class TapCable implements Cable {
    private static final int TUN_CSUM = 1;
    private static final int TUN_TSO4 = 2;
    private static final int TUN_TSO6 = 4;
    private static final int TUN_ECN = 8;

    private final String name;
    private final Arena arena = Arena.ofShared();
    private final List<Queue> queues = new ArrayList<>();
    private final List<PacketSource> sources;
    private int active;

    /** @throws iommufd.api.IommufdException if the interface cannot be had */
    TapCable(String name, int pairs) {
        this.name = name;
        active = pairs;
        try {
            for (int i = 0; i < pairs; i++) {
                queues.add(new Queue(TapCalls.open(name, pairs > 1)));
            }
        } catch (RuntimeException | Error failed) {
            close();
            throw failed;
        }
        sources = List.copyOf(queues);
        activePairs(1);
    }

    @Override
    public PacketSink sink(int pair) {
        return queues.get(pair).outbound;
    }

    @Override
    public List<PacketSource> sources() {
        return sources;
    }

    @Override
    public Rest rest(int pair) {
        return new TapRest(queues.get(pair).tap);
    }

    @Override
    public void plugged(DeviceModel.Lanes lanes) {
        // Threads look at their queues by themselves.
    }

    @Override
    public void unplugged() {
        // The interface drops what nobody reads.
    }

    @Override
    public void offloads(long accepted) {
        int flags = ((accepted & NetFeature.GUEST_CSUM) != 0 ? TUN_CSUM : 0) | ((accepted & NetFeature.GUEST_TSO4) != 0 ? TUN_TSO4 : 0)
                | ((accepted & NetFeature.GUEST_TSO6) != 0 ? TUN_TSO6 : 0) | ((accepted & NetFeature.GUEST_ECN) != 0 ? TUN_ECN : 0);
        queues.forEach(queue -> TapCalls.offload(queue.tap, flags));
    }

    @Override
    public void activePairs(int pairs) {
        for (int i = Math.min(pairs, active); i < Math.max(pairs, active); i++) {
            TapCalls.attach(queues.get(i).tap, pairs > active);
        }
        active = pairs;
    }

    @Override
    public void close() {
        queues.forEach(queue -> TapCalls.close(queue.tap));
        arena.close();
    }

    @Override
    public String toString() {
        return "tap " + name;
    }

    /** A queue of the interface, as a source. */
    private final class Queue extends PacketSource {
        private final int tap;
        private final MemorySegment memory = arena.allocate(PacketHeader.MAX_PACKET_BYTES, 64);
        private final Outbound outbound;
        private int bytes;

        Queue(int tap) {
            this.tap = tap;
            outbound = new Outbound(tap, arena.allocate(PacketHeader.MAX_PACKET_BYTES, 64));
        }

        @Override
        MemorySegment memory() {
            return memory;
        }

        @Override
        long peek() {
            if (bytes == 0) {
                long read = TapCalls.read(tap, memory, PacketHeader.MAX_PACKET_BYTES);
                bytes = read < PacketHeader.MIN_PACKET_BYTES ? 0 : (int) read;
            }
            return bytes == 0 ? NOTHING : 0;
        }

        @Override
        int peekedBytes() {
            return bytes;
        }

        @Override
        void release() {
            bytes = 0;
        }
    }

    /** A packet that the interface does not take, as it is down, is gone, as on a wire. */
    private record Outbound(int tap, MemorySegment memory) implements PacketSink {
        @Override
        public long reserve(int bytes) {
            return 0;
        }

        @Override
        public void commit(int bytes) {
            TapCalls.write(tap, memory, bytes);
        }
    }
}
