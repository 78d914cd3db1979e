package devnode.fuse;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.TimeUnit;

/** The C program of these tests, compiled once. What is missing on the machine is said aloud, and the test skipped. */
final class Native {
    private static Path program;

    private Native() {}

    static synchronized Path program() throws IOException, InterruptedException {
        require("/dev/fuse", Files.isWritable(Path.of("/dev/fuse")));
        require("root", Files.isWritable(Path.of("/proc/sys/kernel/hostname")));
        if (program == null) {
            Path directory = Files.createTempDirectory("devnode-client");
            directory.toFile().deleteOnExit();
            Path source = directory.resolve("client.c");
            try (InputStream text = Native.class.getResourceAsStream("client.c")) {
                Files.copy(text, source, StandardCopyOption.REPLACE_EXISTING);
            }
            Path compiled = directory.resolve("client");
            try {
                Process cc = new ProcessBuilder("cc", "-O1", "-w", "-pthread", "-o", compiled.toString(), source.toString()).redirectErrorStream(true).start();
                String output = new String(cc.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
                if (!cc.waitFor(60, TimeUnit.SECONDS) || cc.exitValue() != 0) {
                    throw new IllegalStateException("cc: " + output);
                }
            } catch (IOException noCompiler) {
                require("a C compiler (cc)", false);
            }
            source.toFile().deleteOnExit();
            compiled.toFile().deleteOnExit();
            program = compiled;
        }
        return program;
    }

    private static void require(String what, boolean there) {
        if (!there) {
            System.err.println("SKIPPED: device nodes cannot be tested here, they need " + what);
        }
        assumeTrue(there, "needs " + what);
    }
}
