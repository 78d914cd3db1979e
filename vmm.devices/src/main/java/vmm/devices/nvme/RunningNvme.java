package vmm.devices.nvme;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import vfio.device.DeviceHost;
import vfio.device.Interrupts;
import vfio.device.Migration;
import vfio.device.RunningDevice;

/** The controller in its PCI shell, in the hands of a client. */
final class RunningNvme implements RunningDevice {
    private final NvmeController controller;
    private final BarAccess access;
    private final Optional<PolledRegisters> polled;
    private final NvmeWorker worker;
    private final Runnable onClose;

    /** @param onClose runs once when it is closed */
    RunningNvme(NvmeSubsystem subsystem, DeviceHost host, int vectors, BarAccess access, Runnable onClose) {
        this.access = access;
        this.onClose = onClose;
        MemorySegment bar = access == BarAccess.TRAPPED ? Arena.ofAuto().allocate(NvmeController.BAR_BYTES, Long.BYTES)
                : host.sharedMemory(NvmeDevice.REGISTERS_BAR);
        MemorySegment doorbells = bar.asSlice(NvmeController.DOORBELLS_OFFSET, NvmeController.DOORBELLS_BYTES);
        controller = new NvmeController(subsystem, host.openPort(), new Lines(host.interrupts(), vectors), doorbells);
        polled = access == BarAccess.ALL_POLLED ? Optional.of(new PolledRegisters(bar, controller)) : Optional.empty();
        worker = new NvmeWorker(controller, "nvme-" + subsystem.options().serial(), access,
                polled.isPresent() ? polled.get()::turn : controller::doWork);
    }

    @Override
    public long read(int bar, long offset, int widthBytes) {
        return offset < NvmeController.BAR_BYTES ? controller.read(offset, widthBytes) : 0;   // MSI-X: nothing is pending
    }

    @Override
    public void write(int bar, long offset, int widthBytes, long value) {
        if (offset < NvmeController.DOORBELLS_OFFSET) {
            controller.write(offset, widthBytes, value);
        } else if (offset < NvmeController.BAR_BYTES && controller.ring(offset, widthBytes, value)) {
            worker.rung();
        }
    }

    @Override
    public void sharedWritten(int bar, long offset, int lengthBytes) {
        worker.signal();
    }

    @Override
    public void busMasterChanged(boolean enabled) {
        if (enabled) {
            worker.signal();
        }
    }

    @Override
    public void reset() {
        polled.ifPresentOrElse(PolledRegisters::reset, controller::reset);
    }

    @Override
    public Optional<Migration> migration() {
        return Optional.of(new NvmeMigration(this));
    }

    void setActivity(Migration.Activity activity) {
        controller.suspend(activity != Migration.Activity.RUNNING);
        worker.signal();
    }

    void flush() {
        controller.flush();
    }

    /** What clients wrote to registers that they map counts, although nobody has looked at it yet. */
    byte[] save() {
        polled.ifPresent(PolledRegisters::takeWritten);
        return controller.save();
    }

    void restore(byte[] state) {
        try {
            controller.restore(state);
        } finally {
            polled.ifPresent(PolledRegisters::showRestored);
        }
    }

    @Override
    public void close() {
        worker.close();
        controller.close();
        onClose.run();
    }

    @Override
    public String toString() {
        return "%s, doorbells: %s".formatted(controller, access);
    }

    /** The function's interrupts as the controller knows them. */
    private record Lines(Interrupts interrupts, int vectors) implements NvmeInterrupts {
        @Override
        public boolean pinBased() {
            return interrupts.mode() == Interrupts.Mode.INTX;
        }

        @Override
        public void message(int vector) {
            interrupts.message(vector);
        }

        @Override
        public void pin(boolean asserted) {
            interrupts.line(asserted);
        }
    }
}
