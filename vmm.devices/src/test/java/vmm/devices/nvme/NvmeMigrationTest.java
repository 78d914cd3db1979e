package vmm.devices.nvme;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.RequesterId;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.device.Migration;
import vfio.device.Migration.Activity;
import vfio.device.RunningDevice;
import vmm.devices.FakeHost;

/** A controller's state moves to a controller on another board, behind another vendor's IOMMU: no command is lost, none done twice. */
@Timeout(120)
class NvmeMigrationTest {
    private static final int BLOCK = 512;
    private static final int ENTRIES = 64;

    @TempDir
    Path directory;

    /** One host: a board, and the device on it. */
    private final class Host implements AutoCloseable {
        final Board board;
        final NvmeDevice device;
        final FakeHost fake;
        final RunningDevice running;
        final DeviceBar bar;

        Host(Board.Vendor vendor, BarAccess access, NvmeOptions options) {
            board = new Board(vendor);
            device = new NvmeDevice(RequesterId.of(0, 0, 10, 0), access, options);
            fake = new FakeHost(board.endpoint);
            running = device.start(fake);
            bar = new DeviceBar(running, fake, access);
        }

        Migration migration() {
            return running.migration().orElseThrow();
        }

        @Override
        public void close() {
            running.close();
            device.stop();
            board.close();
        }
    }

    private NvmeOptions options() {
        return new NvmeOptions("MIG1", 4, List.of(Disks.random(directory, "disk", 9)));
    }

    private NvmeOptions sameDisk() {
        return new NvmeOptions("MIG1", 4, List.of(NamespaceOptions.of(directory.resolve("disk"))));
    }

    private static byte[] save(Migration migration) throws IOException {
        migration.setActivity(Activity.PASSIVE);
        migration.setActivity(Activity.STOPPED);
        var bytes = new ByteArrayOutputStream();
        try (var channel = migration.copyStopped()) {
            ByteBuffer part = ByteBuffer.allocate(100);
            while (channel.read(part.clear()) >= 0) {
                bytes.write(part.array(), 0, part.position());
            }
        }
        assertThat(migration.stateBytes()).isEqualTo(bytes.size());
        return bytes.toByteArray();
    }

    private static void restore(Migration migration, byte[] state) throws IOException {
        migration.setActivity(Activity.STOPPED);
        try (WritableByteChannel channel = migration.restore()) {
            ByteBuffer rest = ByteBuffer.wrap(state);
            while (rest.hasRemaining()) {
                rest.position(rest.position() + channel.write(rest.slice(rest.position(), Math.min(77, rest.remaining()))));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(BarAccess.class)
    void noCommandIsLostWhenItMovesUnderLoad(BarAccess access) throws IOException {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        NvmeOptions options = options();
        Map<Long, Long> written = new HashMap<>();
        Host host = new Host(Board.Vendor.VTD, access, options);
        GuestDriver guest = new GuestDriver(host.board, host.bar).enable();
        guest.createQueues(1, ENTRIES);
        guest.createQueues(3, ENTRIES);
        long buffers = guest.allocate(2L * ENTRIES * BLOCK);
        long next = 1;
        for (int round = 0; round < 12; round++) {
            Map<Integer, Integer> expected = new HashMap<>();
            for (int id : new int[] {1, 3}) {
                var queue = guest.queues.get(id);
                int count = 1 + random.nextInt(ENTRIES - 2);
                for (int i = 0; i < count; i++) {
                    long block = (id == 1 ? 0 : 2000) + (long) random.nextInt(2000);
                    long buffer = buffers + ((id == 1 ? 0 : ENTRIES) + i) * (long) BLOCK;
                    guest.at(buffer, BLOCK).set(JAVA_LONG, 0, next);
                    queue.put(Command.write(1, block, 1, buffer));
                    written.put(block, next++);
                }
                queue.ring();
                expected.put(id, count);
            }
            Thread.onSpinWait();
            byte[] state = save(host.migration());
            Host target = new Host(round % 2 == 0 ? Board.Vendor.SMMUV3 : Board.Vendor.VTD, access, sameDisk());
            target.board.ram.segment().copyFrom(host.board.ram.segment());
            restore(target.migration(), state);
            guest = guest.movedTo(target.board, target.bar);
            host.close();
            target.migration().setActivity(Activity.RUNNING);
            host = target;
            for (var entry : expected.entrySet()) {
                List<Completion> done = guest.await(guest.queues.get(entry.getKey()), entry.getValue());
                assertThat(done).as("queue %d, round %d, seed %d", entry.getKey(), round, seed).hasSize(entry.getValue())
                        .allMatch(completion -> completion.status() == 0).doesNotHaveDuplicates();
            }
        }
        byte[] disk = Disks.bytes(directory.resolve("disk"), 0, 4000 * BLOCK);
        ByteBuffer blocks = ByteBuffer.wrap(disk).order(ByteOrder.nativeOrder());
        written.forEach((block, value) -> assertThat(blocks.getLong((int) (block * BLOCK))).as("block %d, seed %d", block, seed).isEqualTo(value));
        host.close();
    }

    @Test
    void aWaitingEventRequestAndFeaturesMove() throws IOException {
        NvmeOptions options = options();
        try (var source = new Host(Board.Vendor.VTD, BarAccess.TRAPPED, options); var target = new Host(Board.Vendor.SMMUV3, BarAccess.TRAPPED, sameDisk())) {
            GuestDriver guest = new GuestDriver(source.board, source.bar).enable();
            guest.expectSuccess(guest.execute(Command.of(9, 0).word(10, 6).word(11, 0)));          // write cache off
            int request = guest.admin().put(Command.of(0xc, 0));
            guest.admin().ring();
            byte[] state = save(source.migration());
            target.board.ram.segment().copyFrom(source.board.ram.segment());
            restore(target.migration(), state);
            GuestDriver moved = guest.movedTo(target.board, target.bar);
            target.migration().setActivity(Activity.RUNNING);
            assertThat(moved.execute(Command.of(0xa, 0).word(10, 6)).result()).isZero();
            target.running.write(0, 0x1000 + 8 * 7, 4, 1);                                           // a doorbell of no queue
            assertThat(moved.await(moved.admin(), 1)).singleElement().satisfies(event -> {
                assertThat(event.commandId()).isEqualTo(request);
                assertThat(event.result() & 0xff07).isZero();
            });
        }
    }

    @Test
    void aStoppedControllerKeepsStillAndHearsDoorbellsOnceItRuns() throws IOException {
        try (var host = new Host(Board.Vendor.VTD, BarAccess.TRAPPED, options())) {
            GuestDriver guest = new GuestDriver(host.board, host.bar).enable();
            var queue = guest.createQueues(1, ENTRIES);
            long buffer = guest.allocate(BLOCK);
            guest.at(buffer, BLOCK).fill((byte) 0x5a);
            host.migration().setActivity(Activity.PASSIVE);
            queue.put(Command.read(1, 0, 1, buffer));
            queue.ring();
            assertThat(guest.register(0x1c)).isEqualTo(1);
            assertThat(queue.take()).isEmpty();
            assertThat(guest.at(buffer, BLOCK).toArray(JAVA_BYTE)).containsOnly(0x5a);
            host.migration().setActivity(Activity.RUNNING);
            assertThat(guest.await(queue, 1)).hasSize(1);
            assertThat(guest.at(buffer, BLOCK).toArray(JAVA_BYTE)).isEqualTo(Disks.bytes(directory.resolve("disk"), 0, BLOCK));
        }
    }

    @Test
    void whatIsNoStateIsRefusedAndTheControllerCanBeUsedAfterAReset() throws IOException {
        NvmeOptions options = options();
        try (var source = new Host(Board.Vendor.VTD, BarAccess.TRAPPED, options); var target = new Host(Board.Vendor.VTD, BarAccess.TRAPPED, sameDisk())) {
            GuestDriver guest = new GuestDriver(source.board, source.bar).enable();
            guest.createQueues(1, ENTRIES);
            byte[] state = save(source.migration());
            Random random = new Random(1);
            List<byte[]> wrong = new ArrayList<>();
            wrong.add(new byte[0]);
            for (int length = 1; length < state.length; length += 7) {
                wrong.add(Arrays.copyOf(state, length));
            }
            wrong.add(Arrays.copyOf(state, state.length + 1));
            wrong.add(new byte[SavedState.MAX_BYTES + 1]);
            for (byte[] content : wrong) {
                assertThatThrownBy(() -> restore(target.migration(), content)).as("%d of %d bytes", content.length, state.length)
                        .isInstanceOfSatisfying(IommufdException.class, refused -> assertThat(refused.errno()).isEqualTo(Errno.EINVAL));
            }
            for (int i = 0; i < 3000; i++) {   // numbers that were changed on the way: refused, or a state that harms nobody
                byte[] content = state.clone();
                content[random.nextInt(content.length)] ^= (byte) (1 << random.nextInt(8));
                try {
                    restore(target.migration(), content);
                } catch (IommufdException refused) {
                    assertThat(refused.errno()).isEqualTo(Errno.EINVAL);
                }
                target.migration().setActivity(Activity.RUNNING);
            }
            target.running.reset();
            GuestDriver fresh = new GuestDriver(target.board, target.bar).enable();
            long buffer = fresh.allocate(BLOCK);
            var queue = fresh.createQueues(1, ENTRIES);
            fresh.expectSuccess(fresh.execute(queue, Command.read(1, 5, 1, buffer)));
            assertThat(fresh.at(buffer, BLOCK).toArray(JAVA_BYTE)).isEqualTo(Disks.bytes(directory.resolve("disk"), 5 * BLOCK, BLOCK));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"serial", "queues", "namespaces", "size"})
    void theStateOfAnotherControllerIsRefused(String difference) throws IOException {
        NvmeOptions options = options();
        NamespaceOptions disk = NamespaceOptions.of(directory.resolve("disk"));
        NvmeOptions other = switch (difference) {
            case "serial" -> new NvmeOptions("MIG2", 4, List.of(disk));
            case "queues" -> new NvmeOptions("MIG1", 5, List.of(disk));
            case "namespaces" -> new NvmeOptions("MIG1", 4, List.of(disk, Disks.random(directory, "second", 9)));
            default -> new NvmeOptions("MIG1", 4, List.of(NamespaceOptions.parse(directory.resolve("larger") + ",size=8M")));
        };
        try (var source = new Host(Board.Vendor.VTD, BarAccess.TRAPPED, options); var target = new Host(Board.Vendor.VTD, BarAccess.TRAPPED, other)) {
            byte[] state = save(source.migration());
            assertThatThrownBy(() -> restore(target.migration(), state))
                    .isInstanceOfSatisfying(IommufdException.class, refused -> assertThat(refused.errno()).isEqualTo(Errno.EINVAL))
                    .hasMessageContaining("another NVMe controller");
        }
    }
}
