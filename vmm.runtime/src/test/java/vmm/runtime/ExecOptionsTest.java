package vmm.runtime;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vmm.runtime.ExecOptions.DeviceOption;

class ExecOptionsTest {
    private static ExecOptions parse(String line) {
        return ExecOptions.parse(List.of(line.split(" ")));
    }

    @Test
    void theCommandFollowsTheDashes() {
        assertThat(parse("-- ls --trace")).isEqualTo(new ExecOptions(List.of(), Optional.empty(), List.of(), false, false, Optional.empty(), List.of("ls", "--trace")));
        assertThat(parse("ls -l")).isEqualTo(new ExecOptions(List.of(), Optional.empty(), List.of(), false, false, Optional.empty(), List.of("ls", "-l")));
    }

    @Test
    void aTraceGoesToTheTerminalOrAFile() {
        assertThat(parse("--trace -- ls")).isEqualTo(new ExecOptions(List.of(), Optional.empty(), List.of(), false, true, Optional.empty(), List.of("ls")));
        assertThat(parse("--trace out.txt -- ls")).isEqualTo(new ExecOptions(List.of(), Optional.empty(), List.of(), false, true, Optional.of(Path.of("out.txt")), List.of("ls")));
        assertThat(parse("--trace --with a.jar --with b.jar -- ls"))
                .isEqualTo(new ExecOptions(List.of(Path.of("a.jar"), Path.of("b.jar")), Optional.empty(), List.of(), false, true, Optional.empty(), List.of("ls")));
    }

    @Test
    void nodesCanBeCharacterDevices() {
        assertThat(parse("--char-devices -- ls")).isEqualTo(new ExecOptions(List.of(), Optional.empty(), List.of(), true, false, Optional.empty(), List.of("ls")));
        assertThat(parse("--trace out.txt --char-devices -- ls"))
                .isEqualTo(new ExecOptions(List.of(), Optional.empty(), List.of(), true, true, Optional.of(Path.of("out.txt")), List.of("ls")));
    }

    @Test
    void devicesHaveSettingsOfTheirOwn() {
        assertThat(parse("--device nvme --set namespaces=a,size=1M --set namespaces=b=c --device ioat --trace -- ls").devices()).containsExactly(
                new DeviceOption("nvme", Map.of("namespaces", List.of("a,size=1M", "b=c"))),
                new DeviceOption("ioat", Map.of()));
    }

    @Test
    void theHardwareCanBeChosen() {
        assertThat(parse("--hardware smmuv3 --device nvme -- ls").hardware()).contains("smmuv3");
        assertThat(parse("-- ls").hardware()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"--", "--trace", "--trace ls", "--with -- ls", "--with a.jar", "--quiet -- ls", "--char-devices ls",
        "--device -- ls", "--hardware -- ls", "--set a=b -- ls", "--device nvme --set a -- ls", "--device nvme --set =b -- ls"})
    void whatMakesNoSenseIsRefusedWithTheUsage(String line) {
        assertThatThrownBy(() -> parse(line)).isInstanceOf(IllegalArgumentException.class).hasMessage(ExecOptions.USAGE);
    }
}
