package vmm.runtime.demo;

import iommufd.api.HardwareSwap.HardwareState;
import iommufd.api.HardwareSwap.SwapReport;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import vmm.runtime.text.Quantity;

/** Step 3: the IOMMU hardware is exchanged, there and back, while both devices work. */
final class SwapUnderLoad implements Step {
    /** Blocks each device must have checked on one hardware before the next exchange. */
    private static final long BLOCKS_BETWEEN = 200;
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    @Override
    public String title() {
        return "The IOMMU is exchanged while the devices work";
    }

    @Override
    public void run(Testbed bed, Screen screen) throws InterruptedException {
        HardwareState home = bed.serving();
        HardwareState away = bed.standby();
        screen.note("%s -> %s -> %s, %s, one vendor's page tables and queues for the other's".formatted(
                home.name(), away.name(), home.name(), Quantity.count(bed.options().roundTrips(), "time")));
        long share = bed.ram().lengthBytes() / Testbed.DEVICES;
        List<Traffic> traffic = new ArrayList<>();
        for (int device = 0; device < Testbed.DEVICES; device++) {
            traffic.add(new Traffic(bed, device, device * share, share));
            bed.devices().get(device).start(traffic.get(device));
        }
        Latencies pauses = new Latencies();
        Latencies prefills = new Latencies();
        int swaps = 2 * bed.options().roundTrips();
        awaitProgress(bed, traffic);
        for (int i = 0; i < swaps; i++) {
            SwapReport report = bed.swap();
            pauses.add(report.pauseNanos());
            prefills.add(report.prefillNanos());
            screen.progress("%d of %d: %s -> %s, DMA waited %s".formatted(i + 1, swaps, report.from(), report.to(), Quantity.time(report.pauseNanos())));
            awaitProgress(bed, traffic);
        }
        bed.stopDevices();
        traffic.forEach(Traffic::compareMemory);

        long blocks = traffic.stream().mapToLong(Traffic::blocks).sum();
        long corrupted = traffic.stream().mapToLong(Traffic::corruptedBytes).sum();
        long failed = traffic.stream().mapToLong(Traffic::failedRequests).sum();
        long longest = traffic.stream().mapToLong(Traffic::longestNanos).max().orElse(0);
        screen.check("Every byte is right on both sides of every exchange", corrupted == 0,
                "%d exchanges, %s checked, %s wrong".formatted(swaps, Quantity.bytes(2.0 * blocks * Traffic.BLOCK_BYTES), Quantity.count(corrupted)));
        screen.check("No DMA request failed", failed == 0, "%s of %s failed".formatted(Quantity.count(failed), Quantity.count(2 * blocks)));
        screen.check("The hardware it began with serves again", bed.serving().name().equals(home.name()), bed.serving().name());
        screen.note("DMA waited: " + pauses);
        screen.note("tables built beforehand, while the other still served: " + prefills);
        screen.note("longest single request a device saw: " + Quantity.time(longest));
    }

    private static void awaitProgress(Testbed bed, List<Traffic> traffic) throws InterruptedException {
        for (int device = 0; device < Testbed.DEVICES; device++) {
            Traffic work = traffic.get(device);
            EmulatedDevice worker = bed.devices().get(device);
            long target = work.blocks() + BLOCKS_BETWEEN;
            if (!Waiting.until(() -> work.blocks() >= target || !worker.working(), PATIENCE) || work.blocks() < target) {
                throw new StepFailed("device %s moved no more blocks for %s, served by %s"
                        .formatted(worker.requesterId(), Quantity.time(PATIENCE.toNanos()), bed.serving().name()));
            }
        }
    }
}
