package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;

import iommu.common.unit.RegisterFile;

/**
 * Global errors (IHI 0070, §7.5) and messages for them: an error is active while its bits in GERROR and GERRORN differ.
 * Thread-safe. Interrupts are handed back, a bit for each line's ordinal, to be raised once no lock is held.
 */
final class GlobalErrors {
    private static final SmmuInterrupts.Line[] LINES = SmmuInterrupts.Line.values();

    private final RegisterFile registers;
    private final SmmuBus bus;
    private final SmmuInterrupts interrupts;

    GlobalErrors(RegisterFile registers, SmmuBus bus, SmmuInterrupts interrupts) {
        this.registers = registers;
        this.bus = bus;
        this.interrupts = interrupts;
    }

    boolean active(int error) {
        return ((registers.get32(GERROR) ^ registers.get32(GERRORN)) & error) != 0;
    }

    /** Makes an error active, unless it is. @return lines to raise */
    synchronized int raise(int error) {
        if (active(error)) {
            return 0;
        }
        registers.put32(GERROR, registers.get32(GERROR) ^ error);
        if ((registers.get32(IRQ_CTRLACK) & IRQ_CTRL_GERROR) == 0) {
            return 0;
        }
        if (!send(GERROR_IRQ_CFG0) && !active(GERROR_MSI_GERROR_ABT_ERR)) {
            registers.put32(GERROR, registers.get32(GERROR) ^ GERROR_MSI_GERROR_ABT_ERR);
        }
        return bit(SmmuInterrupts.Line.GLOBAL_ERROR);
    }

    /** Sends the message that the registers at {@code cfg0} describe, if any. @return false if it was aborted */
    boolean send(int cfg0) {
        return send(registers.get64(cfg0) & IRQ_CFG0_ADDRESS, registers.get32(cfg0 + IRQ_CFG1));
    }

    /** Writes a message. @return false if there is no memory */
    boolean send(long address, int payload) {
        return address == 0 || bus.message(address, payload);
    }

    static int bit(SmmuInterrupts.Line line) {
        return 1 << line.ordinal();
    }

    /** Raises the lines of a mask, after the messages that wait; the caller holds no lock. */
    void signal(int lines) {
        bus.deliver();
        for (int left = lines; left != 0; left &= left - 1) {
            interrupts.raised(LINES[Integer.numberOfTrailingZeros(left)]);
        }
    }
}
