package devnode.fuse.linux;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * {@code /dev/cpu_dma_latency} (Linux, Documentation/power/pm_qos_interface): how long it may take to wake a processor, as long as the
 * file is open. Of interest only in a virtual machine whose idle processors go back to the hypervisor (cpuidle driver haltpoll): to get one
 * again takes tens of microseconds. Elsewhere the system chooses well by itself, and nothing is done, nor without the rights to.
 */
final class LatencyRequest implements IdleProcessors {
    static final String PATH = "/dev/cpu_dma_latency";
    private static final Path DRIVER = Path.of("/sys/devices/system/cpu/cpuidle/current_driver");
    private static final String GUEST_DRIVER = "haltpoll";
    private static final int NO_SLEEP_MICROS = 0;
    /** What the file says when nobody wants anything. */
    private static final int ANY_MICROS = 2_000_000_000;
    private static final int NONE = -1;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment micros = arena.allocate(JAVA_INT);
    private final int file = sleepIsExpensive() ? Linux.open(PATH, Linux.O_RDWR) : NONE;

    private static boolean sleepIsExpensive() {
        try {
            return Files.readString(DRIVER).strip().equals(GUEST_DRIVER);
        } catch (IOException noCpuidle) {
            return false;
        }
    }

    @Override
    public boolean canStayAwake() {
        return file >= 0;
    }

    @Override
    public void stayAwake() {
        set(NO_SLEEP_MICROS);
    }

    @Override
    public void maySleep() {
        set(ANY_MICROS);
    }

    private void set(int latencyMicros) {
        if (canStayAwake()) {
            micros.set(JAVA_INT, 0, latencyMicros);
            Linux.write(file, micros.address(), Integer.BYTES);
        }
    }

    @Override
    public void close() {
        if (canStayAwake()) {
            Linux.close(file);
        }
        arena.close();
    }
}
