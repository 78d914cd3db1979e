package iommu.s390.driver;

import iommu.common.table.TablePool;
import iommu.common.unit.InterruptHandling;
import iommu.s390.format.BigWords;
import iommu.s390.format.ErrorEvent;
import iommu.s390.format.EventBlock;
import iommu.s390.format.LogicalProcessorBlock;
import iommu.s390.format.PciInstructions;
import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntFunction;

/**
 * The handler of the machine check: takes event information, resets the functions it is about, and reports it. A function is reset
 * before anybody hears of its error: a refused request of iommufd's does not stop the device, whatever the hardware. Thread-safe.
 */
final class ErrorEvents implements AutoCloseable {
    private static final int FRAME_LG2 = 12;
    private static final int FUNCTION_BLOCK = 256;
    /** Events taken before a flood is left to a thread of its own. */
    private static final int MAX_EVENTS = 64;

    private final ReentrantLock lock = new ReentrantLock();
    private final PciInstructions instructions;
    private final TablePool pool;
    private final String hardware;
    private final IntFunction<Optional<ZpciEndpoint>> endpoints;
    private final long frame;
    private final InterruptHandling handling;
    /** Guarded by the lock. */
    private boolean closed;

    /** @param endpoints finds an endpoint by its function's number */
    ErrorEvents(PciInstructions instructions, TablePool pool, String hardware, IntFunction<Optional<ZpciEndpoint>> endpoints) {
        this.instructions = instructions;
        this.pool = pool;
        this.hardware = hardware;
        this.endpoints = endpoints;
        frame = pool.allocate(FRAME_LG2);
        handling = new InterruptHandling(hardware + "-events", this::takeSome);
    }

    /** The machine check came. What was pending before has been handled when this returns, unless there is a flood. */
    void handle() {
        handling.raised();
    }

    private record Taken(ZpciEndpoint endpoint, ErrorEvent event, long iova, DmaAccess access) {}

    /** @return whether more may be pending */
    private boolean takeSome() {
        List<Taken> taken = new ArrayList<>();
        boolean more = true;
        lock.lock();
        try {
            for (int i = 0; i < MAX_EVENTS && more; i++) {
                more = !closed && takeOne(taken);
            }
        } finally {
            lock.unlock();
        }
        taken.forEach(this::report);
        return more;
    }

    private boolean takeOne(List<Taken> taken) {
        instructions.storeEvent(frame);
        if (LogicalProcessorBlock.half(frame + EventBlock.RESPONSE) != EventBlock.STORED) {
            return false;
        }
        int handle = BigWords.getInt(frame + EventBlock.HANDLE);
        // If somebody else reset the function, or it is gone, this is refused, and that is as well.
        instructions.modifyControls(PciInstructions.request(handle, 0, PciInstructions.RESET_ERROR), frame + FUNCTION_BLOCK);
        ErrorEvent event = ErrorEvent.of(LogicalProcessorBlock.half(frame + EventBlock.EVENT_CODE));
        boolean write = (BigWords.getInt(frame + EventBlock.QUALIFIER) & EventBlock.WRITE) != 0;
        long iova = BigWords.get(frame + EventBlock.ADDRESS);
        endpoints.apply(BigWords.getInt(frame + EventBlock.FUNCTION))
                .ifPresent(endpoint -> taken.add(new Taken(endpoint, event, iova, write ? DmaAccess.WRITE : DmaAccess.READ)));
        return true;
    }

    private void report(Taken taken) {
        taken.endpoint.faulted(new DmaFault(hardware, taken.endpoint.requesterId(), OptionalInt.empty(), taken.iova, taken.access,
                taken.event.kind(), taken.event.code(), taken.event.text()));
    }

    /** Waits for the end of a flood; takes nothing any more, and gives its memory back. */
    @Override
    public void close() {
        handling.close();
        lock.lock();
        try {
            if (!closed) {
                closed = true;
                pool.free(frame, FRAME_LG2);
            }
        } finally {
            lock.unlock();
        }
    }
}
