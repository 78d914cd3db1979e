package vmm.devices.ioat;

import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import vfio.device.Interrupts;

/**
 * The channel: it looks at the registers that a driver writes into shared memory, and works off the chain. One thread.
 *
 * <p>Hardware is told of every write; who looks at memory sees only that a value has changed, and a moment later. So the command and
 * the doorbell go back to 0 before the status says that a command was carried out, and the next write is a change again. Three things
 * are different from the hardware:
 * <ul>
 * <li>a channel that was reset is ARMED at once, not HALTED until it has a chain address: drivers write the address and look at
 *     the status within nanoseconds;
 * <li>a channel that was suspended begins anew at the chain address; RESUME is no command;
 * <li>a status may be the old one for a moment after the doorbell. Linux's {@code selftests/vfio} has no patience with that.
 * </ul>
 */
final class IoatChannel {
    /** Longest transfer: log2 of bytes. */
    static final int TRANSFER_LG2 = 15;
    private static final int VERSION_3_3 = 0x33;
    private static final int COUNT_MASK = 0xFFFF;
    private static final int BATCH = 32;
    private static final int BUFFER_BYTES = 1 << TRANSFER_LG2;
    /** What {@link #IoatChannel} needs. */
    static final int SCRATCH_BYTES = TransferDescriptor.BYTES + Long.BYTES + Long.BYTES + BUFFER_BYTES;

    private final ChannelRegisters registers;
    private final DmaPort port;
    private final Interrupts interrupts;
    private final MemorySegment descriptor;
    private final MemorySegment status;
    private final MemorySegment buffer;

    private int state;
    /** Of the descriptors that the doorbell counts, those done. */
    private int done;
    private long next;
    private long lastDone;
    /** Whether the next descriptor is the one at the chain address. */
    private boolean atStart;
    private boolean failed;

    /** @param scratch {@link #SCRATCH_BYTES}, aligned to 64 bytes */
    IoatChannel(ChannelRegisters registers, DmaPort port, Interrupts interrupts, MemorySegment scratch) {
        this.registers = registers;
        this.port = port;
        this.interrupts = interrupts;
        descriptor = scratch.asSlice(0, TransferDescriptor.BYTES);
        status = scratch.asSlice(TransferDescriptor.BYTES, Long.BYTES);
        buffer = scratch.asSlice(TransferDescriptor.BYTES + 2 * Long.BYTES, BUFFER_BYTES);
        powerOn();
    }

    /** The state of a function that was reset. */
    void powerOn() {
        registers.clear();
        registers.writeByte(IoatRegister.CHANNEL_COUNT, 1);
        registers.writeByte(IoatRegister.TRANSFER_CAPABILITY, TRANSFER_LG2);
        registers.writeByte(IoatRegister.VERSION, VERSION_3_3);
        registers.writeInt(IoatRegister.CAPABILITY, IoatRegister.CAPABILITY_FILL);
        restart(IoatRegister.STATE_ARMED);
    }

    private void restart(int newState) {
        failed = false;
        done = 0;
        lastDone = 0;
        atStart = true;
        registers.writeShort(IoatRegister.COUNT, 0);
        enter(newState);
    }

    private void enter(int newState) {
        state = newState;
        registers.writeLong(IoatRegister.STATUS, lastDone | newState);
    }

    /** Does what there is to do. @return whether there was anything */
    boolean step() {
        int command = registers.readByte(IoatRegister.COMMAND);
        if (command != 0) {
            obey(command);
            return true;
        }
        int pending = registers.readShort(IoatRegister.COUNT) - done & COUNT_MASK;
        if (pending == 0 || failed) {
            return false;
        }
        if (atStart) {
            next = registers.readLong(IoatRegister.CHAIN_ADDRESS);   // written before the doorbell
            atStart = false;
        }
        if (state != IoatRegister.STATE_ACTIVE) {
            enter(IoatRegister.STATE_ACTIVE);
        }
        work(Math.min(pending, BATCH), pending);
        return true;
    }

    private void obey(int command) {
        switch (command) {
            case IoatRegister.COMMAND_RESET -> {
                registers.writeInt(IoatRegister.ERROR, 0);
                restart(IoatRegister.STATE_ARMED);
            }
            case IoatRegister.COMMAND_SUSPEND -> {
                if (!failed) {
                    restart(IoatRegister.STATE_SUSPENDED);
                }
            }
            default -> fail(IoatRegister.ERROR_COMMAND);
        }
        registers.writeByte(IoatRegister.COMMAND, 0);
    }

    private void work(int batch, int pending) {
        for (int i = 0; i < batch; i++) {
            int error = transfer(i + 1 == pending);
            if (error != 0) {
                fail(error);
                return;
            }
        }
        if (batch == pending) {
            enter(IoatRegister.STATE_IDLE);
        } else {
            registers.writeLong(IoatRegister.STATUS, lastDone | IoatRegister.STATE_ACTIVE);
        }
    }

    /** Carries out one descriptor. @return bits of CHANERR, 0 if it is done */
    private int transfer(boolean lastOfAll) {
        if (port.read(next, descriptor, 0, TransferDescriptor.BYTES) != DmaStatus.DONE) {
            return IoatRegister.ERROR_DESCRIPTOR;
        }
        int control = TransferDescriptor.control(descriptor);
        if ((control & TransferDescriptor.NULL) == 0) {
            int error = move(TransferDescriptor.operation(control), TransferDescriptor.size(descriptor));
            if (error != 0) {
                return error;
            }
        }
        lastDone = next;
        next = TransferDescriptor.next(descriptor);
        done = done + 1 & COUNT_MASK;
        if ((control & TransferDescriptor.COMPLETION) != 0 && !tell(lastOfAll ? IoatRegister.STATE_IDLE : IoatRegister.STATE_ACTIVE)) {
            return IoatRegister.ERROR_COMPLETION;
        }
        if ((control & TransferDescriptor.INTERRUPT) != 0) {
            interrupts.message(0);
        }
        return 0;
    }

    private int move(int operation, long bytes) {
        if (bytes > BUFFER_BYTES) {
            return IoatRegister.ERROR_LENGTH;
        }
        long source = TransferDescriptor.source(descriptor);
        switch (operation) {
            case TransferDescriptor.COPY -> {
                if (port.read(source, buffer, 0, bytes) != DmaStatus.DONE) {
                    return IoatRegister.ERROR_SOURCE;
                }
            }
            case TransferDescriptor.FILL -> {
                for (long at = 0; at < bytes; at += Long.BYTES) {
                    buffer.set(ValueLayout.JAVA_LONG, at, source);
                }
            }
            default -> {
                return IoatRegister.ERROR_OPERATION;
            }
        }
        return port.write(TransferDescriptor.destination(descriptor), buffer, 0, bytes) == DmaStatus.DONE ? 0 : IoatRegister.ERROR_DESTINATION;
    }

    private void fail(int error) {
        failed = true;
        registers.writeInt(IoatRegister.ERROR, error);
        int control = registers.readShort(IoatRegister.CONTROL);
        if ((control & IoatRegister.CONTROL_ERROR_COMPLETION) != 0) {
            tell(IoatRegister.STATE_HALTED);   // whether it arrives or not, the channel has halted
        }
        enter(IoatRegister.STATE_HALTED);
        if ((control & IoatRegister.CONTROL_ERROR_INTERRUPT) != 0) {
            interrupts.message(0);
        }
    }

    /** Writes the status to where the driver waits for it. */
    private boolean tell(int state) {
        status.set(ValueLayout.JAVA_LONG, 0, lastDone | state);
        return port.write(registers.readLong(IoatRegister.COMPLETION_ADDRESS), status, 0, Long.BYTES) == DmaStatus.DONE;
    }
}
