package itest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code ./vmm qtest} as people and programs start it: processes, standard input and output, signals, exit codes. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class QtestIT {
    private static final Pattern EXAMPLE = Pattern.compile("```python\n(.*?)```.*?```text\n(.*?)```", Pattern.DOTALL);

    @TempDir
    Path folder;

    @BeforeAll
    static void useWhatThisBuildMade() throws IOException {
        Vmm.useWhatThisBuildMade();
    }

    private Process start(String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(Vmm.ROOT.resolve("vmm").toString(), "qtest", "--"));
        command.addAll(List.of(arguments));
        return new ProcessBuilder(command).directory(folder.toFile()).redirectError(folder.resolve("err").toFile()).start();
    }

    private static void say(Process board, String lines) throws IOException {
        board.getOutputStream().write(lines.getBytes(StandardCharsets.US_ASCII));
        board.getOutputStream().flush();
    }

    /** Clients take whatever is said for a message from the runtime, so there must be none. */
    private void assertSilent() throws IOException {
        assertThat(Files.readString(folder.resolve("err")).lines().filter(line -> !line.startsWith("building "))).isEmpty();
    }

    @Test
    void theExampleOfTheDocumentationDoesWhatItSays() throws Exception {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/env")) && new ProcessBuilder("sh", "-c", "command -v python3").start().waitFor() == 0,
                "python3 is missing, which the example is written in");
        Matcher example = EXAMPLE.matcher(Files.readString(Vmm.ROOT.resolve("docs/qtest.md")));
        assertThat(example.find()).isTrue();
        Path script = Files.writeString(folder.resolve("example.py"), example.group(1));
        Process python = new ProcessBuilder("python3", script.toString()).directory(Vmm.ROOT.toFile()).redirectErrorStream(true).start();
        python.getOutputStream().close();
        String output = new String(python.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(output.replaceFirst("building [^\n]*\n", "")).isEqualTo(example.group(2));
        assertThat(python.waitFor()).isZero();
    }

    @Test
    void bothBoardsHaveTheirIommu() throws Exception {
        Process pc = start("-M", "q35", "-device", "intel-iommu", "-qtest", "stdio");
        say(pc, "readl 0xfed90000\n");
        assertThat(pc.inputReader().readLine()).as("VER: major version 1 to 6").matches("OK 0x00000000000000[1-6].");
        pc.getOutputStream().close();
        assertThat(pc.waitFor()).isZero();
        Process arm = start("-M", "virt,iommu=smmuv3", "-qtest", "stdio");
        say(arm, "readl 0x9050000\n");
        assertThat(Long.decode(arm.inputReader().readLine().substring("OK ".length())) & 3).as("IDR0: both stages").isEqualTo(3);
        arm.getOutputStream().close();
        assertThat(arm.waitFor()).isZero();
        assertSilent();
    }

    @Test
    void aSignalEndsItWell() throws Exception {
        Path temporary = Files.createDirectory(folder.resolve("tmp"));
        List<String> command = List.of("env", "JAVA_TOOL_OPTIONS=-Djava.io.tmpdir=" + temporary, Vmm.ROOT.resolve("vmm").toString(), "qtest", "--",
                "-M", "q35", "-device", "intel-iommu", "-qtest", "stdio");
        Process board = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        say(board, "endianness\n");
        assertThat(board.inputReader().readLine()).isEqualTo("OK little");
        board.toHandle().destroy();
        assertThat(board.waitFor()).isZero();
        try (var left = Files.list(temporary)) {
            assertThat(left).as("its files are gone").isEmpty();
        }
    }

    /** Registers, tables, DMA and interrupts at random, many thousand of each: the real IOMMUs refuse what makes no sense and nothing breaks. */
    @ParameterizedTest
    @CsvSource({"q35, 0xfed90000, 0x0, 0x400", "'virt,iommu=smmuv3', 0x9050000, 0x40000000, 0x20000"})
    void nonsenseOfASoftwareBreaksNoIommu(String machine, String registers, String ram, String registerBytes) throws Exception {
        List<String> words = new ArrayList<>(List.of("-M", machine, "-m", "64", "-qtest", "stdio"));
        if (machine.equals("q35")) {
            words.addAll(List.of("-device", "intel-iommu,x-scalable-mode=on,x-flts=on"));
        }
        words.addAll(List.of("-device", "iommu-testdev,addr=4"));
        Process board = start(words.toArray(String[]::new));
        RandomSoftware software = new RandomSoftware(20261130, Long.decode(registers), Integer.decode(registerBytes), Long.decode(ram));
        int refused = 0;
        for (int round = 0; round < 200; round++) {
            List<String> requests = round == 0 ? software.setUp() : software.requests(300);
            Thread.ofVirtual().start(() -> sayQuietly(board, String.join("\n", requests) + "\n"));
            for (String request : requests) {
                String answer = board.inputReader().readLine();
                assertThat(answer).as(request).startsWith("OK");
                refused += answer.equals("OK 0x00000000dead0002") ? 1 : 0;
            }
        }
        assertThat(refused).as("DMA that the IOMMU, or the end of RAM, stopped").isPositive();
        board.getOutputStream().close();
        assertThat(board.waitFor()).isZero();
        assertSilent();
    }

    private static void sayQuietly(Process board, String lines) {
        try {
            say(board, lines);
        } catch (IOException gone) {
            throw new UncheckedIOException(gone);
        }
    }

    @Test
    void anErrorOfTheCommandLineIsSaidInOneLine() throws Exception {
        Process refused = start("-M", "q35", "-device", "intel-iommu,color=red", "-qtest", "stdio");
        assertThat(refused.waitFor()).isEqualTo(1);
        assertThat(refused.inputReader().readLine()).isNull();
        assertThat(Files.readString(folder.resolve("err")).lines().filter(line -> !line.startsWith("building ")))
                .singleElement().asString().startsWith("vmm-system-x86_64: ").contains("color");
    }

    @Test
    void whatIsInstalledIsWhatTestProgramsExpect() throws Exception {
        Process install = new ProcessBuilder(Vmm.ROOT.resolve("vmm").toString(), "qtest", "--install", folder.resolve("bin").toString()).redirectErrorStream(true).start();
        String said = new String(install.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(install.waitFor()).as(said).isZero();
        for (String architecture : List.of("x86_64", "aarch64")) {
            Process board = new ProcessBuilder(folder.resolve("bin/vmm-system-" + architecture).toString(), "-machine", "none", "-qmp", "stdio").start();
            say(board, "{'execute': 'qmp_capabilities'}{'execute': 'query-machines'}");
            assertThat(board.inputReader().readLine()).startsWith("{\"QMP\"");
            assertThat(board.inputReader().readLine()).isEqualTo("{\"return\": {}}");
            assertThat(board.inputReader().readLine()).contains(architecture.equals("x86_64") ? "\"q35\"" : "\"virt\"");
            board.getOutputStream().close();
            assertThat(board.waitFor()).isZero();
        }
    }
}
