package vmm.devices.nvme;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Files that others truncate, and file systems that are full: commands fail as they would on a broken disk. */
@Timeout(60)
class BadDiskTest {
    private static final int WRITE_FAULT = 0x280;
    private static final int UNRECOVERED_READ = 0x281;
    private static final int CAPACITY_EXCEEDED = 0x081;
    private static final int WARM = 20_000;

    @TempDir
    Path directory;

    private static void truncate(Path file, long bytes) {
        try (var open = new RandomAccessFile(file.toFile(), "rw")) {
            open.setLength(bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @ParameterizedTest
    @EnumSource(Board.Vendor.class)
    void aFileThatShrinksIsAMediaError(Board.Vendor vendor) {
        NamespaceOptions disk = Disks.random(directory, "a", 9);
        try (var board = new Board(vendor, disk)) {
            var guest = new GuestDriver(board).enable();
            var queue = guest.createQueues(1, 64);
            long buffer = guest.allocate(8192);
            warm(guest, queue, buffer);
            for (int round = 0; round < 3; round++) {
                truncate(disk.file(), 1 << 20);
                long gone = 3000 + round;
                assertThat(guest.execute(queue, Command.read(1, gone, 1, buffer)).code()).isEqualTo(UNRECOVERED_READ);
                assertThat(guest.execute(queue, Command.write(1, gone, 1, buffer)).code()).isEqualTo(WRITE_FAULT);
                assertThat(guest.execute(queue, Command.read(1, gone, 16, 0).prp(buffer, buffer + 4096)).code()).isEqualTo(UNRECOVERED_READ);
                assertThat(guest.execute(queue, Command.of(5, 1).blocks(gone, 1).prp(buffer, 0)).code()).isEqualTo(UNRECOVERED_READ);
                assertThat(guest.execute(queue, Command.of(0xc, 1).blocks(gone, 1)).code()).isEqualTo(UNRECOVERED_READ);
                assertThat(guest.execute(queue, Command.of(8, 1).blocks(gone, 1)).code()).isEqualTo(WRITE_FAULT);
                assertThat(guest.execute(queue, Command.of(8, 1).blocks(gone, 1).or(12, 1 << 25)).code()).isEqualTo(WRITE_FAULT);
                guest.expectSuccess(guest.execute(queue, Command.read(1, 100, 1, buffer)));
                assertThat(disk.file()).as("nothing made it longer again").hasSize(1 << 20);
                truncate(disk.file(), Disks.BYTES);
                guest.expectSuccess(guest.execute(queue, Command.write(1, gone, 1, buffer)));
                guest.expectSuccess(guest.execute(queue, Command.read(1, gone, 1, buffer)));
            }
            long log = guest.allocate(4096);
            guest.expectSuccess(guest.execute(Command.of(2, 0).prp(log, 0).word(10, 2 | 127 << 16)));
            assertThat(guest.at(log + 160, 1).get(JAVA_BYTE, 0)).as("media errors").isEqualTo((byte) 21);
        }
    }

    /** The compiler must have seen the path before the file shrinks under it. */
    private static void warm(GuestDriver guest, GuestDriver.Queue queue, long buffer) {
        for (int i = 0; i < WARM / 32; i++) {
            for (int j = 0; j < 32; j++) {
                queue.put(j % 2 == 0 ? Command.read(1, i, 1, buffer) : Command.write(1, 4000 + j, 1, buffer));
            }
            queue.ring();
            guest.work();
            assertThat(queue.take()).hasSize(32).allMatch(c -> c.status() == 0);
        }
    }

    @Test
    void aFileThatShrinksAndGrowsUnderLoadNeverHarmsTheController() throws InterruptedException {
        NamespaceOptions disk = Disks.random(directory, "a", 12);
        try (var board = new Board(disk)) {
            var guest = new GuestDriver(board).enable();
            var queue = guest.createQueues(1, 64);
            long buffer = guest.allocate(8192);
            var stop = new AtomicBoolean();
            Thread other = Thread.ofPlatform().daemon().start(() -> {
                for (int i = 0; !stop.get(); i++) {
                    truncate(disk.file(), i % 2 == 0 ? 4096 : Disks.BYTES);
                }
            });
            int failures = 0;
            for (int i = 0; failures < 200 || i < 100; i++) {
                for (int j = 0; j < 32; j++) {
                    long block = (i * 37L + j) % 1000;
                    queue.put(j % 2 == 0 ? Command.read(1, block, 2, 0).prp(buffer, buffer + 4096) : Command.write(1, block, 1, buffer));
                }
                queue.ring();
                guest.work();
                for (Completion completion : queue.take()) {
                    assertThat(completion.code()).isIn(0, WRITE_FAULT, UNRECOVERED_READ);
                    failures += completion.code() == 0 ? 0 : 1;
                }
            }
            stop.set(true);
            other.join();
            truncate(disk.file(), Disks.BYTES);
            guest.expectSuccess(guest.execute(queue, Command.read(1, 900, 1, buffer)));
        }
    }

    @Test
    void aFullFileSystemIsExceededCapacity() throws IOException, InterruptedException {
        Path mount = Files.createDirectory(directory.resolve("small"));
        assumeTrue(run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount.toString()), "a small file system cannot be mounted: not root?");
        try (var board = new Board(new NamespaceOptions(mount.resolve("thin"), 8 << 20, 12, false))) {
            var guest = new GuestDriver(board).enable();
            var queue = guest.createQueues(1, 64);
            long buffer = guest.allocate(4096);
            int written = 0;
            Completion completion;
            do {
                completion = guest.execute(queue, Command.write(1, written++, 1, buffer));
            } while (completion.status() == 0);
            assertThat(written).isBetween(200, 257);
            assertThat(completion.code()).isEqualTo(CAPACITY_EXCEEDED);
            guest.expectSuccess(guest.execute(queue, Command.read(1, 1500, 1, buffer)));
            guest.expectSuccess(guest.execute(queue, Command.write(1, 3, 1, buffer)));
            guest.expectSuccess(guest.execute(queue, Command.of(8, 1).blocks(0, 100).or(12, 1 << 25)));
            guest.expectSuccess(guest.execute(queue, Command.write(1, 1500, 1, buffer)));
        } finally {
            run("umount", mount.toString());
        }
    }

    private static boolean run(String... command) throws IOException, InterruptedException {
        return new ProcessBuilder(command).redirectErrorStream(true).start().waitFor() == 0;
    }
}
