package iommu.vtd.unit;

import iommu.common.unit.PhysicalWords;
import iommu.common.unit.RegisterFile;
import iommu.vtd.format.FaultReason;
import iommu.vtd.format.HostAddress;
import iommu.vtd.format.InterruptEntry;
import iommu.vtd.format.InterruptMessage;
import iommu.vtd.format.PostedDescriptor;
import iommu.vtd.format.Registers;
import java.lang.invoke.VarHandle;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * Interrupt requests of devices: as they are, remapped, or posted (§5). Entries are read from memory each time, there is no
 * interrupt entry cache. An interrupt holds the gate until it has been delivered, for invalidations to wait for it (§6.5.5).
 * Commands are guarded by the unit's lock, interrupts are not.
 */
final class InterruptRemapper {
    /**
     * What the last commands put in force.
     *
     * @param compatibility interrupts in compatibility format pass
     * @param extended destinations have 32 bits
     */
    private record Setting(boolean enabled, boolean compatibility, long table, int entries, boolean extended) {}

    private static final Setting RESET = new Setting(false, false, 0, 2, false);

    private final RegisterFile registers;
    private final KnownMemory memory;
    private final boolean supported;
    private final boolean posts;
    private final ReentrantReadWriteLock gate = new ReentrantReadWriteLock();
    private volatile Setting setting = RESET;

    InterruptRemapper(RegisterFile registers, VtdFeatures features, KnownMemory memory) {
        this.registers = registers;
        this.memory = memory;
        supported = features.has(VtdFeature.INTERRUPT_REMAPPING);
        posts = features.has(VtdFeature.POSTED_INTERRUPTS);
        if (supported) {
            registers.define64(Registers.IRTA, 0, HostAddress.PAGE | Registers.INTERRUPT_SIZE
                    | (features.has(VtdFeature.EXTENDED_INTERRUPTS) ? Registers.INTERRUPT_EXTENDED : 0), 0);
        }
    }

    /** Carries commands out. @return the global status after them */
    int command(int value, int status) {
        if (!supported) {
            return status;
        }
        int result = status & ~(Registers.COMMAND_INTERRUPT_REMAPPING | Registers.COMMAND_COMPATIBILITY_FORMAT)
                | value & (Registers.COMMAND_INTERRUPT_REMAPPING | Registers.COMMAND_COMPATIBILITY_FORMAT);
        Setting before = setting;
        Setting table = before;
        if ((value & Registers.COMMAND_SET_INTERRUPT_TABLE) != 0) {
            long address = registers.get64(Registers.IRTA);
            table = new Setting(false, false, address & HostAddress.PAGE, 2 << (address & Registers.INTERRUPT_SIZE),
                    (address & Registers.INTERRUPT_EXTENDED) != 0);
            result |= Registers.COMMAND_SET_INTERRUPT_TABLE;
        }
        setting = new Setting((result & Registers.COMMAND_INTERRUPT_REMAPPING) != 0,
                (result & Registers.COMMAND_COMPATIBILITY_FORMAT) != 0, table.table, table.entries, table.extended);
        return result;
    }

    void reset() {
        setting = RESET;
    }

    /** Waits until interrupts that are under way have been delivered; without the unit's lock. @return false if one was not */
    boolean drain(long timeoutNanos) {
        VarHandle.fullFence();   // what changed comes before the look at the gate, as an interrupt looks after it entered
        if (gate.getReadLockCount() == 0 || gate.getReadHoldCount() > 0) {
            return true;   // nobody is inside, or a handler of the interrupt itself asks
        }
        try {
            if (!gate.writeLock().tryLock(timeoutNanos, TimeUnit.NANOSECONDS)) {
                return false;
            }
        } catch (InterruptedException stop) {
            Thread.currentThread().interrupt();
            return false;
        }
        gate.writeLock().unlock();
        return true;
    }

    /**
     * An interrupt request.
     *
     * @param sink where what comes out goes
     * @return why it is blocked, if it is
     */
    Optional<Blocked> request(int sourceId, long address, int data, MessageSink sink) {
        gate.readLock().lock();
        try {
            Setting current = setting;
            if (!current.enabled) {
                sink.message(address, data);
                return Optional.empty();
            }
            if ((address & InterruptMessage.REMAPPABLE) != 0) {
                return remappable(current, sourceId, address, data, sink);
            }
            if (current.extended || !current.compatibility) {
                return blocked(FaultReason.COMPATIBILITY_BLOCKED, 0, false);
            }
            sink.message(address, data);
            return Optional.empty();
        } finally {
            gate.readLock().unlock();
        }
    }

    private Optional<Blocked> remappable(Setting current, int sourceId, long address, int data, MessageSink sink) {
        int index = InterruptMessage.handle(address);
        if ((address & InterruptMessage.SUBHANDLE_VALID) != 0) {
            if ((data & InterruptMessage.SUBHANDLE_RESERVED) != 0) {
                return blocked(FaultReason.INTERRUPT_REQUEST_RESERVED, 0, false);
            }
            index += data;
        }
        if (index >= current.entries) {
            return blocked(FaultReason.INTERRUPT_INDEX_TOO_LARGE, index, false);
        }
        long busAddress = current.table + index * (long) InterruptEntry.BYTES;
        if ((busAddress & HostAddress.RESERVED) != 0) {
            return blocked(FaultReason.INTERRUPT_INDEX_TOO_LARGE, index, false);
        }
        long slot = memory.locate(busAddress);
        if (slot < 0) {
            return blocked(FaultReason.INTERRUPT_TABLE_UNREACHABLE, index, false);
        }
        long low = PhysicalWords.getAcquire(slot);
        long high = PhysicalWords.getAcquire(slot + 8);
        // Software may exchange both words at once (§5.1.4); the machine reads them one by one.
        for (long again = PhysicalWords.getAcquire(slot); again != low; again = PhysicalWords.getAcquire(slot)) {
            low = again;
            high = PhysicalWords.getAcquire(slot + 8);
        }
        boolean suppressed = (low & InterruptEntry.FAULTS_SUPPRESSED) != 0;
        if ((low & InterruptEntry.PRESENT) == 0) {
            return blocked(FaultReason.INTERRUPT_ABSENT, index, suppressed);
        }
        int validation = (int) (high >>> InterruptEntry.VALIDATION_SHIFT) & 3;
        if (validation > InterruptEntry.VALIDATE_BUSES) {
            return blocked(FaultReason.INTERRUPT_ENTRY_RESERVED, index, suppressed);
        }
        if (!sourceAllowed(validation, high, sourceId)) {
            return blocked(FaultReason.INTERRUPT_SOURCE_WRONG, index, suppressed);
        }
        if ((low & InterruptEntry.POSTED) != 0) {
            return post(current, index, low, high, suppressed, sink);
        }
        return remap(current, index, low, high, suppressed, sink);
    }

    private static boolean sourceAllowed(int validation, long high, int sourceId) {
        int expected = (int) (high & InterruptEntry.SOURCE);
        return switch (validation) {
            case InterruptEntry.VALIDATE_SOURCE -> {
                int qualifier = (int) (high >>> InterruptEntry.QUALIFIER_SHIFT) & 3;
                int ignored = 7 & 7 << 3 - qualifier;
                yield ((expected ^ sourceId) & ~ignored) == 0;
            }
            case InterruptEntry.VALIDATE_BUSES -> sourceId >>> 8 >= expected >>> 8 && sourceId >>> 8 <= (expected & 0xFF);
            default -> true;
        };
    }

    private Optional<Blocked> remap(Setting current, int index, long low, long high, boolean suppressed, MessageSink sink) {
        long reserved = current.extended ? InterruptEntry.LOW_RESERVED
                : InterruptEntry.LOW_RESERVED | InterruptEntry.DESTINATION_RESERVED;
        if ((low & reserved) != 0 || (high & InterruptEntry.HIGH_RESERVED) != 0 || InterruptEntry.deliveryReserved(low)) {
            return blocked(FaultReason.INTERRUPT_ENTRY_RESERVED, index, suppressed);
        }
        int destination = destination(current, low);
        sink.message(InterruptMessage.address(destination, (low & InterruptEntry.LOGICAL) != 0,
                (low & InterruptEntry.REDIRECTION_HINT) != 0), InterruptMessage.data((int) (low >>> InterruptEntry.VECTOR_SHIFT) & 0xFF,
                (int) (low >>> InterruptEntry.DELIVERY_SHIFT) & 7, (low & InterruptEntry.LEVEL_TRIGGERED) != 0));
        return Optional.empty();
    }

    private static int destination(Setting current, long word) {
        int field = (int) (word >>> InterruptEntry.DESTINATION_SHIFT);
        return current.extended ? field : field >>> 8 & 0xFF;
    }

    private Optional<Blocked> post(Setting current, int index, long low, long high, boolean suppressed, MessageSink sink) {
        if (!posts || (low & InterruptEntry.POSTED_LOW_RESERVED) != 0 || (high & InterruptEntry.POSTED_HIGH_RESERVED) != 0) {
            return blocked(FaultReason.INTERRUPT_ENTRY_RESERVED, index, suppressed);
        }
        long descriptor = memory.locate(InterruptEntry.postedDescriptor(low, high));
        if (descriptor < 0) {
            return blocked(FaultReason.POSTED_UNREACHABLE, index, suppressed);
        }
        long reserved = current.extended ? PostedDescriptor.RESERVED
                : PostedDescriptor.RESERVED | PostedDescriptor.DESTINATION_RESERVED;
        if ((PhysicalWords.get(descriptor + PostedDescriptor.CONTROL) & reserved
                | PhysicalWords.get(descriptor + 40) | PhysicalWords.get(descriptor + 48) | PhysicalWords.get(descriptor + 56)) != 0) {
            return blocked(FaultReason.POSTED_RESERVED, index, suppressed);
        }
        int vector = (int) (low >>> InterruptEntry.VECTOR_SHIFT) & 0xFF;
        long word = descriptor + (vector >>> 6) * 8L;
        long bit = 1L << vector;
        for (long before = PhysicalWords.get(word); (before & bit) == 0; before = PhysicalWords.get(word)) {
            if (PhysicalWords.compareAndSet(word, before, before | bit)) {
                break;
            }
        }
        notify(current, descriptor + PostedDescriptor.CONTROL, (low & InterruptEntry.URGENT) != 0, sink);
        return Optional.empty();
    }

    /** The request was posted before: whoever clears the bit of a notification and then looks for requests finds it. */
    private void notify(Setting current, long control, boolean urgent, MessageSink sink) {
        while (true) {
            long before = PhysicalWords.getAcquire(control);
            if ((before & PostedDescriptor.OUTSTANDING) != 0 || !urgent && (before & PostedDescriptor.SUPPRESSED) != 0) {
                return;
            }
            if (PhysicalWords.compareAndSet(control, before, before | PostedDescriptor.OUTSTANDING)) {
                sink.message(InterruptMessage.address(destination(current, before), false, false),
                        InterruptMessage.data((int) (before >>> PostedDescriptor.VECTOR_SHIFT) & 0xFF, 0, false));
                return;
            }
        }
    }

    private static Optional<Blocked> blocked(FaultReason reason, int index, boolean suppressed) {
        return Optional.of(new Blocked(reason, index, suppressed && reason.qualified()));
    }

    /**
     * An interrupt that was not let through.
     *
     * @param index its entry, as far as known
     * @param suppressed whether it is not recorded
     */
    record Blocked(FaultReason reason, int index, boolean suppressed) {}
}
