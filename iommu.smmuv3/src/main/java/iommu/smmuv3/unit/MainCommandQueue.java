package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuCommand.*;
import static iommu.smmuv3.format.SmmuRegister.*;

import iommu.common.unit.RegisterFile;

/** The command queue of the registers (IHI 0070, §6.3.26 to §6.3.28 and §7.1). */
final class MainCommandQueue extends CommandQueue {
    private final SmmuUnit unit;
    private final RegisterFile registers;
    private final GlobalErrors errors;

    MainCommandQueue(SmmuUnit unit, CommandExecutor executor) {
        super(unit, executor);
        this.unit = unit;
        registers = unit.registers();
        errors = unit.errors();
    }

    @Override
    boolean runs() {
        return (registers.get32(CR0ACK) & CR0_CMDQEN) != 0 && !errors.active(GERROR_CMDQ_ERR);
    }

    @Override
    long base() {
        return registers.get64(CMDQ_BASE);
    }

    @Override
    int largestLg2() {
        return unit.features().queueEntriesLg2();
    }

    @Override
    int producer() {
        return registers.get32(CMDQ_PROD);
    }

    @Override
    int consumer() {
        return registers.get32(CMDQ_CONS);
    }

    @Override
    void consumed(int consumer) {
        registers.put32(CMDQ_CONS, consumer);
    }

    @Override
    int failed(int consumer, int code) {
        registers.put32(CMDQ_CONS, consumer | code << CMDQ_CONS_ERR_SHIFT);
        return errors.raise(GERROR_CMDQ_ERR);
    }

    @Override
    boolean admit(long[] command) {
        return true;
    }

    @Override
    int completed(long word0, long word1) {
        int lines = GlobalErrors.bit(SmmuInterrupts.Line.COMMAND_SYNC);
        boolean messages = unit.features().has(SmmuFeature.MSI);
        if (messages && !errors.send(word1 & MSI_ADDRESS, (int) (word0 >>> MSI_DATA_SHIFT))) {
            lines |= errors.raise(GERROR_MSI_CMDQ_ABT_ERR);
        }
        return lines;
    }
}
