package vmm.devices.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.dma.DmaPort;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.function.BooleanSupplier;
import vdpa.device.QueueSetup;
import vdpa.device.QueueState;
import vdpa.device.VdpaHost;

/** What the adapter gives a running device, without a client. */
public final class TestHost implements VdpaHost {
    private static final long PATIENCE_NANOS = 20_000_000_000L;

    public final QueueBoard board;
    public final List<String> faults = new CopyOnWriteArrayList<>();
    public final AtomicInteger configChanges = new AtomicInteger();
    private final AtomicIntegerArray calls = new AtomicIntegerArray(256);

    public TestHost(QueueBoard board) {
        this.board = board;
    }

    public int calls(int queue) {
        return calls.get(queue);
    }

    @Override
    public DmaPort openPort(int group) {
        return board.endpoint.openPort();
    }

    @Override
    public void call(int queue) {
        calls.incrementAndGet(queue);
    }

    @Override
    public void configChanged() {
        configChanges.incrementAndGet();
    }

    @Override
    public void needsReset(int queue, String reason) {
        faults.add(reason);
    }

    @Override
    public MemorySegment notificationPage(int queue) {
        throw new AssertionError("no device has one");
    }

    /** Where the driver's queue lies. */
    public static QueueSetup setup(RingDriver driver, QueueState state) {
        QueueLayout layout = driver.layout;
        return new QueueSetup(layout.size(), layout.descriptorIova(), layout.driverIova(), layout.deviceIova(), state);
    }

    /** The same, from the start. */
    public static QueueSetup setup(RingDriver driver) {
        return setup(driver, driver instanceof PackedDriver ? QueueState.PACKED_START : QueueState.SPLIT_START);
    }

    public static void await(String what, BooleanSupplier condition) {
        long end = System.nanoTime() + PATIENCE_NANOS;
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as(what).isLessThan(end);
            Thread.onSpinWait();
        }
    }
}
