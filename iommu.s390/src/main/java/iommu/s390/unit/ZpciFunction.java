package iommu.s390.unit;

import iommu.common.dma.InvalidationLog;
import iommu.s390.format.BigWords;
import iommu.s390.format.ErrorEvent;
import iommu.s390.format.EventBlock;
import iommu.s390.format.FunctionBlock;
import iommu.s390.format.FunctionHandle;
import iommu.s390.format.LogicalProcessorBlock;
import iommu.s390.format.Outcome;
import iommu.s390.format.PciInstructions;
import iommu.s390.unit.FunctionStatus.State;
import iommufd.api.dma.RequesterId;
import java.util.concurrent.locks.ReentrantLock;

/** A PCI function as instructions and its requests see it. Thread-safe. */
final class ZpciFunction {
    private static final int NO_FUNCTION = Outcome.NO_FUNCTION;
    /** What a locked part answers if requests are to be waited for. */
    private static final int DRAIN = -1;

    private final ReentrantLock lock = new ReentrantLock();
    private final InvalidationLog translations = new InvalidationLog();
    private final ZpciUnit unit;
    private final RequesterId requester;
    private volatile FunctionStatus status = FunctionStatus.DISABLED;
    /** Requests did not end in time; what they were waited for is not over. */
    private volatile boolean undrained;
    /** Guarded by the lock, as everything below. */
    private int handle;
    private int instance;

    ZpciFunction(ZpciUnit unit, RequesterId requester) {
        this.unit = unit;
        this.requester = requester;
        handle = FunctionHandle.disabled(requester.sourceId(), instance);
    }

    ZpciUnit unit() {
        return unit;
    }

    RequesterId requester() {
        return requester;
    }

    InvalidationLog translations() {
        return translations;
    }

    /** What a request that starts now finds. */
    FunctionStatus status() {
        return status;
    }

    int handle() {
        lock.lock();
        try {
            return handle;
        } finally {
            lock.unlock();
        }
    }

    /** @param block host address of a function information block */
    int modify(long request, long block) {
        int outcome = modifyLocked(request, block);
        return outcome == DRAIN ? drain() : outcome;
    }

    private int modifyLocked(long request, long block) {
        lock.lock();
        try {
            if (!usable(PciInstructions.handle(request))) {
                return NO_FUNCTION;
            }
            if (block < 0) {
                return Outcome.interruption(Outcome.ADDRESSING);
            }
            int format = BigWords.getInt(block + FunctionBlock.FORMAT) >>> 24;
            if (format != FunctionBlock.PLAIN && format != FunctionBlock.NESTED) {
                return Outcome.interruption(Outcome.OPERAND);
            }
            return switch (PciInstructions.operation(request)) {
                case PciInstructions.REGISTER, PciInstructions.DEREGISTER, PciInstructions.REREGISTER ->
                    PciInstructions.addressSpace(request) != 0 ? Outcome.refused(Outcome.ADDRESS_SPACE) : translation(request, block);
                case PciInstructions.RESET_ERROR -> status.state() == State.ENABLED ? Outcome.refused(Outcome.SEQUENCE) : enter(State.ENABLED);
                case PciInstructions.RESET_BLOCK -> status.state() != State.ERROR ? Outcome.refused(Outcome.SEQUENCE) : enter(State.BLOCKED);
                default -> Outcome.interruption(Outcome.OPERAND);
            };
        } finally {
            lock.unlock();
        }
    }

    private boolean usable(int named) {
        return named == handle && status.state() != State.DISABLED;
    }

    private int enter(State state) {
        status = status.in(state);
        return Outcome.DONE;
    }

    private int translation(long request, long block) {
        int operation = PciInstructions.operation(request);
        if (operation == PciInstructions.DEREGISTER) {
            return deregister();
        }
        if (status.state() != State.ENABLED) {
            return Outcome.refused(Outcome.ERROR_RECOVERY);
        }
        if (status.registered() != (operation == PciInstructions.REREGISTER)) {
            return Outcome.refused(Outcome.SEQUENCE);
        }
        Registration wanted = Registration.of(block, unit.features());
        if (wanted == Registration.NONE) {
            return Outcome.interruption(Outcome.OPERAND);
        }
        status = status.with(wanted);
        return operation == PciInstructions.REREGISTER ? forgetEverything() : Outcome.DONE;
    }

    private int deregister() {
        if (!status.registered()) {
            return undrained ? DRAIN : Outcome.refused(Outcome.SEQUENCE);
        }
        status = status.with(Registration.NONE);
        return forgetEverything();
    }

    private int forgetEverything() {
        translations.publish(ZpciPort.EVERYTHING, 0, 0, -1L);
        return DRAIN;
    }

    /** Waits for requests that may have begun before what was published; without the lock, so that one that hangs keeps nobody else. */
    private int drain() {
        undrained = !translations.awaitQuiescence(unit.drainNanos());
        return undrained ? Outcome.BUSY : Outcome.DONE;
    }

    int refresh(int named, long iova, long lengthBytes) {
        int outcome;
        lock.lock();
        try {
            if (!usable(named)) {
                return NO_FUNCTION;
            }
            // In the error state DMA is blocked, and caches are empty; nothing may be under way either when that is told.
            outcome = status.state() == State.ERROR ? Outcome.refused(Outcome.ERROR_RECOVERY) : refreshLocked(iova, lengthBytes);
        } finally {
            lock.unlock();
        }
        if (outcome == DRAIN || outcome == Outcome.refused(Outcome.ERROR_RECOVERY)) {
            return drain() == Outcome.BUSY ? Outcome.BUSY : outcome == DRAIN ? Outcome.DONE : outcome;
        }
        if (outcome == Outcome.refused(Outcome.FUNCTION_IN_ERROR)) {
            unit.events().tell();
        }
        return outcome;
    }

    private int refreshLocked(long iova, long lengthBytes) {
        if (lengthBytes == 0) {
            return Outcome.DONE;
        }
        long toEnd = -1L - iova;
        long last = Long.compareUnsigned(lengthBytes - 1, toEnd) > 0 ? -1L : iova + lengthBytes - 1;
        Registration registration = status.registration();
        boolean outside = Long.compareUnsigned(last, registration.base()) < 0 || Long.compareUnsigned(iova, registration.limit()) > 0;
        if (!status.registered() || outside) {
            fall(status.registered() ? ErrorEvent.OUT_OF_RANGE : ErrorEvent.NOT_REGISTERED, iova, EventBlock.NO_TABLE, false);
            return Outcome.refused(Outcome.FUNCTION_IN_ERROR);
        }
        translations.publish(ZpciPort.RANGE, 0, iova, last);
        return DRAIN;
    }

    /** A request of the function was refused; outside its epoch. Only the first one after a reset is an event. */
    void fail(ErrorEvent event, long iova, int tableType, boolean write) {
        lock.lock();
        try {
            if (status.state() != State.ENABLED) {
                return;
            }
            fall(event, iova, tableType, write);
        } finally {
            lock.unlock();
        }
        unit.events().tell();
    }

    /** Enters the error state: no request that starts from now on gets through. */
    private void fall(ErrorEvent event, long iova, int tableType, boolean write) {
        status = status.in(State.ERROR);
        translations.publish(ZpciPort.EVERYTHING, 0, 0, -1L);
        unit.events().add(handle, requester.value(), EventBlock.qualifier(tableType, write), iova, event.code());
    }

    /** @param block host address where a function information block is stored */
    int store(long request, long block) {
        lock.lock();
        try {
            if (PciInstructions.handle(request) != handle) {
                return NO_FUNCTION;
            }
            if (PciInstructions.addressSpace(request) != 0) {
                return Outcome.refused(Outcome.ADDRESS_SPACE);
            }
            if (block < 0) {
                return Outcome.interruption(Outcome.ADDRESSING);
            }
            Registration registration = status.registration();
            for (int offset = 0; offset < FunctionBlock.BYTES; offset += Long.BYTES) {
                BigWords.set(block + offset, 0);
            }
            BigWords.setInt(block + FunctionBlock.FORMAT, (registration.nested() ? FunctionBlock.NESTED : FunctionBlock.PLAIN) << 24);
            BigWords.setInt(block + FunctionBlock.CONTROLS, controls() << 24);
            BigWords.set(block + FunctionBlock.BASE, registration.base());
            BigWords.set(block + FunctionBlock.LIMIT, registration.limit());
            BigWords.set(block + FunctionBlock.ANCHOR, registration.anchor());
            BigWords.set(block + FunctionBlock.HOST_ANCHOR, registration.hostAnchor());
            return Outcome.DONE;
        } finally {
            lock.unlock();
        }
    }

    private int controls() {
        int registered = status.registered() ? FunctionBlock.REGISTERED : 0;
        return switch (status.state()) {
            case DISABLED -> 0;
            case ENABLED -> FunctionBlock.ENABLED | registered;
            case ERROR -> FunctionBlock.ENABLED | FunctionBlock.ERROR | FunctionBlock.LOAD_STORE_BLOCKED | registered;
            case BLOCKED -> FunctionBlock.ENABLED | FunctionBlock.ERROR | registered;
        };
    }

    /** SET PCI FUNCTION. @return a response of {@link LogicalProcessorBlock} */
    int set(int named, int operation, int addressSpaces) {
        lock.lock();
        try {
            boolean enabled = (handle & FunctionHandle.ENABLED) != 0;
            if (named != handle) {
                return LogicalProcessorBlock.BAD_HANDLE;
            }
            if (operation == LogicalProcessorBlock.ENABLE && !enabled) {
                return enable(addressSpaces);
            }
            if (operation != LogicalProcessorBlock.DISABLE || !enabled) {
                return LogicalProcessorBlock.BAD_OPERATION;
            }
            status = FunctionStatus.DISABLED;
            forgetEverything();
        } finally {
            lock.unlock();
        }
        return disabled(named);
    }

    private int enable(int addressSpaces) {
        if (addressSpaces != 1) {
            return addressSpaces == 0 ? LogicalProcessorBlock.NO_ADDRESS_SPACE : LogicalProcessorBlock.INSUFFICIENT;
        }
        handle |= FunctionHandle.ENABLED;
        status = FunctionStatus.DISABLED.in(State.ENABLED);
        return LogicalProcessorBlock.OK;
    }

    /** The handle stays valid for another attempt until no request is under way. */
    private int disabled(int named) {
        if (drain() == Outcome.BUSY) {
            return LogicalProcessorBlock.BUSY;
        }
        lock.lock();
        try {
            if (handle == named) {
                handle = FunctionHandle.disabled(requester.sourceId(), ++instance);
            }
            return LogicalProcessorBlock.OK;
        } finally {
            lock.unlock();
        }
    }

    /** It is taken out of the machine, or the machine is reset; with its requests, of which some may not have ended. */
    void powerOff() {
        lock.lock();
        try {
            status = FunctionStatus.DISABLED;
            forgetEverything();
            instance = 0;
            handle = FunctionHandle.disabled(requester.sourceId(), instance);
        } finally {
            lock.unlock();
        }
        drain();
    }
}
