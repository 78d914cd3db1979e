package vmm.devices.virtio.net;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import iommufd.api.dma.DmaStatus;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import vmm.devices.virtio.ActiveQueue;
import vmm.devices.virtio.DescriptorChain;
import vmm.devices.virtio.QueueFault;
import vmm.devices.virtio.QueueServer;

/** Executes what a driver orders through the control queue (virtio 1.2, §5.1.6.5). One thread. */
final class ControlServer implements QueueServer {
    private static final int HEADER_BYTES = 2;
    /** Longest order; longer ones fail. */
    private static final int ORDER_BYTES = 4096;
    private static final int ADDRESS_BYTES = 6;
    private static final int COUNT_BYTES = 4;

    private static final int RECEIVE = 0x000;
    private static final int MAC_TABLES = 0x100;
    private static final int MAC_ADDRESS = 0x101;
    private static final int PAIRS = 0x400;
    private static final int OFFLOADS = 0x500;

    private static final int OK = 0;
    private static final int ERROR = 1;

    private final NetState state;
    private final ActiveQueue queue;
    private final Cable cable;
    private final MemorySegment order;

    ControlServer(NetState state, ActiveQueue queue, Cable cable) {
        this.state = state;
        this.queue = queue;
        this.cable = cable;
        order = queue.allocate(ORDER_BYTES);
    }

    @Override
    public int serve() {
        int done = 0;
        while (queue.next() && execute(queue.chain())) {
            done++;
        }
        if (done > 0) {
            queue.publish();
        }
        return done;
    }

    private boolean execute(DescriptorChain chain) {
        long bytes = chain.readableBytes();
        if (bytes < HEADER_BYTES || chain.writableBytes() < 1) {
            return queue.ring().fail(QueueFault.MALFORMED_REQUEST);
        }
        if (bytes <= ORDER_BYTES && queue.read(chain.readable(), 0, bytes, order, 0) != DmaStatus.DONE) {
            return queue.ring().fail(QueueFault.BUFFER_UNREACHABLE);
        }
        boolean obeyed = bytes <= ORDER_BYTES && execute((int) bytes - HEADER_BYTES);
        order.set(JAVA_BYTE, 0, (byte) (obeyed ? OK : ERROR));
        if (queue.write(chain.writable(), 0, 1, order, 0) != DmaStatus.DONE) {
            return queue.ring().fail(QueueFault.BUFFER_UNREACHABLE);
        }
        queue.ring().complete(chain, 1);
        return true;
    }

    /** @param bytes of the order's data */
    private boolean execute(int bytes) {
        int command = (order.get(JAVA_BYTE, 0) & 0xff) << 8 | order.get(JAVA_BYTE, 1) & 0xff;
        return switch (command) {
            case MAC_TABLES -> state.chose(NetFeature.CTRL_RX) && setTables(bytes);
            case MAC_ADDRESS -> state.chose(NetFeature.CTRL_MAC) && setAddress(bytes);
            case PAIRS -> state.chose(NetFeature.MULTI_QUEUE) && setPairs(bytes);
            case OFFLOADS -> state.chose(NetFeature.CTRL_GUEST_OFFLOADS) && setOffloads(bytes);
            default -> command >>> 8 == RECEIVE && setMode(command, bytes);
        };
    }

    private boolean setMode(int mode, int bytes) {
        if (mode >= ReceiveFilter.MODES || bytes != 1
                || !state.chose(mode <= ReceiveFilter.ALL_MULTICAST ? NetFeature.CTRL_RX : NetFeature.CTRL_RX_EXTRA)) {
            return false;
        }
        state.filter(state.filter().withMode(mode, order.get(JAVA_BYTE, HEADER_BYTES) != 0));
        return true;
    }

    private boolean setAddress(int bytes) {
        if (bytes != ADDRESS_BYTES) {
            return false;
        }
        state.filter(state.filter().withMac(ReceiveFilter.address(order, HEADER_BYTES)));
        return true;
    }

    private boolean setTables(int bytes) {
        long unicast = count(HEADER_BYTES, bytes);
        if (unicast < 0) {
            return false;
        }
        long second = HEADER_BYTES + COUNT_BYTES + unicast * ADDRESS_BYTES;
        long multicast = count(second, HEADER_BYTES + bytes - second);
        if (multicast < 0 || second + COUNT_BYTES + multicast * ADDRESS_BYTES != HEADER_BYTES + bytes) {
            return false;
        }
        state.filter(state.filter().withTables(addresses(HEADER_BYTES + COUNT_BYTES, (int) unicast), addresses(second + COUNT_BYTES, (int) multicast)));
        return true;
    }

    /** How many addresses a table at {@code at} has, or -1 if it has not so many bytes. */
    private long count(long at, long bytes) {
        long count = bytes < COUNT_BYTES ? -1 : Integer.toUnsignedLong(order.get(JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), at));
        return COUNT_BYTES + count * ADDRESS_BYTES > bytes ? -1 : count;
    }

    private long[] addresses(long at, int count) {
        var addresses = new long[count];
        for (int i = 0; i < count; i++) {
            addresses[i] = ReceiveFilter.address(order, at + (long) i * ADDRESS_BYTES);
        }
        return addresses;
    }

    private boolean setPairs(int bytes) {
        int pairs = bytes == 2 ? order.get(JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), HEADER_BYTES) & 0xffff : 0;
        if (pairs < 1 || pairs > state.options().pairs()) {
            return false;
        }
        state.activePairs(pairs);
        cable.activePairs(pairs);
        return true;
    }

    private boolean setOffloads(int bytes) {
        long wanted = bytes == Long.BYTES ? order.get(JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), HEADER_BYTES) : -1;
        if ((wanted & ~NetFeature.GUEST_OFFLOADS) != 0 || !state.choseAll(wanted)) {
            return false;
        }
        state.offloads(wanted);
        cable.offloads(wanted);
        return true;
    }

    @Override
    public boolean arm() {
        return queue.ring().requestNotifications();
    }

    @Override
    public void disarm() {
        queue.ring().suppressNotifications();
    }
}
