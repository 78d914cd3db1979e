package iommu.s390.driver;

import iommu.common.table.TablePool;
import iommu.s390.format.BigWords;
import iommu.s390.format.FunctionBlock;
import iommu.s390.format.LogicalProcessorBlock;
import iommu.s390.format.Outcome;
import iommu.s390.format.PciInstructions;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Issues the instructions of one function, and does what their condition codes ask for. Allocates nothing but in failures. Guarded by
 * the endpoint.
 */
final class FunctionControl implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(FunctionControl.class);
    private static final int FRAME_LG2 = 12;
    private static final int LOGICAL_PROCESSOR_BLOCK = 256;
    /** A function can fail again each time it was reset, but not for ever in the few instructions between. */
    private static final int MOST_RESETS = 100_000;

    private final PciInstructions instructions;
    private final TablePool pool;
    private final String name;
    private final long frame;
    private int handle;
    /** What is registered: all that a function can hold. */
    private long base;
    private long limit;

    /** @throws IommufdException {@link Errno#ENOMEM} */
    FunctionControl(PciInstructions instructions, TablePool pool, String name) {
        this.instructions = instructions;
        this.pool = pool;
        this.name = name;
        frame = pool.allocate(FRAME_LG2);
    }

    void enable(int disabledHandle) {
        handle = disabledHandle;
        set(LogicalProcessorBlock.ENABLE, 1);
    }

    /** No request of the function is under way on return. */
    void disable() {
        set(LogicalProcessorBlock.DISABLE, 0);
    }

    private void set(int operation, int addressSpaces) {
        long block = frame + LOGICAL_PROCESSOR_BLOCK;
        int response;
        do {
            BigWords.set(block, (long) LogicalProcessorBlock.REQUEST_BYTES << 48 | (long) LogicalProcessorBlock.SET_FUNCTION << 32);
            BigWords.set(block + 8, 0);
            BigWords.setInt(block + LogicalProcessorBlock.REQUEST_HANDLE, handle);
            BigWords.setInt(block + LogicalProcessorBlock.REQUEST_HANDLE + 4, operation << 8 | addressSpaces);
            BigWords.set(block + LogicalProcessorBlock.RESPONSE_LENGTH, (long) LogicalProcessorBlock.RESPONSE_BYTES << 48);
            instructions.callLogicalProcessor(block);
            response = LogicalProcessorBlock.half(block + LogicalProcessorBlock.RESPONSE);
        } while (response == LogicalProcessorBlock.BUSY && waitOn());
        if (response != LogicalProcessorBlock.OK) {
            throw new IllegalStateException("%s: SET PCI FUNCTION of handle 0x%08x was refused with 0x%04x".formatted(name, handle, response));
        }
        handle = BigWords.getInt(block + LogicalProcessorBlock.RESPONSE_HANDLE);
    }

    /**
     * Registers a table.
     *
     * @param exchange whether another one is registered
     * @throws IommufdException {@link Errno#EINVAL} if the function cannot be registered so; what was registered still is
     */
    void register(TranslationTable table, boolean exchange) {
        boolean nested = table.host() != table;
        BigWords.set(frame + FunctionBlock.FORMAT, (long) (nested ? FunctionBlock.NESTED : FunctionBlock.PLAIN) << 56);
        BigWords.set(frame + FunctionBlock.BASE, table.base());
        BigWords.set(frame + FunctionBlock.LIMIT, table.limit());
        BigWords.set(frame + FunctionBlock.ANCHOR, table.anchor());
        BigWords.set(frame + FunctionBlock.HOST_ANCHOR, nested ? table.host().anchor() : 0);
        int operation = exchange ? PciInstructions.REREGISTER : PciInstructions.REGISTER;
        int outcome = modify(operation);
        for (int resets = 0; outcome == Outcome.refused(Outcome.ERROR_RECOVERY) && resets < MOST_RESETS; resets++) {
            modify(PciInstructions.RESET_ERROR);
            outcome = modify(operation);
        }
        if (outcome == Outcome.interruption(Outcome.OPERAND)) {
            throw new IommufdException(Errno.EINVAL, "%s cannot be registered with anchor 0x%x for 0x%x..0x%x"
                    .formatted(name, table.anchor(), table.base(), table.limit()));
        }
        check("registration", outcome);
        base = table.base();
        limit = table.limit();
    }

    void deregister() {
        check("deregistration", modify(PciInstructions.DEREGISTER));
    }

    private int modify(int operation) {
        int outcome;
        do {
            outcome = instructions.modifyControls(PciInstructions.request(handle, 0, operation), frame);
        } while (Outcome.condition(outcome) == Outcome.BUSY && waitOn());
        return outcome;
    }

    /** Returns when no request uses a former translation of the range; the function is registered. */
    void refresh(long first, long lengthBytes) {
        int outcome = refreshOnce(first, lengthBytes);
        if (outcome == Outcome.refused(Outcome.RESOURCES_UNAVAILABLE) || outcome == Outcome.refused(Outcome.RESOURCES_INSUFFICIENT)) {
            // Something below holds what is mapped no more: it finds out when everything is refreshed.
            outcome = refreshAll();
        }
        if (outcome != Outcome.refused(Outcome.ERROR_RECOVERY)) {   // in the error state nothing is under way, and caches are empty
            check("refresh", outcome);
        }
    }

    /** Everything that is registered. */
    int refreshAll() {
        return refreshOnce(base, limit - base == -1L ? -1L : limit - base + 1);
    }

    private int refreshOnce(long first, long lengthBytes) {
        int outcome;
        do {
            outcome = instructions.refresh(PciInstructions.request(handle, 0, 0), first, lengthBytes);
        } while (Outcome.condition(outcome) == Outcome.BUSY && waitOn());
        return outcome;
    }

    /** Memory must not be given away under a request, so the driver goes on waiting. */
    private boolean waitOn() {
        LOG.warn("{}: an instruction waits for a DMA request that has not ended for seconds; waiting on", name);
        return true;
    }

    private void check(String what, int outcome) {
        if (outcome != Outcome.DONE) {
            throw new IllegalStateException("%s: %s of handle 0x%08x was refused: %s".formatted(name, what, handle, Outcome.text(outcome)));
        }
    }

    /** Gives its memory back. */
    @Override
    public void close() {
        pool.free(frame, FRAME_LG2);
    }
}
