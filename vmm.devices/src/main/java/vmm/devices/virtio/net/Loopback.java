package vmm.devices.virtio.net;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import vmm.devices.virtio.DeviceModel;
import vmm.devices.virtio.ParkedRest;
import vmm.devices.virtio.Rest;

/** A cable between two devices of this bundle that say the same name. Thread-safe. */
final class Loopback {
    /** Cables of which an end or both are in use; guarded by itself. */
    private static final Map<String, Loopback> NAMED = new HashMap<>();

    private final String name;
    /** Of the two ends; guarded by {@link #NAMED}. */
    private final List<End> ends = new ArrayList<>();

    private Loopback(String name) {
        this.name = name;
    }

    /** Plugs a device in. @throws IommufdException {@link Errno#EBUSY} if two are */
    static Cable plug(String name, int pairs) {
        synchronized (NAMED) {
            Loopback cable = NAMED.computeIfAbsent(name, Loopback::new);
            if (cable.ends.size() == 2) {
                throw new IommufdException(Errno.EBUSY, "loopback cable \"" + name + "\" has two ends, and both are in use");
            }
            End end = cable.new End(pairs);
            cable.ends.add(end);
            if (cable.ends.size() == 2) {
                connect(cable.ends.getFirst(), cable.ends.getLast());
            }
            return end;
        }
    }

    private static void connect(End one, End other) {
        one.connect(other);
        other.connect(one);
    }

    private final class End implements Cable {
        private final Arena arena = Arena.ofAuto();
        private final List<Wire> wires = new ArrayList<>();
        private volatile List<PacketSource> sources = List.of();
        /** The other end, or this one if there is none. */
        private volatile End peer = this;
        private volatile DeviceModel.Lanes lanes = lane -> { };
        private volatile int active = 1;
        private volatile boolean driven;

        End(int pairs) {
            for (int i = 0; i < pairs; i++) {
                int pair = i;
                wires.add(new Wire(arena.allocate(Wire.bytes(), 64), () -> peer.arrived(pair), () -> lanes.wake(pair)));
            }
        }

        private void arrived(int wire) {
            lanes.wake(wire % active);
        }

        void connect(End other) {
            peer = other;
            sources = List.copyOf(other.wires);
            other.wires.forEach(wire -> wire.receiving(driven));
        }

        @Override
        public PacketSink sink(int pair) {
            return wires.get(pair);
        }

        @Override
        public List<PacketSource> sources() {
            return sources;
        }

        @Override
        public Rest rest(int pair) {
            return new ParkedRest();
        }

        @Override
        public void plugged(DeviceModel.Lanes wake) {
            lanes = wake;
            receiving(true);
        }

        @Override
        public void unplugged() {
            receiving(false);
            lanes = lane -> { };
        }

        private void receiving(boolean now) {
            synchronized (NAMED) {
                driven = now;
                if (peer != this) {
                    peer.wires.forEach(wire -> wire.receiving(now));
                }
            }
        }

        @Override
        public void activePairs(int pairs) {
            active = pairs;
            for (int pair = 0; pair < pairs; pair++) {
                lanes.wake(pair);
            }
        }

        /** The wires' memory goes when nobody can hold them any more. */
        @Override
        public void close() {
            synchronized (NAMED) {
                wires.forEach(wire -> wire.receiving(false));
                ends.remove(this);
                if (ends.isEmpty()) {
                    NAMED.remove(name);
                } else {
                    End left = ends.getFirst();
                    left.sources = List.of();
                    left.peer = left;
                    left.wires.forEach(wire -> wire.receiving(false));
                }
            }
        }

        @Override
        public String toString() {
            return "loopback " + name + (peer == this ? ", other end free" : "");
        }
    }
}
