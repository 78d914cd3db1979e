package vdpa.adapter;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.RequesterId;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import vdpa.device.QueueSetup;
import vdpa.device.QueueState;
import vdpa.device.RunningVdpa;
import vdpa.device.VdpaDevice;
import vdpa.device.VdpaFunction;
import vdpa.device.VdpaHost;

/**
 * Copies the first descriptor of each chain of a split queue to its second one. It works when it is kicked, on the kicking thread. Queues
 * 0 and 1 are in group 0, queue 2 in group 1; the ring of queue 2 is in group 2.
 */
final class LoopbackDevice implements VdpaDevice {
    static final long FEATURE = 1L << 5;
    static final long IMPOSSIBLE = 1L << 6;
    static final int CONFIG_BYTES = 12;

    private final VdpaFunction function;
    Running running;

    LoopbackDevice(VdpaFunction function) {
        this.function = function;
    }

    static VdpaFunction.Builder builder(int slot) {
        return VdpaFunction.at(RequesterId.of(0, 0, slot, 0), 42).vendor(7).features(FEATURE | IMPOSSIBLE | 1L << 34).queues(3, 256).config(CONFIG_BYTES);
    }

    /** With everything but notification pages. */
    static LoopbackDevice full(int slot) {
        return new LoopbackDevice(builder(slot).groups(List.of(0, 0, 1)).descriptorGroups(List.of(0, 0, 2)).addressSpaces(3).suspends().enablesLate().build());
    }

    static LoopbackDevice plain(int slot) {
        return new LoopbackDevice(builder(slot).build());
    }

    @Override
    public VdpaFunction function() {
        return function;
    }

    @Override
    public Running start(VdpaHost host) {
        running = new Running(host);
        return running;
    }

    final class Running implements RunningVdpa {
        final VdpaHost host;
        final byte[] config = new byte[CONFIG_BYTES];
        long features;
        boolean ready;
        boolean suspended;
        boolean closed;
        int resets;
        private final Ring[] rings = new Ring[3];

        private Running(VdpaHost host) {
            this.host = host;
        }

        @Override
        public void negotiated(long chosen) {
            if ((chosen & IMPOSSIBLE) != 0) {
                throw new IommufdException(Errno.EINVAL, "not that");
            }
            features = chosen;
        }

        @Override
        public void driverReady() {
            ready = true;
        }

        @Override
        public void queueReady(int queue, QueueSetup setup) {
            rings[queue] = new Ring(queue, setup);
        }

        @Override
        public QueueState queueStopped(int queue) {
            QueueState state = queueState(queue);
            rings[queue] = null;
            return state;
        }

        @Override
        public QueueState queueState(int queue) {
            Ring ring = rings[queue];
            return (features & 1L << 34) != 0 ? ring.setup.state() : QueueState.split(ring.next);
        }

        @Override
        public void kick(int queue) {
            Ring ring = rings[queue];
            if (ring != null && !suspended) {
                ring.work();
            }
        }

        @Override
        public void readConfig(int offset, MemorySegment target) {
            MemorySegment.copy(MemorySegment.ofArray(config), offset, target, 0, target.byteSize());
        }

        @Override
        public void writeConfig(int offset, MemorySegment source) {
            MemorySegment.copy(source, 0, MemorySegment.ofArray(config), offset, source.byteSize());
        }

        @Override
        public void suspend() {
            suspended = true;
        }

        @Override
        public void resume() {
            suspended = false;
            for (int i = 0; i < rings.length; i++) {
                kick(i);
            }
        }

        @Override
        public void reset() {
            resets++;
            ready = false;
            suspended = false;
            features = 0;
            Arrays.fill(rings, null);
        }

        @Override
        public void close() {
            closed = true;
        }

        private final class Ring {
            private final int queue;
            private final QueueSetup setup;
            private final DmaPort ring;
            private final DmaPort buffers;
            private final MemorySegment scratch = Arena.ofAuto().allocate(4096, 8);
            private int next;

            private Ring(int queue, QueueSetup setup) {
                this.queue = queue;
                this.setup = setup;
                next = setup.state().availIndex();
                ring = host.openPort(function.descriptorGroup(queue));
                buffers = host.openPort(function.queueGroup(queue));
            }

            private boolean read(DmaPort port, long iova, int bytes) {
                return port.read(iova, scratch, 0, bytes) == DmaStatus.DONE;
            }

            private int shortAt(long iova) {
                if (!read(ring, iova, 2)) {
                    throw new IllegalStateException("unreachable ring");
                }
                return Short.toUnsignedInt(scratch.get(ValueLayout.JAVA_SHORT, 0));
            }

            private void work() {
                try {
                    while (shortAt(setup.driverIova() + 2) != (next & 0xffff)) {
                        copy(shortAt(setup.driverIova() + 4 + 2L * (next & setup.size() - 1)));
                        next++;
                        scratch.set(ValueLayout.JAVA_SHORT, 0, (short) next);
                        ring.write(setup.deviceIova() + 2, scratch, 0, 2);
                        host.call(queue);
                    }
                } catch (IllegalStateException broken) {
                    host.needsReset(queue, broken.getMessage());
                }
            }

            private void copy(int head) {
                boolean done = read(ring, setup.descriptorIova() + 16L * head, 32);
                long from = scratch.get(ValueLayout.JAVA_LONG, 0);
                int length = scratch.get(ValueLayout.JAVA_INT, 8);
                long to = scratch.get(ValueLayout.JAVA_LONG, 16);
                if (!done || !read(buffers, from, length) || buffers.write(to, scratch, 0, length) != DmaStatus.DONE) {
                    throw new IllegalStateException("unreachable buffer");
                }
                scratch.set(ValueLayout.JAVA_INT, 0, head);
                scratch.set(ValueLayout.JAVA_INT, 4, length);
                ring.write(setup.deviceIova() + 4 + 8L * (next & setup.size() - 1), scratch, 0, 8);
            }
        }
    }
}
