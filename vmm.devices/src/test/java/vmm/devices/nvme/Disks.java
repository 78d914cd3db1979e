package vmm.devices.nvme;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;

/** Files for namespaces, with content that tells where it belongs. */
final class Disks {
    static final int BYTES = 4 << 20;

    private Disks() {}

    static NamespaceOptions random(Path directory, String name, int blockLg2) {
        byte[] content = new byte[BYTES];
        new Random(name.hashCode()).nextBytes(content);
        try {
            return new NamespaceOptions(Files.write(directory.resolve(name), content), 0, blockLg2, false);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static byte[] bytes(Path file, long offset, int length) {
        try {
            return Arrays.copyOfRange(Files.readAllBytes(file), (int) offset, (int) offset + length);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
