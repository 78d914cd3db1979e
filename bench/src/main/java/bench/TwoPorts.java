package bench;

/** Two devices write at once, against one alone. */
final class TwoPorts implements Scenario {
    private static final long WRITE_BYTES = 4096;

    @Override
    public void run(boolean quick, Findings findings) throws InterruptedException {
        var rig = new Rig();
        var devices = new DmaThread[] {DmaThread.on(rig, 0, WRITE_BYTES), DmaThread.on(rig, 1, WRITE_BYTES)};
        int rounds = quick ? 5 : 15;
        int millis = quick ? 100 : 300;
        var speedups = new Samples(rounds);
        var singles = new Samples(rounds);
        double allocated = 0;
        writesPerMilli(1000, devices); // warm-up
        for (int round = 0; round < rounds; round++) {
            double alone = writesPerMilli(millis, devices[round & 1]);
            double together = writesPerMilli(millis, devices);
            singles.add(alone);
            speedups.add(together / alone);
            allocated = Math.max(allocated, lastAllocated);
        }
        findings.found("speedup", speedups.median(), allocated, "best %s; one alone %.1f million writes of 4 KiB per second".formatted(
                Unit.SPEEDUP.text(speedups.quantile(1)), singles.median() / 1e3));
    }

    private double lastAllocated;

    private double writesPerMilli(int millis, DmaThread... running) throws InterruptedException {
        for (DmaThread device : running) {
            device.start();
        }
        long before = writes(running);
        long start = System.nanoTime();
        Thread.sleep(millis);
        double perMilli = (writes(running) - before) * 1e6 / (System.nanoTime() - start);
        lastAllocated = 0;
        for (DmaThread device : running) {
            lastAllocated = Math.max(lastAllocated, device.stop());
        }
        return perMilli;
    }

    private static long writes(DmaThread... running) {
        long sum = 0;
        for (DmaThread device : running) {
            sum += device.writes();
        }
        return sum;
    }
}
