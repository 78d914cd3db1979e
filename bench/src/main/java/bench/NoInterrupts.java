package bench;

import vmm.devices.nvme.NvmeInterrupts;

/** The driver polls. */
final class NoInterrupts implements NvmeInterrupts {
    @Override
    public int vectors() {
        return 2;
    }

    @Override
    public boolean pinBased() {
        return false;
    }

    @Override
    public void message(int vector) {}

    @Override
    public void pin(boolean asserted) {}
}
