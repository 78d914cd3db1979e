package vmm.devices.nvme;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import iommufd.api.IommufdException;
import iommufd.api.dma.RequesterId;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.device.Interrupts;
import vfio.device.MsixCapability;
import vfio.device.RunningDevice;
import vmm.devices.FakeHost;

/** The PCI function: registers through its BAR, doorbells trapped and polled, and its own thread. */
@Timeout(60)
class NvmeDeviceTest {
    @TempDir
    Path directory;

    private NvmeOptions options() {
        return new NvmeOptions("DEV1", 4, List.of(Disks.random(directory, "a", 9)));
    }

    @ParameterizedTest
    @EnumSource(BarAccess.class)
    void aDriverWorksWithDoorbellsOfEveryKind(BarAccess access) {
        try (var board = new Board()) {
            var device = new NvmeDevice(RequesterId.of(0, 0, 10, 0), access, options());
            var host = new FakeHost(board.endpoint);
            var running = device.start(host);
            var guest = new GuestDriver(board, new DeviceBar(running, host, access)).enable();
            var queue = guest.createQueues(2, 64);
            long buffer = guest.allocate(64 * 512);
            for (int round = 0; round < 50; round++) {
                for (int i = 0; i < 60; i++) {
                    queue.put(Command.read(1, i, 1, buffer + i * 512L));
                }
                queue.ring();
                assertThat(guest.await(queue, 60)).hasSize(60).allMatch(c -> c.status() == 0);
            }
            assertThat(guest.at(buffer, 60 * 512).toArray(JAVA_BYTE)).isEqualTo(Disks.bytes(directory.resolve("a"), 0, 60 * 512));
            assertThat(host.messages(2)).isPositive();
            assertThat(device.toString()).contains("0000:00:0a.0", "DEV1", "3000 reads", "enabled with 1 I/O queues");
            running.close();
            assertThat(device.toString()).contains("no client");
            device.stop();
        }
    }

    @Test
    void theLineRisesAndFalls() {
        try (var board = new Board()) {
            var device = new NvmeDevice(RequesterId.of(0, 0, 10, 0), BarAccess.TRAPPED, options());
            var host = new FakeHost(board.endpoint);
            host.setMode(Interrupts.Mode.INTX);
            var running = device.start(host);
            var guest = new GuestDriver(board, new DeviceBar(running, host, BarAccess.TRAPPED)).enable();
            guest.admin().put(Command.of(0xa, 0).word(10, 7));
            guest.admin().ring();
            await().until(host::line);
            guest.admin().take();
            assertThat(host.line()).isFalse();
            running.close();
            device.stop();
        }
    }

    @ParameterizedTest
    @EnumSource(BarAccess.class)
    void aResetUnderLoadLeavesNoDmaBehind(BarAccess access) throws InterruptedException {
        try (var board = new Board()) {
            var device = new NvmeDevice(RequesterId.of(0, 0, 10, 0), access, options());
            var host = new FakeHost(board.endpoint);
            var running = device.start(host);
            var guest = new GuestDriver(board, new DeviceBar(running, host, access));
            for (int round = 0; round < 15; round++) {
                guest.enable();
                var queue = guest.createQueues(1, 64);
                long buffer = guest.allocate(4096);
                var stop = new AtomicBoolean();
                var failure = new AtomicReference<Throwable>();
                Thread load = Thread.ofPlatform().start(() -> {
                    try {
                        while (!stop.get()) {
                            for (int i = 0; i < 20; i++) {
                                queue.put(Command.read(1, i, 8, buffer));
                            }
                            queue.ring();
                            queue.take();
                        }
                    } catch (RuntimeException | Error thrown) {
                        failure.set(thrown);
                    }
                });
                Thread.sleep(3);
                running.reset();
                guest.at(buffer, 4096).fill((byte) 0x77);
                Thread.sleep(2);
                assertThat(guest.at(buffer, 4096).toArray(JAVA_BYTE)).containsOnly(0x77);
                assertThat(guest.register(0x1c)).isZero();
                stop.set(true);
                load.join();
                assertThat(failure.get()).isNull();
            }
            running.close();
            device.stop();
        }
    }

    @Test
    void nothingMovesAfterTheClientIsGone() {
        try (var board = new Board()) {
            var device = new NvmeDevice(RequesterId.of(0, 0, 10, 0), BarAccess.DOORBELLS_POLLED, options());
            var host = new FakeHost(board.endpoint);
            for (int client = 0; client < 3; client++) {
                var running = device.start(host);
                host.sharedMemory(0).fill((byte) 0);
                var guest = new GuestDriver(board, new DeviceBar(running, host, BarAccess.DOORBELLS_POLLED)).enable();
                var queue = guest.createQueues(1, 16);
                guest.expectSuccess(guest.execute(queue, Command.read(1, 0, 1, guest.allocate(4096))));
                queue.put(Command.read(1, 0, 1, guest.allocate(4096)));
                running.close();
                host.sharedMemory(0).set(JAVA_INT, 0x1008, 2);
                assertThat(queue.take()).isEmpty();
            }
            device.stop();
        }
    }

    @Test
    void theFunctionIsAnNvmeController() throws IOException {
        var device = new NvmeDevice(RequesterId.of(0, 0, 10, 0), BarAccess.DOORBELLS_POLLED, options());
        assertThat(device.function().ids().classCode()).isEqualTo(0x010802);
        assertThat(device.function().capability(MsixCapability.class).orElseThrow().vectors()).isEqualTo(5);
        assertThat(device.function().bars().getFirst().isShared(0x1000, 0x1000)).isTrue();
        assertThat(device.function().bars().getFirst().isShared(0, 0x1000)).isFalse();
        device.stop();
        assertThat(Files.size(directory.resolve("a"))).isEqualTo(Disks.BYTES);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", ",size=4K", "disk,block=520", "disk,size=many", "disk,size=99999999T", "disk,fast"})
    void namespacesThatMakeNoSenseAreRefused(String text) {
        assertThatThrownBy(() -> NamespaceOptions.parse(text)).isInstanceOf(IommufdException.class).hasMessageContaining("\"" + text + "\"");
    }

    @Test
    void namespacesAreDescribedInOneLine() {
        assertThat(NamespaceOptions.parse("/disk/a, size=2G, block=4096, readonly"))
                .isEqualTo(new NamespaceOptions(Path.of("/disk/a"), 2L << 30, 12, true));
        assertThat(NamespaceOptions.parse("/disk/a")).isEqualTo(NamespaceOptions.of(Path.of("/disk/a")));
    }

    @Test
    void aFileThatCannotBeUsedIsToldByName() {
        assertThatThrownBy(() -> new NvmeSubsystem(new NvmeOptions("X", 1, List.of(NamespaceOptions.of(directory.resolve("missing"))))))
                .isInstanceOf(IommufdException.class).hasMessageContaining("missing");
        assertThatThrownBy(() -> new NvmeSubsystem(new NvmeOptions("X", 1, List.of(NamespaceOptions.of(Files.createFile(directory.resolve("empty")))))))
                .isInstanceOf(IommufdException.class).hasMessageContaining("empty");
    }
}
