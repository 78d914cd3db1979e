package vmm.devices.virtio.blk;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import vdpa.device.RunningVdpa;
import vmm.devices.virtio.QueueBoard;
import vmm.devices.virtio.RingDriver;
import vmm.devices.virtio.RingDriver.Piece;
import vmm.devices.virtio.RingDriver.Used;
import vmm.devices.virtio.TestHost;

/** A block driver of one queue that does one request at a time. */
final class BlkDriver {
    private final QueueBoard board;
    private RunningVdpa device;
    private final int queue;
    final RingDriver ring;
    final long header;
    final long data;
    final long status;

    BlkDriver(QueueBoard board, RunningVdpa device, int queue, RingDriver ring) {
        this.board = board;
        this.device = device;
        this.queue = queue;
        this.ring = ring;
        header = board.allocate(4096);
        data = board.allocate(1 << 20);
        status = board.allocate(4096);
    }

    /** Another device serves the queue now. */
    void move(RunningVdpa to) {
        device = to;
    }

    void header(int type, long sector) {
        board.at(header, 16).set(JAVA_INT, 0, type);
        board.at(header, 16).set(JAVA_LONG, 8, sector);
        board.at(status, 1).set(JAVA_BYTE, 0, (byte) 0x77);
    }

    /** Executes a request whose data is in these pieces of RAM. @return its status */
    int execute(int type, long sector, Piece... pieces) {
        header(type, sector);
        put(pieces);
        return awaitStatus();
    }

    void put(Piece... pieces) {
        List<Piece> all = new ArrayList<>();
        all.add(Piece.read(header, 16));
        all.addAll(Arrays.asList(pieces));
        all.add(Piece.write(status, 1));
        ring.put(all.toArray(Piece[]::new));
        kick();
    }

    void kick() {
        if (ring.kickWanted()) {
            device.kick(queue);
        }
    }

    int awaitStatus() {
        awaitUsed();
        return board.at(status, 1).get(JAVA_BYTE, 0);
    }

    Used awaitUsed() {
        List<Used> used = new ArrayList<>();
        TestHost.await("a request", () -> {
            used.addAll(ring.take());
            return !used.isEmpty();
        });
        return used.getFirst();
    }

    int write(long sector, byte[] bytes) {
        board.at(data, bytes.length).asByteBuffer().put(bytes);
        return execute(1, sector, Piece.read(data, bytes.length));
    }

    byte[] read(long sector, int length) {
        board.at(data, length).fill((byte) 0x55);
        int answer = execute(0, sector, Piece.write(data, length));
        return answer == 0 ? board.at(data, length).toArray(JAVA_BYTE) : new byte[0];
    }

    int range(int type, long sector, int sectors, int flags) {
        board.at(data, 16).set(JAVA_LONG, 0, sector);
        board.at(data, 16).set(JAVA_INT, 8, sectors);
        board.at(data, 16).set(JAVA_INT, 12, flags);
        return execute(type, 0, Piece.read(data, 16));
    }
}
