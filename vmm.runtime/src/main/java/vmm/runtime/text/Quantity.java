package vmm.runtime.text;

import java.util.Locale;

/** Numbers as people read them: three significant digits and a unit that suits. */
public final class Quantity {
    private static final String[] BYTE_UNITS = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    private static final String[] TIME_UNITS = {"ns", "us", "ms", "s"};

    private Quantity() {}

    /** Such as {@code 256 MiB}. */
    public static String bytes(double bytes) {
        return scaled(bytes, 1024, BYTE_UNITS);
    }

    /** Such as {@code 1.25 ms}. */
    public static String time(double nanos) {
        return scaled(nanos, 1000, TIME_UNITS);
    }

    /** Such as {@code 3.1 GiB/s}. */
    public static String rate(double bytes, double nanos) {
        return nanos <= 0 ? "-" : bytes(bytes * 1e9 / nanos) + "/s";
    }

    /** Such as {@code 1,048,576}. */
    public static String count(long count) {
        return String.format(Locale.ROOT, "%,d", count);
    }

    /** {@code 1 page}, {@code 2 pages}. */
    public static String count(long count, String noun) {
        return count(count) + " " + noun + (count == 1 ? "" : "s");
    }

    private static String scaled(double value, int step, String[] units) {
        int unit = 0;
        while (value >= step && unit < units.length - 1) {
            value /= step;
            unit++;
        }
        return number(value) + " " + units[unit];
    }

    private static String number(double value) {
        if (value == Math.rint(value) || value >= 100) {
            return String.format(Locale.ROOT, "%.0f", value);
        }
        return String.format(Locale.ROOT, value >= 10 ? "%.1f" : "%.2f", value);
    }
}
