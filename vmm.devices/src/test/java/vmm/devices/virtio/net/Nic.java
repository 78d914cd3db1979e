package vmm.devices.virtio.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import iommufd.api.dma.RequesterId;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import vdpa.device.RunningVdpa;
import vdpa.device.VirtioFeature;
import vmm.devices.virtio.QueueBoard;
import vmm.devices.virtio.RingDriver;
import vmm.devices.virtio.RingDriver.Piece;
import vmm.devices.virtio.TestHost;

/** A machine with a network device and its driver. One thread. */
final class Nic implements AutoCloseable {
    static final int SIZE = 64;
    static final int PAIRS = 2;
    static final int HEADER = 12;
    static final long RINGS = VirtioFeature.VERSION_1 | VirtioFeature.INDIRECT_DESC | VirtioFeature.EVENT_IDX;

    final QueueBoard board = new QueueBoard();
    final TestHost host = new TestHost(board);
    final VirtioNetDevice device;
    final RunningVdpa running;
    final long mac;
    final List<RingDriver> receive = new ArrayList<>();
    final List<RingDriver> transmit = new ArrayList<>();
    RingDriver control;
    /** A buffer that came back. */
    private record Filled(long iova, int lengthBytes) {}

    /** Of each pair: what was used and is not looked at. */
    private final List<List<Filled>> pending = new ArrayList<>();
    private long features;
    private int bufferBytes;
    private final List<long[]> buffers = new ArrayList<>();
    private long sendBuffer;
    private long order;

    Nic(String cable, long mac) {
        this.mac = mac;
        device = new VirtioNetDevice(RequesterId.of(0, 1, 0, 0), new NetOptions(mac, PAIRS, 256, 1500), cable);
        running = device.start(host);
    }

    /** Negotiates and sets the queues up. */
    Nic start(boolean packed, long chosen, int receiveBufferBytes) {
        features = chosen | RINGS | (packed ? VirtioFeature.RING_PACKED : 0);
        bufferBytes = receiveBufferBytes;
        running.negotiated(features);
        running.driverReady();
        receive.clear();
        transmit.clear();
        buffers.clear();
        pending.clear();
        int pairs = (chosen & NetFeature.MULTI_QUEUE) != 0 ? PAIRS : 1;
        for (int pair = 0; pair < pairs; pair++) {
            receive.add(ready(2 * pair, packed));
            transmit.add(ready(2 * pair + 1, packed));
            buffers.add(new long[SIZE]);
            pending.add(new ArrayList<>());
        }
        sendBuffer = board.allocate(1 << 17);
        if ((chosen & NetFeature.CTRL_VQ) != 0) {
            control = ready(2 * pairs, packed);
            order = board.allocate(4096);
        }
        for (int pair = 0; pair < pairs; pair++) {
            fill(pair);
        }
        return this;
    }

    private RingDriver ready(int queue, boolean packed) {
        RingDriver ring = RingDriver.of(board, packed, SIZE, RINGS);
        running.queueReady(queue, TestHost.setup(ring));
        return ring;
    }

    /** Gives the device buffers. */
    private void fill(int pair) {
        for (int i = 0; i < SIZE; i++) {
            refill(pair, board.allocate(bufferBytes));
        }
        kick(2 * pair, receive.get(pair));
    }

    private void refill(int pair, long iova) {
        buffers.get(pair)[receive.get(pair).put(Piece.write(iova, bufferBytes))] = iova;
    }

    void kick(int queue, RingDriver ring) {
        if (ring.kickWanted()) {
            running.kick(queue);
        }
    }

    /** A frame, and what its header says; waits for room. */
    void send(int pair, byte[] header, byte[] frame) {
        RingDriver ring = transmit.get(pair);
        long iova = sendBuffer;
        board.at(iova, HEADER).copyFrom(java.lang.foreign.MemorySegment.ofArray(header));
        board.at(iova + HEADER, frame.length).copyFrom(java.lang.foreign.MemorySegment.ofArray(frame));
        ring.put(Piece.read(iova, HEADER), Piece.read(iova + HEADER, frame.length));
        kick(2 * pair + 1, ring);
        TestHost.await("a packet to be sent", () -> !ring.take().isEmpty());
    }

    void send(byte[] frame) {
        send(0, new byte[HEADER], frame);
    }

    /** A frame with its header, in as many buffers as it came. */
    byte[] await(int pair) {
        List<Filled> filled = pending.get(pair);
        TestHost.await("a packet to arrive", () -> {
            receive.get(pair).take().forEach(used -> filled.add(new Filled(buffers.get(pair)[used.id()], used.lengthBytes())));
            return !filled.isEmpty() && filled.size() >= buffersOfFirst(filled);
        });
        List<Filled> first = filled.subList(0, buffersOfFirst(filled));
        byte[] packet = new byte[first.stream().mapToInt(Filled::lengthBytes).sum()];
        long[] free = new long[first.size()];
        int at = 0;
        for (int i = 0; i < free.length; i++) {
            int length = first.get(i).lengthBytes();
            free[i] = first.get(i).iova();
            System.arraycopy(board.at(free[i], length).toArray(JAVA_BYTE), 0, packet, at, length);
            at += length;
        }
        first.clear();
        for (long iova : free) {
            refill(pair, iova);
        }
        kick(2 * pair, receive.get(pair));
        return packet;
    }

    private int buffersOfFirst(List<Filled> filled) {
        return board.at(filled.getFirst().iova(), HEADER).get(JAVA_BYTE, 10) & 0xff;
    }

    boolean nothing(int pair) {
        return pending.get(pair).isEmpty() && receive.get(pair).take().isEmpty();
    }

    /** @return what the device answers to an order */
    int order(int type, int command, byte... data) {
        board.at(order, 2).set(JAVA_BYTE, 0, (byte) type);
        board.at(order, 2).set(JAVA_BYTE, 1, (byte) command);
        board.at(order + 2, data.length).copyFrom(java.lang.foreign.MemorySegment.ofArray(data));
        board.at(order + 2048, 1).set(JAVA_BYTE, 0, (byte) 99);
        control.put(Piece.read(order, 2 + data.length), Piece.write(order + 2048, 1));
        kick(2 * receive.size(), control);
        TestHost.await("an answer", () -> !control.take().isEmpty());
        return board.at(order + 2048, 1).get(JAVA_BYTE, 0);
    }

    static byte[] frame(long to, long from, int length, int seed) {
        byte[] frame = new byte[length];
        new java.util.Random(seed).nextBytes(frame);
        var segment = java.lang.foreign.MemorySegment.ofArray(frame);
        ReceiveFilter.putAddress(segment, 0, to);
        ReceiveFilter.putAddress(segment, 6, from);
        return frame;
    }

    static byte[] frameOf(byte[] packet) {
        return Arrays.copyOfRange(packet, HEADER, packet.length);
    }

    @Override
    public void close() {
        running.close();
        device.stop();
        board.close();
    }
}
