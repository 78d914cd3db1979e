package iommu.vtd.unit;

import iommu.common.unit.RegisterFile;
import iommu.vtd.format.Registers;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A message-signaled event and its registers: control, data, address, upper address, one after the other (§7.3, §6.5.2.10).
 * Guarded by the unit's lock, except {@link #sendDue}.
 */
final class EventInterrupt {
    private static final int DATA = 4;
    private static final int ADDRESS = 8;
    private static final int UPPER_ADDRESS = 12;

    private final RegisterFile registers;
    private final int control;
    private final AtomicBoolean due = new AtomicBoolean();

    private EventInterrupt(RegisterFile registers, int control, boolean present) {
        this.registers = registers;
        this.control = control;
        if (present) {
            registers.define32(control, Registers.EVENT_MASKED, Registers.EVENT_MASKED, 0);
            registers.define32(control + DATA, 0, 0xFFFF, 0);
            registers.define32(control + ADDRESS, 0, ~3, 0);
            registers.define32(control + UPPER_ADDRESS, 0, -1, 0);
        }
    }

    EventInterrupt(RegisterFile registers, int control) {
        this(registers, control, true);
    }

    /** Of a feature that the unit lacks: there are no registers, and it is never raised. */
    static EventInterrupt absent(RegisterFile registers, int control) {
        return new EventInterrupt(registers, control, false);
    }

    /** The unit was reset. */
    void reset() {
        due.set(false);
    }

    /** A new condition arose while none was pending. */
    void raise() {
        registers.put32(control, registers.get32(control) | Registers.EVENT_PENDING);
        sendIfUnmasked();
    }

    /** Software changed the mask. */
    void maskChanged() {
        sendIfUnmasked();
    }

    /** Software serviced every condition. */
    void serviced() {
        registers.put32(control, registers.get32(control) & ~Registers.EVENT_PENDING);
    }

    private void sendIfUnmasked() {
        int value = registers.get32(control);
        if ((value & Registers.EVENT_PENDING) != 0 && (value & Registers.EVENT_MASKED) == 0) {
            registers.put32(control, value & ~Registers.EVENT_PENDING);
            due.set(true);
        }
    }

    /** Sends the message if one is due; without the unit's lock. */
    void sendDue(MessageSink messages) {
        if (due.get() && due.getAndSet(false)) {
            messages.message((long) registers.get32(control + UPPER_ADDRESS) << 32
                    | Integer.toUnsignedLong(registers.get32(control + ADDRESS)), registers.get32(control + DATA));
        }
    }
}
