package vmm.devices.virtio.net;

import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import vmm.devices.virtio.ActiveQueue;
import vmm.devices.virtio.DeviceModel;
import vmm.devices.virtio.QueueServer;
import vmm.devices.virtio.Rest;

/** A network device in the hands of a client: a thread for each queue pair, of which the first serves the control queue as well. */
final class NetModel implements DeviceModel {
    /** The configuration space (virtio 1.2, §5.1.4). */
    static final int CONFIG_BYTES = 12;
    private static final int STATUS_OFFSET = 6;
    private static final int PAIRS_OFFSET = 8;
    private static final int MTU_OFFSET = 10;
    private static final short LINK_UP = 1;

    private final NetState state;
    private final Cable cable;

    NetModel(NetState state, Cable cable) {
        this.state = state;
        this.cable = cable;
        state.start(0);
    }

    @Override
    public int lanes() {
        return state.options().pairs();
    }

    @Override
    public int lane(int queue) {
        return queue == state.controlQueue() ? 0 : Math.min(queue / 2, lanes() - 1);
    }

    @Override
    public Rest rest(int lane) {
        return cable.rest(lane);
    }

    @Override
    public void connect(Lanes wake, Runnable configChanged) {
        cable.plugged(wake);
    }

    @Override
    public void negotiated(long features) {
        if (!NetFeature.consistent(features)) {
            throw new IommufdException(Errno.EINVAL, "network features 0x%x cannot go together".formatted(features));
        }
        start(NetFeature.effective(features));
    }

    private void start(long features) {
        state.start(features);
        cable.offloads(state.offloads());
        cable.activePairs(1);
    }

    @Override
    public QueueServer server(ActiveQueue queue) {
        int index = queue.index();
        if (index == state.controlQueue() && state.chose(NetFeature.CTRL_VQ)) {
            return new ControlServer(state, queue, cable);
        }
        if (index / 2 >= lanes()) {
            throw new IommufdException(Errno.EINVAL, "queue %d is the control queue, which was not negotiated".formatted(index));
        }
        return index % 2 == 0 ? new ReceiveServer(state, queue, cable, index / 2) : new TransmitServer(state, queue, cable.sink(index / 2));
    }

    @Override
    public void readConfig(int offset, MemorySegment target) {
        var order = JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
        MemorySegment space = MemorySegment.ofArray(new byte[CONFIG_BYTES]);
        ReceiveFilter.putAddress(space, 0, state.filter().mac());
        space.set(order, STATUS_OFFSET, LINK_UP);
        space.set(order, PAIRS_OFFSET, (short) state.options().pairs());
        space.set(order, MTU_OFFSET, (short) state.options().mtu());
        MemorySegment.copy(space, offset, target, 0, target.byteSize());
    }

    @Override
    public int configGeneration() {
        return 0;
    }

    @Override
    public void reset() {
        start(0);
    }

    @Override
    public void close() {
        cable.unplugged();
    }
}
