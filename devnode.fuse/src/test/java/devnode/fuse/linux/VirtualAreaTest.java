package devnode.fuse.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The mappings of this process, asked for and read. */
class VirtualAreaTest {
    @Test
    void textAndQueryTellTheSame() throws Exception {
        int process = (int) ProcessHandle.current().pid();
        int maps = Linux.open("/proc/self/maps", Linux.O_RDONLY);
        try {
            VirtualArea asked = new VirtualArea();
            VirtualArea read = new VirtualArea();
            int compared = 0;
            for (String line : libraries()) {
                long start = Long.parseUnsignedLong(line.substring(0, line.indexOf('-')), 16);
                assertThat(asked.load(maps, process, start + 16)).isZero();
                assertThat(read.loadText(process, start + 16)).isZero();
                assertThat(List.of(read.start(), read.end(), read.fileOffset(), read.inode(), read.device(), read.isReadable(), read.isWritable(), read.isSharedFile()))
                        .isEqualTo(List.of(asked.start(), asked.end(), asked.fileOffset(), asked.inode(), asked.device(), asked.isReadable(), asked.isWritable(), asked.isSharedFile()));
                compared++;
            }
            assertThat(compared).isGreaterThan(3);
            assertThat(read.loadText(process, 16)).isEqualTo(-ErrorNumber.ENOENT);
            assertThat(asked.load(maps, process, 16)).isEqualTo(-ErrorNumber.ENOENT);
            assertThat(asked.isThere(maps, process)).isTrue();
        } finally {
            Linux.close(maps);
        }
    }

    @Test
    void anAddressSpaceIsThereUntilItsProcessEnds() throws Exception {
        Process other = new ProcessBuilder("sleep", "60").start();
        int process = (int) other.pid();
        int maps = Linux.open("/proc/" + process + "/maps", Linux.O_RDONLY);
        try {
            VirtualArea area = new VirtualArea();
            assertThat(area.isThere(maps, process)).isTrue();
            other.destroyForcibly().waitFor();
            assertThat(area.isThere(maps, process)).isFalse();
        } finally {
            other.destroyForcibly();
            Linux.close(maps);
        }
    }

    /** Mappings that do not change while the test runs. */
    private static List<String> libraries() throws Exception {
        return Files.readAllLines(Path.of("/proc/self/maps")).stream().filter(line -> line.contains("/lib")).toList();
    }
}
