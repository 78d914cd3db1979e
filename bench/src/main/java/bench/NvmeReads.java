package bench;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaPort;
import iommufd.api.memory.GuestRam;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Random;
import vmm.devices.nvme.NamespaceOptions;
import vmm.devices.nvme.NvmeController;
import vmm.devices.nvme.NvmeOptions;
import vmm.devices.nvme.NvmeSubsystem;

/**
 * An NVMe controller and its driver on one thread: random 4 KiB reads of a file in the page cache through submission queue,
 * doorbell, IOMMU and completion queue, beside bare copies of the same blocks to the same buffers.
 */
final class NvmeReads implements Scenario {
    private static final long DISK_BYTES = 64L << 20;
    private static final long RAM_BYTES = 4L << 20;
    private static final int DEPTH = 32;
    private static final int ROUND = 1 << 12;

    @Override
    public void run(boolean quick, Findings findings) throws IOException {
        var rig = new EngineRig();
        DmaPort port = rig.plug();
        GuestRam ram = rig.ram(RAM_BYTES, false);
        rig.ioas().mapAt(NvmeQueueDriver.IOVA, ram, 0, RAM_BYTES, DmaAccess.READ_WRITE);
        Path file = disk();
        var doorbells = Arena.global().allocate(NvmeController.DOORBELLS_BYTES, 4096);
        try (var subsystem = new NvmeSubsystem(new NvmeOptions("BENCH", 1, List.of(NamespaceOptions.parse(file + ",block=4096"))));
                var controller = new NvmeController(subsystem, port, new NoInterrupts(), doorbells)) {
            var driver = new NvmeQueueDriver(controller, doorbells, ram.segment());
            driver.start();
            measure(quick, findings, "rate", () -> driver.run(NvmeQueueDriver.READ, ROUND, DEPTH));
            measure(quick, findings, "single", () -> driver.run(NvmeQueueDriver.READ, ROUND, 1));
            measure(quick, findings, "writes", () -> driver.run(NvmeQueueDriver.WRITE, ROUND, DEPTH));
        }
        try (var channel = FileChannel.open(file, StandardOpenOption.READ)) {
            MemorySegment mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, DISK_BYTES, Arena.global());
            var copies = new BareCopies(mapped, ram.segment());
            measure(quick, findings, "copies", () -> copies.run(ROUND));
        }
        Files.delete(file);
    }

    private static Path disk() throws IOException {
        Path file = Files.createTempFile("bench-nvme", ".disk");
        file.toFile().deleteOnExit();
        var bytes = new byte[1 << 20];
        var random = new Random(5);
        try (var channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            for (long written = 0; written < DISK_BYTES; written += bytes.length) {
                random.nextBytes(bytes);
                channel.write(ByteBuffer.wrap(bytes));
            }
        }
        return file;
    }

    private static void measure(boolean quick, Findings findings, String name, Runnable round) {
        long nanos = quick ? 100_000_000L : 300_000_000L;
        int rounds = quick ? 5 : 15;
        perSecond(round, quick ? 500_000_000L : 2_000_000_000L);   // warm-up
        var rates = new Samples(rounds);
        long before = Samples.allocatedBytes();
        double operations = 0;
        for (int i = 0; i < rounds; i++) {
            double rate = perSecond(round, nanos);
            rates.add(rate);
            operations += rate * nanos / 1e9;
        }
        double allocated = (Samples.allocatedBytes() - before) / operations;
        findings.found(name, rates.median(), allocated, "best %.2f million, worst %.2f; %.1f GB/s".formatted(rates.quantile(1) / 1e6,
                rates.quantile(0) / 1e6, rates.median() * 4096 / 1e9));
    }

    private static double perSecond(Runnable round, long nanos) {
        long start = System.nanoTime();
        long done = 0;
        long elapsed;
        do {
            round.run();
            done += ROUND;
            elapsed = System.nanoTime() - start;
        } while (elapsed < nanos);
        return done * 1e9 / elapsed;
    }

    /** The blocks go the same ways, but nobody asks for them. */
    private record BareCopies(MemorySegment disk, MemorySegment ram, Random random) {
        BareCopies(MemorySegment disk, MemorySegment ram) {
            this(disk, ram, new Random(7));
        }

        void run(int count) {
            for (int i = 0; i < count; i++) {
                long block = (long) random.nextInt((int) (DISK_BYTES / 4096)) * 4096;
                MemorySegment.copy(disk, block, ram, (long) (i % DEPTH) * 4096, 4096);
            }
        }
    }
}
