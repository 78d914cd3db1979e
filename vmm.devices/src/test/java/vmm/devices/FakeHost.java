package vmm.devices;

import iommufd.api.Access;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.Pasid;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicIntegerArray;
import vfio.device.DeviceHost;
import vfio.device.Interrupts;

/** What the adapter gives a running device, without a client: ports of a real endpoint, and interrupts that are counted. */
public final class FakeHost implements DeviceHost, Interrupts {
    private static final int BAR_BYTES = 1 << 20;

    private final DmaEndpoint endpoint;
    private final MemorySegment shared = Arena.ofAuto().allocate(BAR_BYTES, 4096);
    private final AtomicIntegerArray messages = new AtomicIntegerArray(2048);
    private volatile boolean line;
    private volatile Mode mode = Mode.MSIX;

    public FakeHost(DmaEndpoint endpoint) {
        this.endpoint = endpoint;
    }

    public int messages(int vector) {
        return messages.get(vector);
    }

    public boolean line() {
        return line;
    }

    public void setMode(Mode chosen) {
        mode = chosen;
    }

    @Override
    public DmaPort openPort() {
        return endpoint.openPort();
    }

    @Override
    public DmaPort openPort(Pasid pasid) {
        return endpoint.openPort(pasid);
    }

    @Override
    public Interrupts interrupts() {
        return this;
    }

    @Override
    public MemorySegment sharedMemory(int bar) {
        return shared;
    }

    @Override
    public Optional<Access> access() {
        return Optional.empty();
    }

    @Override
    public boolean busMaster() {
        return true;
    }

    @Override
    public Mode mode() {
        return mode;
    }

    @Override
    public void message(int vector) {
        messages.incrementAndGet(vector);
    }

    @Override
    public void line(boolean asserted) {
        line = asserted;
    }

    @Override
    public void error() {
        throw new AssertionError("the device gave up");
    }
}
