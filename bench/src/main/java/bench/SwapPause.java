package bench;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaPort;
import iommufd.api.memory.GuestRam;

/** Planned exchange of the IOMMU under two devices that write without a pause: how long their DMA waits. */
final class SwapPause implements Scenario {
    private static final long GIB = 1L << 30;
    private static final long IOVA = 1L << 40;

    @Override
    public void run(boolean quick, Findings findings) throws InterruptedException {
        int swaps = quick ? 40 : 300;
        Samples small = swap(GIB, swaps);
        Samples large = swap(64 * GIB, swaps);
        findings.found("p99", large.quantile(0.99) / 1e6, 0, "64 GiB mapped: p50 %.3f ms, longest %.3f ms; 1 GiB: p50 %.3f ms, p99 %.3f ms"
                .formatted(large.median() / 1e6, large.quantile(1) / 1e6, small.median() / 1e6, small.quantile(0.99) / 1e6));
        findings.found("growth", large.median() / small.median(), 0, "medians of %d swaps each".formatted(swaps));
    }

    private static Samples swap(long mappedBytes, int swaps) throws InterruptedException {
        var rig = new EngineRig();
        DmaPort[] ports = {rig.plug(), rig.plug()};
        GuestRam ram = rig.ram(mappedBytes, true);
        rig.ioas().mapAt(IOVA, ram, 0, mappedBytes, DmaAccess.READ_WRITE);
        var devices = new DmaThread[ports.length];
        for (int i = 0; i < ports.length; i++) {
            devices[i] = new DmaThread(ports[i]::write, IOVA + i * (mappedBytes / 2), 4096);
            devices[i].start();
        }
        var pauses = new Samples(swaps);
        String from = EngineRig.SERVING;
        String to = EngineRig.STANDBY;
        for (int i = -10; i < swaps; i++) {
            long pauseNanos = rig.hardware().swap(from, to).pauseNanos();
            if (i >= 0) {
                pauses.add(pauseNanos);
            }
            String serving = to;
            to = from;
            from = serving;
            long[] writes = {devices[0].writes(), devices[1].writes()};
            while (devices[0].writes() == writes[0] || devices[1].writes() == writes[1]) {
                Thread.onSpinWait(); // both go on before the next swap
            }
        }
        for (DmaThread device : devices) {
            device.stop();
        }
        return pauses;
    }
}
