package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuCommand.*;
import static iommu.smmuv3.format.SmmuRegister.*;
import static iommu.smmuv3.format.VirtualQueueRegister.*;

import iommu.common.unit.InterruptHandling;

/** A command queue that belongs to an interface, maybe a guest's. Its registers are guarded by the unit's lock. */
final class VirtualCommandQueue extends CommandQueue {
    private static final long VMID = 0xffffL << VMID_SHIFT;
    private static final long STREAM = 0xffff_ffffL << STREAM_SHIFT;

    private final VirtualQueues owner;
    private final int number;
    private final int largestLg2;
    private final InterruptHandling handling;
    private int allocation;
    private int consumerIndex;
    private int producerIndex;
    private boolean enabled;
    private int errors;
    private int acknowledged;
    private long baseRegister;
    private long consumerCopy;

    VirtualCommandQueue(SmmuUnit unit, CommandExecutor executor, VirtualQueues owner, int number) {
        super(unit, executor);
        this.owner = owner;
        this.number = number;
        largestLg2 = unit.features().queueEntriesLg2();
        handling = new InterruptHandling(unit.name() + "-commands-" + number, () -> !owner.closed() && carryOut());
    }

    void reset() {
        allocation = 0;
        consumerIndex = 0;
        producerIndex = 0;
        enabled = false;
        errors = 0;
        acknowledged = 0;
        baseRegister = 0;
        consumerCopy = 0;
    }

    void close() {
        handling.close();
    }

    /** Its doorbell; without the unit's lock. */
    void ring() {
        handling.raised();
    }

    int allocation() {
        return allocation;
    }

    /** Gives it to an interface, or takes it away, which switches it off. */
    void allocate(int register) {
        allocation = register;
        if (!allocated()) {
            enabled = false;
        }
    }

    boolean allocated() {
        return (allocation & ENABLE) != 0;
    }

    int interfaceNumber() {
        return allocation >>> ALLOCATION_INTERFACE_SHIFT & ALLOCATION_INTERFACE;
    }

    /** Its number in its interface. */
    int localNumber() {
        return allocation >>> ALLOCATION_NUMBER_SHIFT & ALLOCATION_NUMBER;
    }

    int number() {
        return number;
    }

    boolean hasError() {
        return errors != acknowledged;
    }

    /** A word of page 0 or 1. */
    int get(boolean page1, int offset) {
        if (page1) {
            return switch (offset) {
                case QUEUE_BASE -> (int) baseRegister;
                case QUEUE_BASE + 4 -> (int) (baseRegister >>> 32);
                case QUEUE_CONS_COPY -> (int) consumerCopy;
                case QUEUE_CONS_COPY + 4 -> (int) (consumerCopy >>> 32);
                default -> 0;
            };
        }
        return switch (offset) {
            case QUEUE_CONS -> consumerIndex;
            case QUEUE_PROD -> producerIndex;
            case QUEUE_CONFIG, QUEUE_STATUS -> enabled ? ENABLE : 0;
            case QUEUE_GERROR -> errors;
            case QUEUE_GERRORN -> acknowledged;
            default -> 0;
        };
    }

    /** @return whether commands may be waiting now */
    boolean put(boolean page1, int offset, int value) {
        if (page1) {
            if (!enabled) {
                place(offset, value);
            }
            return false;
        }
        switch (offset) {
            case QUEUE_CONS -> consumerIndex = enabled ? consumerIndex : value & (QUEUE_INDEX | CMDQ_CONS_ERR);
            case QUEUE_PROD -> producerIndex = value & QUEUE_INDEX;
            case QUEUE_CONFIG -> enabled = (value & ENABLE) != 0 && owner.serves(this);
            case QUEUE_GERRORN -> acknowledged = value & GERROR_CMDQ_ERR;
            default -> { }
        }
        return runs();
    }

    private void place(int offset, int value) {
        switch (offset) {
            case QUEUE_BASE -> baseRegister = half(baseRegister, 0, value);
            case QUEUE_BASE + 4 -> baseRegister = half(baseRegister, 32, value);
            case QUEUE_CONS_COPY -> consumerCopy = half(consumerCopy, 0, value);
            case QUEUE_CONS_COPY + 4 -> consumerCopy = half(consumerCopy, 32, value);
            default -> { }
        }
    }

    private static long half(long word, int shift, int value) {
        return word & ~(0xffff_ffffL << shift) | (value & 0xffff_ffffL) << shift;
    }

    @Override
    boolean runs() {
        return enabled && !hasError() && owner.serves(this);
    }

    @Override
    long base() {
        return baseRegister;
    }

    @Override
    int largestLg2() {
        return largestLg2;
    }

    @Override
    int producer() {
        return producerIndex;
    }

    @Override
    int consumer() {
        return consumerIndex;
    }

    @Override
    void consumed(int consumer) {
        consumerIndex = consumer;
    }

    @Override
    int failed(int consumer, int code) {
        consumerIndex = consumer | code << CMDQ_CONS_ERR_SHIFT;
        errors ^= GERROR_CMDQ_ERR;
        return owner.masked(interfaceNumber()) ? 0 : GlobalErrors.bit(SmmuInterrupts.Line.VIRTUAL_QUEUE);
    }

    /**
     * A hypervisor's own commands are taken as they are. A guest's may invalidate its own translations and its devices' caches:
     * its VMID is put in, its StreamIDs are exchanged. Completion of CMD_SYNC is polled for.
     */
    @Override
    boolean admit(long[] command) {
        int opcode = opcode(command[0]);
        if (opcode == SYNC) {
            return (command[0] >>> CS_SHIFT & 3) == CS_NONE;
        }
        int config = owner.config(interfaceNumber());
        if ((config & INTERFACE_HYPERVISOR) != 0) {
            return true;
        }
        switch (opcode) {
            case TLBI_NH_ASID, TLBI_NH_VA, TLBI_NH_VAA -> {
                long vmid = config >>> INTERFACE_VMID_SHIFT & 0xffff;
                command[0] = command[0] & ~VMID | vmid << VMID_SHIFT;
                return true;
            }
            case ATC_INV -> {
                long stream = owner.stream(interfaceNumber(), (int) (command[0] >>> STREAM_SHIFT));
                command[0] = command[0] & ~STREAM | stream << STREAM_SHIFT;
                return stream >= 0;
            }
            default -> {
                return false;
            }
        }
    }

    @Override
    int completed(long word0, long word1) {
        return 0;   // no interrupt was asked for
    }
}
