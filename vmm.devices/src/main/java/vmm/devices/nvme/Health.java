package vmm.devices.nvme;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static vmm.devices.nvme.SubmissionEntry.LE_LONG;
import static vmm.devices.nvme.SubmissionEntry.LE_SHORT;

import java.lang.foreign.MemorySegment;

/** What the SMART / health log tells (NVMe 1.4, §5.14.1.2): counters since the subsystem was made. One thread. */
final class Health {
    static final int LOG_BYTES = 512;
    /** A data unit is a thousand blocks of 512 bytes. */
    private static final long DATA_UNIT_BYTES = 512_000;
    private static final long NANOS_PER_MINUTE = 60_000_000_000L;
    /** Kelvin; a model has no temperature but must report one. */
    static final int TEMPERATURE = 310;
    private static final int FULL = 100;
    private static final int SPARE_THRESHOLD = 10;
    private static final int WARNING_TEMPERATURE = 1 << 1;

    private final long startNanos = System.nanoTime();
    private long readBytes;
    private long writtenBytes;
    private long reads;
    private long writes;
    private long mediaErrors;
    private long busyNanos;
    private long powerCycles;

    void read(long bytes) {
        reads++;
        readBytes += bytes;
    }

    void wrote(long bytes) {
        writes++;
        writtenBytes += bytes;
    }

    void mediaError() {
        mediaErrors++;
    }

    void poweredOn() {
        powerCycles++;
    }

    void busy(long nanos) {
        busyNanos += nanos;
    }

    long reads() {
        return reads;
    }

    long writes() {
        return writes;
    }

    long readBytes() {
        return readBytes;
    }

    long writtenBytes() {
        return writtenBytes;
    }

    /** Bytes read and written. */
    long movedBytes() {
        return readBytes + writtenBytes;
    }

    long mediaErrors() {
        return mediaErrors;
    }

    /** Fills the log page, which is zero. */
    void write(MemorySegment page, boolean tooHot, long loggedErrors) {
        page.set(JAVA_BYTE, 0, (byte) (tooHot ? WARNING_TEMPERATURE : 0));
        page.set(LE_SHORT, 1, (short) TEMPERATURE);
        page.set(JAVA_BYTE, 3, (byte) FULL);
        page.set(JAVA_BYTE, 4, (byte) SPARE_THRESHOLD);
        page.set(LE_LONG, 32, units(readBytes));
        page.set(LE_LONG, 48, units(writtenBytes));
        page.set(LE_LONG, 64, reads);
        page.set(LE_LONG, 80, writes);
        page.set(LE_LONG, 96, busyNanos / NANOS_PER_MINUTE);
        page.set(LE_LONG, 112, powerCycles);
        page.set(LE_LONG, 128, (System.nanoTime() - startNanos) / (60 * NANOS_PER_MINUTE));
        page.set(LE_LONG, 160, mediaErrors);
        page.set(LE_LONG, 176, loggedErrors);
        page.set(LE_SHORT, 200, (short) TEMPERATURE);
    }

    private static long units(long bytes) {
        return (bytes + DATA_UNIT_BYTES - 1) / DATA_UNIT_BYTES;
    }
}
