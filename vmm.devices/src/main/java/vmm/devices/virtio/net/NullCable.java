package vmm.devices.virtio.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.IntStream;
import vmm.devices.virtio.DeviceModel;
import vmm.devices.virtio.ParkedRest;
import vmm.devices.virtio.Rest;

/** Ends nowhere: what is sent is counted by the device and dropped; what is received is made up as fast as it is taken, if at all. */
final class NullCable implements Cable {
    private final Arena arena = Arena.ofShared();
    private final List<Drain> drains;
    private final List<PacketSource> springs;
    private volatile List<PacketSource> flowing;

    /** @param generatedBytes length of made up packets, without header; 0 for none */
    NullCable(int pairs, int generatedBytes) {
        drains = IntStream.range(0, pairs).mapToObj(i -> new Drain(arena.allocate(PacketHeader.MAX_PACKET_BYTES, 64))).toList();
        springs = generatedBytes == 0 ? List.of() : IntStream.range(0, pairs)
                .<PacketSource>mapToObj(i -> new Spring(arena.allocate(PacketHeader.BYTES + generatedBytes, 64))).toList();
        flowing = springs;
    }

    @Override
    public PacketSink sink(int pair) {
        return drains.get(pair);
    }

    @Override
    public List<PacketSource> sources() {
        return flowing;
    }

    @Override
    public Rest rest(int pair) {
        return new ParkedRest();
    }

    @Override
    public void plugged(DeviceModel.Lanes lanes) {
        // Nothing ever comes that nobody asked for.
    }

    @Override
    public void unplugged() {
        // Nothing to forget.
    }

    @Override
    public void activePairs(int pairs) {
        flowing = springs.isEmpty() ? springs : springs.subList(0, pairs);
    }

    @Override
    public void close() {
        arena.close();
    }

    @Override
    public String toString() {
        return springs.isEmpty() ? "null" : "null, generating " + (springs.getFirst().peekedBytes() - PacketHeader.BYTES) + " bytes";
    }

    /** Takes everything. */
    private record Drain(MemorySegment memory) implements PacketSink {
        @Override
        public long reserve(int bytes) {
            return 0;
        }

        @Override
        public void commit(int bytes) {
            // Dropped.
        }
    }

    /** Makes up broadcasts of a protocol for experiments, numbered. */
    private static final class Spring extends PacketSource {
        private static final long FRAME = PacketHeader.BYTES;
        private static final int ADDRESS_BYTES = 6;
        private static final int LOCAL_EXPERIMENTAL = 0x88b5;

        private final MemorySegment memory;
        private long count;

        Spring(MemorySegment memory) {
            this.memory = memory;
            memory.asSlice(FRAME, ADDRESS_BYTES).fill((byte) -1);
            memory.asSlice(FRAME + ADDRESS_BYTES, ADDRESS_BYTES).fill((byte) 2);
            memory.set(JAVA_BYTE, FRAME + 2 * ADDRESS_BYTES, (byte) (LOCAL_EXPERIMENTAL >>> 8));
            memory.set(JAVA_BYTE, FRAME + 2 * ADDRESS_BYTES + 1, (byte) LOCAL_EXPERIMENTAL);
        }

        @Override
        MemorySegment memory() {
            return memory;
        }

        @Override
        long peek() {
            memory.set(JAVA_LONG_UNALIGNED, FRAME + 2 * ADDRESS_BYTES + 2, count);
            return 0;
        }

        @Override
        int peekedBytes() {
            return (int) memory.byteSize();
        }

        @Override
        void release() {
            count++;
        }
    }
}
