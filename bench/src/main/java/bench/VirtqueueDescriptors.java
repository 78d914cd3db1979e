package bench;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaPort;
import iommufd.api.memory.GuestRam;
import java.lang.foreign.Arena;
import vdpa.device.QueueState;
import vdpa.device.VirtioFeature;
import vmm.devices.virtio.DescriptorChain;
import vmm.devices.virtio.Virtqueue;

/**
 * A virtqueue's both ends on one thread, the device's through the IOMMU: buffers of one descriptor are made available, taken,
 * completed, published with event index and reclaimed. In the last row the device reads 64 bytes of each as well.
 */
final class VirtqueueDescriptors implements Scenario {
    private static final long RAM_BYTES = 4L << 20;
    private static final int DEPTH = 32;
    private static final int ROUND = 1 << 12;
    private static final long FEATURES = VirtioFeature.VERSION_1 | VirtioFeature.EVENT_IDX | VirtioFeature.INDIRECT_DESC;

    private final DescriptorChain chain = new DescriptorChain(Virtqueue.maxChain(VirtqueueDriver.SIZE));

    @Override
    public void run(boolean quick, Findings findings) {
        var rig = new EngineRig();
        DmaPort port = rig.plug();
        GuestRam ram = rig.ram(RAM_BYTES, false);
        rig.ioas().mapAt(VirtqueueDriver.IOVA, ram, 0, RAM_BYTES, DmaAccess.READ_WRITE);
        var line = Arena.global().allocate(VirtqueueDriver.BUFFER_BYTES, 64);
        for (boolean packed : new boolean[] {false, true}) {
            VirtqueueDriver driver = packed ? new PackedRingDriver(ram.segment()) : new SplitRingDriver(ram.segment());
            long features = FEATURES | (packed ? VirtioFeature.RING_PACKED : 0);
            Virtqueue queue = Virtqueue.open(port, driver.layout(), features, packed ? QueueState.PACKED_START : QueueState.SPLIT_START, Arena.global());
            String kind = packed ? "packed" : "split";
            measure(quick, findings, kind, () -> turns(driver, queue, DEPTH));
            measure(quick, findings, kind + "Single", () -> turns(driver, queue, 1));
            measure(quick, findings, kind + "Reads", () -> {
                for (int done = 0; done < ROUND; done += DEPTH) {
                    driver.put(DEPTH);
                    while (queue.next(chain)) {
                        port.read(chain.readable(), line, 0);
                        queue.complete(chain, 0);
                    }
                    finish(driver, queue, DEPTH);
                }
            });
        }
    }

    private void turns(VirtqueueDriver driver, Virtqueue queue, int depth) {
        for (int done = 0; done < ROUND; done += depth) {
            driver.put(depth);
            while (queue.next(chain)) {
                queue.complete(chain, 0);
            }
            finish(driver, queue, depth);
        }
    }

    private static void finish(VirtqueueDriver driver, Virtqueue queue, int expected) {
        queue.publish();
        if (driver.take() != expected || !queue.working()) {
            throw new IllegalStateException("buffers were lost: " + queue.fault().text());
        }
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
        findings.found(name, rates.median(), allocated, "best %.1f million, worst %.1f".formatted(rates.quantile(1) / 1e6, rates.quantile(0) / 1e6));
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
}
