package itest.clients;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A file that an NVMe controller of this runtime keeps its only namespace in. */
final class NvmeDisk implements AutoCloseable {
    private static final long BYTES = 256L << 20;

    private final Path file;

    private NvmeDisk(Path file) {
        this.file = file;
    }

    /** An empty one. It has no blocks yet, so it costs nothing. */
    static NvmeDisk create() throws IOException {
        Path file = Files.createTempFile("vmm-disk", ".img");
        try (RandomAccessFile content = new RandomAccessFile(file.toFile(), "rw")) {
            content.setLength(BYTES);
        }
        return new NvmeDisk(file);
    }

    Path file() {
        return file;
    }

    /** The options of {@code ./vmm exec} for a controller that has it. */
    List<String> options() {
        return List.of("--device", "nvme", "--set", "namespaces=" + file);
    }

    @Override
    public void close() throws IOException {
        Files.delete(file);
    }
}
