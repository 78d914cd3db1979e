package iommufd.core.node;

import iommufd.api.Errno;
import iommufd.api.EventQueue;
import iommufd.api.IommufdException;
import iommufd.api.node.Caller;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IommufdFile;
import iommufd.api.uapi.IommufdVeventHeader;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;

/** The file of a vIOMMU's event queue. It holds queue and context. */
final class EventFile implements OpenNode {
    private static final int HEADER_BYTES = IommufdVeventHeader.SIZE_BYTES;

    private final OpenIommu iommu;
    private final IommufdFile.Hold context;
    private final EventQueue queue;
    private final AtomicBoolean closed = new AtomicBoolean();

    EventFile(OpenIommu iommu, EventQueue queue) {
        this.iommu = iommu;
        this.queue = queue;
        iommu.client().hold(queue);
        context = iommu.hold();
    }

    @Override
    public long ioctl(Caller caller, int request, long argument) {
        throw new IommufdException(Errno.ENOTTY, "an event queue has no ioctls");
    }

    @Override
    public int read(Caller caller, MemorySegment target, long offset) {
        if (offset != 0) {
            throw new IommufdException(Errno.ESPIPE, "an event queue has no positions");
        }
        long room = target.byteSize();
        if (room < HEADER_BYTES) {
            throw new IommufdException(Errno.EINVAL, "an event has at least %d bytes".formatted(HEADER_BYTES));
        }
        int done = 0;
        while (room - done >= HEADER_BYTES) {
            Optional<EventQueue.Event> next = next(room - done, done > 0);
            if (next.isEmpty()) {
                break;
            }
            done += store(next.get(), target.asSlice(done));
        }
        return done;
    }

    @Override
    public boolean answersEmptyReads() {
        return true;
    }

    private Optional<EventQueue.Event> next(long room, boolean mayStop) {
        try {
            return iommu.client().read(queue, event -> HEADER_BYTES + event.payload().length <= room);
        } catch (IommufdException refused) {
            if (mayStop && refused.errno() == Errno.EINVAL) {
                return Optional.empty();
            }
            throw refused;
        }
    }

    private static int store(EventQueue.Event event, MemorySegment target) {
        IommufdVeventHeader.flags(target, event.lost() ? IommufdVeventHeader.IOMMU_VEVENTQ_FLAG_LOST_EVENTS : 0);
        IommufdVeventHeader.sequence(target, event.sequence());
        MemorySegment.copy(MemorySegment.ofArray(event.payload()), 0, target, HEADER_BYTES, event.payload().length);
        return HEADER_BYTES + event.payload().length;
    }

    @Override
    public int poll() {
        return Readiness.readable(queue::awaitReadable) ? READABLE : 0;
    }

    @Override
    public void onPollChange(Runnable listener) {
        queue.onReadable(listener);
    }

    @Override
    public void close() {
        if (closed.getAndSet(true)) {
            return;
        }
        Unwind.quietly(() -> iommu.client().letGo(queue));
        context.close();
    }
}
