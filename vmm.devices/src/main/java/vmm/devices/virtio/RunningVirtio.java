package vmm.devices.virtio;

import iommufd.api.dma.DmaPort;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import vdpa.device.QueueSetup;
import vdpa.device.QueueState;
import vdpa.device.RunningVdpa;
import vdpa.device.VdpaFunction;
import vdpa.device.VdpaHost;

/** A virtio device in the hands of a client: its threads and queues, which serve whatever {@link DeviceModel} it is. */
public final class RunningVirtio implements RunningVdpa {
    private final VdpaFunction function;
    private final VdpaHost host;
    private final DeviceModel model;
    private final List<Lane> lanes = new ArrayList<>();
    private long features;

    /** Starts the threads. */
    public RunningVirtio(VdpaFunction function, VdpaHost host, DeviceModel model, String name) {
        this.function = function;
        this.host = host;
        this.model = model;
        for (int i = 0; i < model.lanes(); i++) {
            int lane = i;
            lanes.add(new Lane(name + "-" + i, model.rest(i), () -> model.rested(lane), doorbells(lane)));
        }
        model.connect(lane -> lanes.get(lane).wake(), host::configChanged);
    }

    private Doorbells doorbells(int lane) {
        if (!function.notificationPages()) {
            return Doorbells.NONE;
        }
        return new Doorbells(IntStream.range(0, function.queues()).mapToObj(host::notificationPage).toList(), queue -> model.lane(queue) == lane);
    }

    private Lane lane(int queue) {
        return lanes.get(model.lane(queue));
    }

    @Override
    public void negotiated(long chosen) {
        model.negotiated(chosen);
        features = chosen;
    }

    @Override
    public void driverReady() {
        // Queues are served as they become ready.
    }

    @Override
    public void queueReady(int queue, QueueSetup setup) {
        queueStopped(queue);
        DmaPort port = host.openPort(function.queueGroup(queue));
        ActiveQueue active;
        try {
            active = new ActiveQueue(queue, host, port, setup, features);
        } catch (RuntimeException | Error failed) {
            port.close();
            throw failed;
        }
        try {
            QueueServer server = model.server(active);
            Lane lane = lane(queue);
            lane.quietly(() -> {
                lane.add(active, server);
                return true;
            });
        } catch (RuntimeException | Error failed) {
            active.close();
            throw failed;
        }
    }

    @Override
    public QueueState queueStopped(int queue) {
        Lane lane = lane(queue);
        return lane.quietly(() -> lane.remove(queue).map(active -> {
            model.stopped(queue);
            QueueState state = active.state();
            active.close();
            return state;
        })).orElse(QueueState.split(0));
    }

    @Override
    public QueueState queueState(int queue) {
        Lane lane = lane(queue);
        return lane.quietly(() -> lane.find(queue).map(ActiveQueue::state)).orElse(QueueState.split(0));
    }

    @Override
    public void kick(int queue) {
        if (queue >= 0 && queue < function.queues()) {
            lane(queue).wake();
        }
    }

    @Override
    public void readConfig(int offset, MemorySegment target) {
        model.readConfig(offset, target);
    }

    @Override
    public int configGeneration() {
        return model.configGeneration();
    }

    private void pause(boolean paused) {
        model.freeze(paused);
        for (Lane lane : lanes) {
            lane.quietly(() -> {
                lane.pause(paused);
                return true;
            });
        }
    }

    @Override
    public void suspend() {
        pause(true);
    }

    @Override
    public void resume() {
        pause(false);
    }

    @Override
    public void reset() {
        for (int queue = 0; queue < function.queues(); queue++) {
            queueStopped(queue);
        }
        features = 0;
        model.reset();
        pause(false);
    }

    @Override
    public void close() {
        lanes.forEach(Lane::close);
        for (int queue = 0; queue < function.queues(); queue++) {
            queueStopped(queue);
        }
        model.close();
    }
}
