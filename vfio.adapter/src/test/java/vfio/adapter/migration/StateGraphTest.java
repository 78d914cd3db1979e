package vfio.adapter.migration;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Ways between migration states against the list in {@code linux/vfio.h}. */
class StateGraphTest {
    private final StateGraph full = new StateGraph(true, true);

    private static List<DeviceState> states(String text) {
        return Arrays.stream(text.split(" ")).map(DeviceState::valueOf).toList();
    }

    @ParameterizedTest
    @CsvSource({
        "PRE_COPY PRE_COPY_P2P STOP_COPY", "PRE_COPY RUNNING RUNNING_P2P", "PRE_COPY RUNNING RUNNING_P2P STOP",
        "PRE_COPY RUNNING RUNNING_P2P STOP RESUMING", "PRE_COPY_P2P RUNNING_P2P RUNNING", "PRE_COPY_P2P RUNNING_P2P STOP",
        "PRE_COPY_P2P RUNNING_P2P STOP RESUMING", "RESUMING STOP RUNNING_P2P", "RESUMING STOP RUNNING_P2P PRE_COPY_P2P",
        "RESUMING STOP RUNNING_P2P RUNNING", "RESUMING STOP RUNNING_P2P RUNNING PRE_COPY", "RESUMING STOP STOP_COPY",
        "RUNNING RUNNING_P2P PRE_COPY_P2P", "RUNNING RUNNING_P2P STOP", "RUNNING RUNNING_P2P STOP RESUMING",
        "RUNNING RUNNING_P2P STOP STOP_COPY", "RUNNING_P2P RUNNING PRE_COPY", "RUNNING_P2P STOP RESUMING", "RUNNING_P2P STOP STOP_COPY",
        "STOP RUNNING_P2P PRE_COPY_P2P", "STOP RUNNING_P2P RUNNING", "STOP RUNNING_P2P RUNNING PRE_COPY", "STOP_COPY STOP RESUMING",
        "STOP_COPY STOP RUNNING_P2P", "STOP_COPY STOP RUNNING_P2P RUNNING", "PRE_COPY PRE_COPY_P2P", "PRE_COPY_P2P PRE_COPY",
        "PRE_COPY_P2P STOP_COPY", "RUNNING PRE_COPY", "PRE_COPY RUNNING"})
    void combinationsAreThoseOfTheHeader(String text) {
        List<DeviceState> way = states(text);
        assertThat(full.way(way.getFirst(), way.getLast())).contains(way.subList(1, way.size()));
    }

    @Test
    void someWaysAreBlocked() {
        assertThat(full.way(DeviceState.STOP_COPY, DeviceState.PRE_COPY)).isEmpty();
        assertThat(full.way(DeviceState.STOP_COPY, DeviceState.PRE_COPY_P2P)).isEmpty();
        Stream.of(DeviceState.values()).forEach(state -> {
            assertThat(full.way(DeviceState.ERROR, state)).isEmpty();
            assertThat(full.way(state, DeviceState.ERROR)).isEmpty();
        });
    }

    @Test
    void devicesThatDoLessHaveShorterWays() {
        StateGraph plain = new StateGraph(false, false);
        assertThat(plain.way(DeviceState.RUNNING, DeviceState.STOP_COPY)).contains(states("STOP STOP_COPY"));
        assertThat(plain.way(DeviceState.RUNNING, DeviceState.RUNNING_P2P)).isEmpty();
        assertThat(plain.way(DeviceState.RUNNING, DeviceState.PRE_COPY)).isEmpty();
        StateGraph preCopy = new StateGraph(false, true);
        assertThat(preCopy.way(DeviceState.PRE_COPY, DeviceState.STOP_COPY)).contains(states("STOP_COPY"));
        assertThat(preCopy.way(DeviceState.PRE_COPY, DeviceState.STOP)).contains(states("RUNNING STOP"));
        assertThat(full.way(DeviceState.STOP, DeviceState.STOP)).contains(List.of());
    }
}
