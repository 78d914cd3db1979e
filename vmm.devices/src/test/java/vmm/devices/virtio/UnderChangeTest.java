package vmm.devices.virtio;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.smmuv3.Smmuv3Backend;
import iommu.smmuv3.driver.DriverOptions;
import iommu.smmuv3.unit.SmmuFeatures;
import iommufd.api.dma.RequesterId;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import vdpa.device.RunningVdpa;
import vdpa.device.VdpaDevice;
import vdpa.device.VirtioFeature;
import vmm.devices.nvme.NamespaceOptions;
import vmm.devices.virtio.RingDriver.Piece;
import vmm.devices.virtio.blk.BlkOptions;
import vmm.devices.virtio.blk.VirtioBlkDevice;
import vmm.devices.virtio.net.NetOptions;
import vmm.devices.virtio.net.VirtioNetDevice;

/** Whole devices with drivers that send garbage, and with hardware that is exchanged. */
@Timeout(60)
class UnderChangeTest {
    private static final int SIZE = 32;
    private static final long FEATURES = VirtioFeature.VERSION_1 | VirtioFeature.INDIRECT_DESC | VirtioFeature.EVENT_IDX;

    @TempDir
    Path directory;

    private VdpaDevice block() throws IOException {
        Path file = directory.resolve("disk");
        Files.write(file, new byte[1 << 20]);
        return new VirtioBlkDevice(RequesterId.of(0, 1, 1, 0), new BlkOptions(NamespaceOptions.of(file), "S", 3, SIZE));
    }

    private static VdpaDevice net() {
        return new VirtioNetDevice(RequesterId.of(0, 1, 1, 0), new NetOptions(0x0252_0000_0001L, 1, SIZE, 0), "null,generate=900");
    }

    /** Requests of random bytes and shapes: the device fails them or breaks the queue, and works after a reset as if nothing had been. */
    @ParameterizedTest
    @CsvSource({"blk,false,1", "blk,true,2", "net,false,3", "net,true,4"})
    void garbageIsSurvived(String type, boolean packed, long seed) throws IOException {
        var random = new Random(seed);
        VdpaDevice device = type.equals("blk") ? block() : net();
        try (var board = new QueueBoard()) {
            var host = new TestHost(board);
            long memory = board.allocate(1 << 20);
            int used = 0;
            RingDriver[] rings = new RingDriver[3];
            for (int i = 0; i < rings.length; i++) {
                rings[i] = RingDriver.of(board, packed, SIZE, FEATURES);
            }
            try (RunningVdpa running = device.start(host)) {
                for (int round = 0; round < 60; round++) {
                    running.negotiated(rings[0].features() | 1L << 15 | 1L << 17 | 1L << 18);
                    running.driverReady();
                    for (int i = 0; i < rings.length; i++) {
                        rings[i].descriptors.fill((byte) 0);
                        rings[i].driverArea.fill((byte) 0);
                        rings[i].deviceArea.fill((byte) 0);
                        rings[i] = rings[i].again();
                        running.queueReady(i, TestHost.setup(rings[i]));
                    }
                    int faults = host.faults.size();
                    for (int step = 0; step < 50 && host.faults.size() == faults; step++) {
                        int queue = random.nextInt(rings.length);
                        scribble(random, board, memory);
                        if (rings[queue].room(5)) {
                            rings[queue].put(pieces(random, memory));
                        }
                        running.kick(queue);
                        long end = System.nanoTime() + 300_000;
                        while (host.faults.size() == faults && System.nanoTime() < end) {
                            used += rings[queue].take().size();
                        }
                    }
                    running.reset();
                }
            }
            assertThat(host.faults).as("seed %d", seed).isNotEmpty().allMatch(text -> text.startsWith("queue "))
                    .noneMatch(text -> text.contains(QueueFault.DEVICE.text()));
            assertThat(used).as("seed %d", seed).isPositive();
        }
    }

    private static void scribble(Random random, QueueBoard board, long memory) {
        for (int i = 0; i < 64; i++) {
            long value = random.nextInt(3) == 0 ? random.nextLong() : random.nextInt(20);
            board.at(memory + random.nextInt(4096) / 8 * 8, 8).set(JAVA_LONG_UNALIGNED, 0, value);
        }
    }

    private static Piece[] pieces(Random random, long memory) {
        var pieces = new Piece[1 + random.nextInt(5)];
        int readable = random.nextInt(pieces.length + 1);
        for (int i = 0; i < pieces.length; i++) {
            long iova = random.nextInt(60) == 0 ? random.nextLong() : memory + random.nextInt(4096) / 8 * 8;
            int length = random.nextInt(4) == 0 ? 1 + random.nextInt(3000) : new int[] {1, 16, 16, 512, 1024}[random.nextInt(5)];
            pieces[i] = new Piece(iova, length, i >= readable);
        }
        if (random.nextInt(8) != 0) {   // at least the ends of a request
            pieces[0] = Piece.read(memory + random.nextInt(512) * 8, 16);
            if (pieces.length > 1) {
                pieces[pieces.length - 1] = Piece.write(memory + random.nextInt(4096), 1);
            }
        }
        return pieces;
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void nothingIsLostWhileHardwareIsExchanged(boolean packed) throws InterruptedException {
        VdpaDevice device = net();
        try (var board = new QueueBoard(); var smmu = new Smmuv3Backend("smmu0", SmmuFeatures.DEFAULT, DriverOptions.DEFAULT, board.tables())) {
            board.engine.add(smmu, 0);
            var host = new TestHost(board);
            RingDriver ring = RingDriver.of(board, packed, SIZE, FEATURES);
            try (RunningVdpa running = device.start(host)) {
                running.negotiated(ring.features());
                running.driverReady();
                long[] buffers = new long[SIZE];
                running.queueReady(0, TestHost.setup(ring));
                for (int i = 0; i < SIZE; i++) {
                    long iova = board.allocate(1024);
                    buffers[ring.put(Piece.write(iova, 1024))] = iova;
                }
                Thread operator = Thread.ofPlatform().start(() -> {
                    for (int i = 0; i < 20; i++) {
                        board.engine.swap().swap(i % 2 == 0 ? "vtd0" : "smmu0", i % 2 == 0 ? "smmu0" : "vtd0");
                    }
                });
                long expected = 0;
                while (operator.isAlive() || expected < 1000) {
                    running.kick(0);
                    for (long iova : ring.take().stream().mapToLong(used -> buffers[used.id()]).toArray()) {
                        assertThat(board.at(iova + 26, 8).get(JAVA_LONG_UNALIGNED, 0)).isEqualTo(expected++);
                        board.at(iova, 1024).set(JAVA_BYTE, 26, (byte) -1);
                        buffers[ring.put(Piece.write(iova, 1024))] = iova;
                    }
                }
                operator.join();
                assertThat(host.faults).isEmpty();
            }
        }
    }
}
