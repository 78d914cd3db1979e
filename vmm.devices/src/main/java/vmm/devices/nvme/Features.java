package vmm.devices.nvme;

import java.util.Arrays;

/** Features: what Get and Set Features read and change (NVMe 1.4, §5.21.1). Nothing is saved over a reset. One thread. */
final class Features {
    static final int ARBITRATION = 0x01;
    static final int POWER = 0x02;
    static final int TEMPERATURE_THRESHOLD = 0x04;
    static final int ERROR_RECOVERY = 0x05;
    static final int WRITE_CACHE = 0x06;
    static final int QUEUE_COUNT = 0x07;
    static final int COALESCING = 0x08;
    static final int VECTOR = 0x09;
    static final int WRITE_ATOMICITY = 0x0a;
    static final int EVENTS = 0x0b;
    static final int TIMESTAMP = 0x0e;

    /** Capabilities of a feature: it can be changed; it is one of each namespace. */
    static final int CHANGEABLE = 1 << 2;
    static final int PER_NAMESPACE = 1 << 1;

    private static final int NO_BURST_LIMIT = 7;
    private static final int DEFAULT_THRESHOLD = 343;
    private static final int COALESCING_DISABLED = 1 << 16;
    private static final int THRESHOLD_OF_SENSOR = 0xf << 16;
    private static final int THRESHOLD_UNDER = 1 << 20;
    private static final int DEALLOCATED_IS_ERROR = 1 << 16;
    private static final int EVENT_TEMPERATURE = 1 << 1;
    private static final int EVENT_NAMESPACES = 1 << 8;
    private static final int ORIGIN_HOST = 1 << 1;
    private static final long TIMESTAMP_MASK = (1L << 48) - 1;

    private final int[] errorRecovery;
    private final int[] vectors;
    private int arbitration;
    private int power;
    private int overThreshold;
    private int underThreshold;
    private boolean writeCache;
    private int coalescing;
    private int writeAtomicity;
    private int events;
    private long timestampMillis;
    private long timestampSetNanos;
    private boolean timestampSet;

    Features(int namespaces, int vectors) {
        errorRecovery = new int[namespaces];
        this.vectors = new int[vectors];
        reset();
    }

    /** All defaults. */
    void reset() {
        arbitration = NO_BURST_LIMIT;
        power = 0;
        overThreshold = DEFAULT_THRESHOLD;
        underThreshold = 0;
        writeCache = true;
        coalescing = 0;
        writeAtomicity = 0;
        events = 0;
        timestampSet = false;
        timestampSetNanos = System.nanoTime();
        timestampMillis = 0;
        Arrays.fill(errorRecovery, 0);
        for (int vector = 0; vector < vectors.length; vector++) {
            vectors[vector] = vector;
        }
        vectors[0] = COALESCING_DISABLED;   // the admin queue's is never coalesced
    }

    void save(SavedState state) {
        state.put(errorRecovery, errorRecovery.length).put(vectors, vectors.length).put(arbitration).put(power).put(overThreshold)
                .put(underThreshold).put(writeCache).put(coalescing).put(writeAtomicity).put(events).put(timestampSet).put(timestamp());
    }

    /** The clock goes on from what it was when it was saved. */
    void restore(SavedState state) {
        state.fill(errorRecovery);
        state.fill(vectors);
        arbitration = state.number();
        power = state.number();
        overThreshold = state.number("a temperature", 0, 0xffff);
        underThreshold = state.number("a temperature", 0, 0xffff);
        writeCache = state.flag("the write cache");
        coalescing = state.number();
        writeAtomicity = state.number("write atomicity", 0, 1);
        events = state.number();
        boolean set = state.flag("the clock's origin");
        setTimestamp(state.word());
        timestampSet = set;
    }

    /** Capabilities; 0 if there is no such feature. */
    static int capabilities(int feature) {
        return switch (feature) {
            case ARBITRATION, POWER, TEMPERATURE_THRESHOLD, WRITE_CACHE, QUEUE_COUNT, COALESCING, VECTOR, WRITE_ATOMICITY, EVENTS, TIMESTAMP -> CHANGEABLE;
            case ERROR_RECOVERY -> CHANGEABLE | PER_NAMESPACE;
            default -> 0;
        };
    }

    boolean writeCache() {
        return writeCache;
    }

    /** Whether the temperature is over or under its thresholds. */
    boolean tooHot() {
        return Health.TEMPERATURE >= overThreshold || Health.TEMPERATURE <= underThreshold;
    }

    /** Whether the host wants to hear of the temperature. */
    boolean temperatureEvents() {
        return (events & EVENT_TEMPERATURE) != 0;
    }

    /** Whether the host wants to hear of namespaces that changed. */
    boolean namespaceEvents() {
        return (events & EVENT_NAMESPACES) != 0;
    }

    /**
     * Value of a feature other than {@link #QUEUE_COUNT} and {@link #TIMESTAMP}.
     *
     * @param word command word 11
     * @return unsigned, or a status, negated, if the selector in {@code word} is wrong
     */
    long value(int feature, int word, int namespaceId) {
        int value = switch (feature) {
            case ARBITRATION -> arbitration;
            case POWER -> power;
            case TEMPERATURE_THRESHOLD -> (word & THRESHOLD_UNDER) == 0 ? overThreshold : underThreshold;
            case ERROR_RECOVERY -> errorRecovery[namespaceId - 1];
            case WRITE_CACHE -> writeCache ? 1 : 0;
            case COALESCING -> coalescing;
            case VECTOR -> (word & 0xffff) < vectors.length ? vectors[word & 0xffff] : -1;
            case WRITE_ATOMICITY -> writeAtomicity;
            default -> events;
        };
        if (feature == VECTOR && value == -1 || feature == TEMPERATURE_THRESHOLD && !knownThreshold(word)) {
            return -NvmeStatus.INVALID_FIELD;
        }
        return Integer.toUnsignedLong(value);
    }

    /** The default of such a feature. */
    long defaultValue(int feature, int word) {
        return switch (feature) {
            case ARBITRATION -> NO_BURST_LIMIT;
            case TEMPERATURE_THRESHOLD -> (word & THRESHOLD_UNDER) == 0 ? DEFAULT_THRESHOLD : 0;
            case WRITE_CACHE -> 1;
            case VECTOR -> (word & 0xffff) >= vectors.length ? -NvmeStatus.INVALID_FIELD
                    : (word & 0xffff) == 0 ? COALESCING_DISABLED : word & 0xffff;
            default -> 0;
        };
    }

    /** Changes such a feature. @return status */
    int change(int feature, int word, int namespaceId) {
        switch (feature) {
            case ARBITRATION -> arbitration = word & 0xffff_ff07;
            case POWER -> {
                if ((word & 0x1f) != 0) {   // there is one state
                    return NvmeStatus.INVALID_FIELD;
                }
                power = word & 0xe0;
            }
            case TEMPERATURE_THRESHOLD -> {
                if (!knownThreshold(word)) {
                    return NvmeStatus.INVALID_FIELD;
                }
                if ((word & THRESHOLD_UNDER) == 0) {
                    overThreshold = word & 0xffff;
                } else {
                    underThreshold = word & 0xffff;
                }
            }
            case ERROR_RECOVERY -> {
                if ((word & DEALLOCATED_IS_ERROR) != 0) {
                    return NvmeStatus.INVALID_FIELD;
                }
                for (int i = 0; i < errorRecovery.length; i++) {
                    if (namespaceId == NamespaceSet.ALL || namespaceId == i + 1) {
                        errorRecovery[i] = word & 0xffff;
                    }
                }
            }
            case WRITE_CACHE -> writeCache = (word & 1) != 0;
            case COALESCING -> coalescing = word & 0xffff;
            case VECTOR -> {
                int vector = word & 0xffff;
                if (vector >= vectors.length) {
                    return NvmeStatus.INVALID_FIELD;
                }
                vectors[vector] = vector | (vector == 0 ? COALESCING_DISABLED : word & COALESCING_DISABLED);
            }
            case WRITE_ATOMICITY -> writeAtomicity = word & 1;
            default -> events = word & (EVENT_NAMESPACES | 0xff);
        }
        return NvmeStatus.SUCCESS;
    }

    /** The composite temperature is sensor 0; 15 means all, when setting. */
    private static boolean knownThreshold(int word) {
        int sensor = word & THRESHOLD_OF_SENSOR;
        return (sensor == 0 || sensor == 1 << 16 || sensor == THRESHOLD_OF_SENSOR) && (word >>> 20 & 3) <= 1;
    }

    /** The host's clock: milliseconds since 1970. */
    void setTimestamp(long millis) {
        timestampMillis = millis & TIMESTAMP_MASK;
        timestampSetNanos = System.nanoTime();
        timestampSet = true;
    }

    /** The clock now, in the format of the feature (figure 288). */
    long timestamp() {
        long now = timestampMillis + (System.nanoTime() - timestampSetNanos) / 1_000_000;
        return now & TIMESTAMP_MASK | (timestampSet ? (long) ORIGIN_HOST << 48 : 0);
    }
}
