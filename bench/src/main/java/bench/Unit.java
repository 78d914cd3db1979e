package bench;

/** What a row's numbers mean, and whether more of it is better. */
enum Unit {
    NANOS("ns", 1, false),
    MICROS("µs", 1e3, false),
    MILLIS("ms", 1e6, false),
    /** Share of the yardstick's speed. */
    PERCENT("%", 1, true),
    /** How many times as much work. */
    SPEEDUP("×", 1, true),
    /** How many times as long. */
    SLOWDOWN("×", 1, false),
    PER_SECOND("/s", 1, true),
    BYTES("B", 1, false);

    private final String symbol;
    private final double nanos;
    private final boolean moreIsBetter;

    Unit(String symbol, double nanos, boolean moreIsBetter) {
        this.symbol = symbol;
        this.nanos = nanos;
        this.moreIsBetter = moreIsBetter;
    }

    double ofNanos(double value) {
        return value / nanos;
    }

    boolean reaches(double value, double goal) {
        return moreIsBetter ? value >= goal : value <= goal;
    }

    String text(double value) {
        String digits = Double.isNaN(value) ? "-"
                : value == Math.rint(value) && Math.abs(value) < 1e6 ? "%.0f".formatted(value)
                : Math.abs(value) < 10 ? "%.2f".formatted(value)
                : Math.abs(value) < 100 ? "%.1f".formatted(value)
                : "%.0f".formatted(value);
        return digits + " " + symbol;
    }
}
