package vmm.runtime.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DemoOptionsTest {
    @Test
    void withoutArgumentsItIsADemonstrationOf256MiBAndTenRoundTrips() {
        assertThat(DemoOptions.parse(List.of())).isEqualTo(new DemoOptions(256L << 20, 10, false));
    }

    @Test
    void argumentsComeInAnyOrder() {
        assertThat(DemoOptions.parse(List.of("--swaps", "3", "--memory", "4096"))).isEqualTo(new DemoOptions(4096L << 20, 3, false));
    }

    @Test
    void allStandsAlone() {
        assertThat(DemoOptions.parse(List.of("--all")).all()).isTrue();
        assertThat(DemoOptions.parse(List.of("--swaps", "3")).all()).isFalse();
        assertThat(DemoOptions.USAGE).contains("--all", "--memory", "--swaps");
    }

    @ParameterizedTest
    @ValueSource(strings = {"--memory", "--memory x", "--memory 0", "--memory 17", "--memory 8192", "--swaps 0", "--swaps -1", "--quick", "3",
        "--all --swaps 3", "--all --memory 32", "--all --all"})
    void whatMakesNoSenseIsRefusedInASentence(String arguments) {
        assertThatThrownBy(() -> DemoOptions.parse(List.of(arguments.split(" "))))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining(arguments.split(" ")[0]);
    }
}
