package bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Optional;
import java.util.stream.Stream;

/** Where and when the numbers were measured. */
final class Machine {
    private Machine() {}

    static String describe() {
        return "%s, %d cores, %.0f GiB, %s %s, Linux %s, C compiler: %s; %s".formatted(
                field("/proc/cpuinfo", "model name"), Runtime.getRuntime().availableProcessors(),
                Double.parseDouble(field("/proc/meminfo", "MemTotal").split(" ")[0]) / (1 << 20),
                System.getProperty("java.vm.name"), System.getProperty("java.runtime.version"), System.getProperty("os.version"),
                compiler().orElse("none"),
                ZonedDateTime.now(ZoneOffset.UTC).format(DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm 'UTC'")));
    }

    /** The C compiler's first line about itself, if there is one. */
    static Optional<String> compiler() {
        try {
            Process process = new ProcessBuilder("cc", "--version").redirectErrorStream(true).start();
            String output = new String(process.getInputStream().readAllBytes());
            return process.waitFor() == 0 ? output.lines().findFirst() : Optional.empty();
        } catch (IOException absent) {
            return Optional.empty();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.empty();
        }
    }

    private static String field(String file, String name) {
        try (Stream<String> lines = Files.lines(Path.of(file))) {
            return lines.filter(line -> line.startsWith(name)).map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .findFirst().orElse("0 unknown");
        } catch (IOException e) {
            return "0 unknown";
        }
    }

    /** Load of the last minute: how much else was going on. */
    static String load() {
        try {
            return Files.readString(Path.of("/proc/loadavg")).split(" ")[0];
        } catch (IOException e) {
            return "unknown";
        }
    }
}
