package vmm.devices.virtio.blk;

import java.lang.foreign.MemorySegment;
import vmm.devices.virtio.ActiveQueue;
import vmm.devices.virtio.DeviceModel;
import vmm.devices.virtio.QueueServer;

/** A block device in the hands of a client: a thread for each queue, which all work on one file. */
final class BlkModel implements DeviceModel {
    private final Disk disk;
    private final RequestServer[] servers;
    private Runnable configChanged = () -> { };

    BlkModel(Disk disk) {
        this.disk = disk;
        servers = new RequestServer[disk.options().queues()];
    }

    @Override
    public int lanes() {
        return servers.length;
    }

    @Override
    public int lane(int queue) {
        return queue;
    }

    @Override
    public void connect(Lanes wake, Runnable changed) {
        configChanged = changed;
    }

    @Override
    public void negotiated(long features) {
        // Whatever was offered goes together; requests of what was not chosen are executed all the same.
    }

    @Override
    public QueueServer server(ActiveQueue queue) {
        return servers[queue.index()] = new RequestServer(disk, queue);
    }

    @Override
    public void stopped(int queue) {
        servers[queue].close();
    }

    @Override
    public void readConfig(int offset, MemorySegment target) {
        disk.config().read(offset, target);
    }

    @Override
    public int configGeneration() {
        return disk.config().generation();
    }

    @Override
    public void freeze(boolean frozen) {
        disk.freeze(frozen);
    }

    @Override
    public void rested(int lane) {
        if (lane == 0 && disk.look()) {
            configChanged.run();
        }
    }

    @Override
    public void reset() {
        disk.freeze(false);
    }

    @Override
    public void close() {
        disk.freeze(false);
    }
}
