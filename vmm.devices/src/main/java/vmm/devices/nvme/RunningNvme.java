package vmm.devices.nvme;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import vfio.device.DeviceHost;
import vfio.device.Interrupts;
import vfio.device.RunningDevice;

/** The controller in its PCI shell, in the hands of a client. */
final class RunningNvme implements RunningDevice {
    private final boolean polls;
    private final NvmeController controller;
    private final NvmeWorker worker;
    private final Runnable onClose;

    /** @param polls whether doorbells are in the shared memory of the BAR. @param onClose runs once when it is closed */
    RunningNvme(NvmeSubsystem subsystem, DeviceHost host, int vectors, boolean polls, Runnable onClose) {
        this.polls = polls;
        this.onClose = onClose;
        MemorySegment doorbells = polls
                ? host.sharedMemory(NvmeDevice.REGISTERS_BAR).asSlice(NvmeController.DOORBELLS_OFFSET, NvmeController.DOORBELLS_BYTES)
                : Arena.ofAuto().allocate(NvmeController.DOORBELLS_BYTES, Integer.BYTES);
        controller = new NvmeController(subsystem, host.openPort(), new Lines(host.interrupts(), vectors), doorbells);
        worker = new NvmeWorker(controller, "nvme-" + subsystem.options().serial(), polls);
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
        controller.reset();
    }

    @Override
    public void close() {
        worker.close();
        controller.close();
        onClose.run();
    }

    @Override
    public String toString() {
        return controller + (polls ? ", doorbells polled" : ", doorbells trapped");
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
