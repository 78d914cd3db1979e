package itest.clients;

import static org.assertj.core.api.Assertions.assertThat;

import itest.Vmm;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** A file that a block device of this runtime keeps its blocks in. */
final class DiskFile implements AutoCloseable {
    private static final long BYTES = 256L << 20;

    private final Path file;

    private DiskFile(Path file) {
        this.file = file;
    }

    /** An empty one. It has no blocks yet, so it costs nothing. */
    static DiskFile create() throws IOException {
        Path file = Files.createTempFile("vmm-disk", ".img");
        try (RandomAccessFile content = new RandomAccessFile(file.toFile(), "rw")) {
            content.setLength(BYTES);
        }
        return new DiskFile(file);
    }

    Path file() {
        return file;
    }

    /** What a guest has written that did {@code check:MIB} with this seed (itest/clients/guest.c) is here. */
    void assertHasWhatWasWritten(int seed, int mib) throws IOException, InterruptedException {
        Process pattern = new ProcessBuilder(Vmm.ROOT.resolve("itest/clients/guest.sh").toString(), "--pattern", Integer.toString(seed), Integer.toString(mib))
                .redirectError(ProcessBuilder.Redirect.INHERIT).start();
        byte[] expected = new byte[1 << 20];
        byte[] found = new byte[expected.length];
        try (DataInputStream written = new DataInputStream(pattern.getInputStream()); InputStream kept = Files.newInputStream(file)) {
            for (int i = 0; i < mib; i++) {
                written.readFully(expected);
                assertThat(kept.readNBytes(found, 0, found.length)).isEqualTo(found.length);
                assertThat(found).as("MiB %d of the disk's file", i).isEqualTo(expected);
            }
        }
        assertThat(pattern.waitFor()).isZero();
    }

    /** The options of {@code ./vmm exec} for a virtio block device that has it. */
    List<String> virtio() {
        return List.of("--device", "virtio.blk", "--set", "file=" + file);
    }

    /** The options of {@code ./vmm exec} for an NVMe controller that has it. */
    List<String> nvme() {
        return List.of("--device", "nvme", "--set", "namespaces=" + file);
    }

    @Override
    public void close() throws IOException {
        Files.delete(file);
    }
}
