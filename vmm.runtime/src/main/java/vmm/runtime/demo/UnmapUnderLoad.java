package vmm.runtime.demo;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaPort;
import iommufd.api.memory.GuestRam;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.function.ToLongFunction;
import java.util.stream.Stream;
import vmm.runtime.text.Quantity;

/** Step 5: memory is unmapped while both devices write to it. Once the call has returned no byte may land there. */
final class UnmapUnderLoad implements Step {
    private static final int ROUNDS = 30;
    private static final int RAM_BYTES = 4 << 20;
    private static final int BLOCK_BYTES = 4096;
    /** Requests each device must have sent before, and had refused after, every unmap. */
    private static final long REQUESTS = 100;
    private static final byte CANARY = 0x5A;
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    @Override
    public String title() {
        return "After an unmap no byte lands";
    }

    @Override
    public void run(Testbed bed, Screen screen) throws InterruptedException {
        try (GuestRam victim = bed.services().memory().allocateGuestRam(RAM_BYTES, true)) {
            List<Hammer> hammers = Stream.generate(Hammer::new).limit(Testbed.DEVICES).toList();
            map(bed, victim);
            for (int device = 0; device < Testbed.DEVICES; device++) {
                bed.devices().get(device).start(hammers.get(device));
            }
            bed.onBoth(hardware -> unmapAgainAndAgain(hardware, bed, victim, hammers, screen));
            bed.stopDevices();
            bed.ioas().unmap(Testbed.SPARE_IOVA, RAM_BYTES);
        }
    }

    private static void unmapAgainAndAgain(String hardware, Testbed bed, GuestRam victim, List<Hammer> hammers, Screen screen)
            throws InterruptedException {
        Latencies unmaps = new Latencies();
        long landed = 0;
        long refusedBefore = refused(hammers);
        for (int round = 0; round < ROUNDS; round++) {
            screen.progress("%s, round %d of %d".formatted(hardware, round + 1, ROUNDS));
            awaitMore(hammers, hammer -> hammer.arrived, "moved data before the unmap");
            long began = System.nanoTime();
            bed.ioas().unmap(Testbed.SPARE_IOVA, RAM_BYTES);
            unmaps.add(System.nanoTime() - began);
            victim.segment().fill(CANARY);
            awaitMore(hammers, hammer -> hammer.refused, "was refused after the unmap");
            landed += foreignBytes(victim.segment());
            map(bed, victim);
        }
        screen.check(hardware + ": no byte lands once the unmap has returned", landed == 0, "%d rounds of %s, %s landed, %s refused".formatted(
                ROUNDS, Quantity.bytes(RAM_BYTES), Quantity.count(landed), Quantity.count(refused(hammers) - refusedBefore, "request")));
        screen.note("   unmap of %s with both devices writing to it: %s".formatted(Quantity.bytes(RAM_BYTES), unmaps));
    }

    private static long refused(List<Hammer> hammers) {
        return hammers.stream().mapToLong(hammer -> hammer.refused).sum();
    }

    private static void map(Testbed bed, GuestRam victim) {
        bed.ioas().mapAt(Testbed.SPARE_IOVA, victim, 0, RAM_BYTES, DmaAccess.READ_WRITE);
    }

    private static void awaitMore(List<Hammer> hammers, ToLongFunction<Hammer> counter, String what) throws InterruptedException {
        for (Hammer hammer : hammers) {
            long target = counter.applyAsLong(hammer) + REQUESTS;
            if (!Waiting.until(() -> counter.applyAsLong(hammer) >= target, PATIENCE)) {
                throw new StepFailed("a device that writes without pause never " + what);
            }
        }
    }

    private static long foreignBytes(MemorySegment memory) {
        long foreign = 0;
        for (byte found : memory.toArray(JAVA_BYTE)) {
            if (found != CANARY) {
                foreign++;
            }
        }
        return foreign;
    }

    /** Writes block after block, whether they arrive or not. Its counters may be read by any thread. */
    private static final class Hammer implements EmulatedDevice.Engine {
        private final MemorySegment block = Arena.ofAuto().allocate(BLOCK_BYTES);
        private int next;
        volatile long arrived;
        volatile long refused;

        @Override
        @SuppressWarnings("NonAtomicOperationOnVolatileField")   // one thread writes
        public boolean doWork(DmaPort port) {
            next = (next + BLOCK_BYTES) & RAM_BYTES - 1;
            switch (port.write(Testbed.SPARE_IOVA + next, block, 0, BLOCK_BYTES)) {
                case DONE -> arrived++;
                case FAULTED -> refused++;
                case ABORTED, CLOSED -> throw new StepFailed("a write was aborted: " + port.lastFault());
            }
            return true;
        }
    }
}
