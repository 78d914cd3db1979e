package vfio.adapter.migration;

import static vfio.adapter.migration.DeviceState.PRE_COPY;
import static vfio.adapter.migration.DeviceState.PRE_COPY_P2P;
import static vfio.adapter.migration.DeviceState.RESUMING;
import static vfio.adapter.migration.DeviceState.RUNNING;
import static vfio.adapter.migration.DeviceState.RUNNING_P2P;
import static vfio.adapter.migration.DeviceState.STOP;
import static vfio.adapter.migration.DeviceState.STOP_COPY;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;

/**
 * The arcs between states that a device has, and ways along them ({@code linux/vfio.h}, {@code enum vfio_device_mig_state}): a way
 * is the shortest that does not pass through a state in which the device's state is read, unless it begins and ends in such states.
 * From stopped to running copies there is none.
 */
final class StateGraph {
    private final Set<DeviceState> states;
    private final Map<DeviceState, Set<DeviceState>> arcs = new EnumMap<>(DeviceState.class);

    /**
     * @param passive whether the device can be passive
     * @param preCopy whether its state can be read while it runs
     */
    StateGraph(boolean passive, boolean preCopy) {
        states = EnumSet.of(STOP, RUNNING, STOP_COPY, RESUMING);
        both(STOP, STOP_COPY);
        both(STOP, RESUMING);
        if (passive) {
            states.add(RUNNING_P2P);
            both(RUNNING, RUNNING_P2P);
            both(RUNNING_P2P, STOP);
        } else {
            both(RUNNING, STOP);
        }
        if (preCopy) {
            states.add(PRE_COPY);
            both(RUNNING, PRE_COPY);
            if (passive) {
                states.add(PRE_COPY_P2P);
                both(PRE_COPY, PRE_COPY_P2P);
                both(RUNNING_P2P, PRE_COPY_P2P);
            }
            arc(passive ? PRE_COPY_P2P : PRE_COPY, STOP_COPY);
        }
    }

    private void both(DeviceState one, DeviceState other) {
        arc(one, other);
        arc(other, one);
    }

    private void arc(DeviceState from, DeviceState to) {
        arcs.computeIfAbsent(from, state -> EnumSet.noneOf(DeviceState.class)).add(to);
    }

    /** The states on the way, the last one included; empty if there is no way. Staying is a way without steps. */
    Optional<List<DeviceState>> way(DeviceState from, DeviceState to) {
        if (!states.contains(from) || !states.contains(to) || from == STOP_COPY && to.isPreCopy()) {
            return Optional.empty();
        }
        boolean throughSaving = from.isSaving() && to.isSaving();
        Map<DeviceState, List<DeviceState>> ways = new EnumMap<>(Map.of(from, List.of()));
        Queue<DeviceState> reached = new ArrayDeque<>(List.of(from));
        while (!reached.isEmpty() && !ways.containsKey(to)) {
            DeviceState at = reached.remove();
            for (DeviceState next : arcs.get(at)) {
                boolean passes = next == to || throughSaving || !next.isSaving();
                if (passes && !ways.containsKey(next)) {
                    List<DeviceState> way = new ArrayList<>(ways.get(at));
                    way.add(next);
                    ways.put(next, List.copyOf(way));
                    reached.add(next);
                }
            }
        }
        return Optional.ofNullable(ways.get(to));
    }
}
