package devnode.fuse.client;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.Linux;
import devnode.fuse.memory.ClientPins;
import devnode.fuse.memory.FileMemory;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.ClientFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/** A copy of a client's descriptor. */
final class TakenFile implements ClientFile {
    private static final MemorySegment ONE = Arena.global().allocateFrom(JAVA_LONG, 1L);

    private final ClientPins pins;
    private final int descriptor;
    private Optional<FileMemory> content = Optional.empty();
    private boolean closed;

    TakenFile(int descriptor, ClientPins pins) {
        this.descriptor = descriptor;
        this.pins = pins;
    }

    @Override
    public synchronized int descriptor() {
        if (closed) {
            throw new IommufdException(Errno.EBADF, "the file of the client is closed");
        }
        return descriptor;
    }

    @Override
    public synchronized void signal() {
        ErrorNumber.check("the file of the client cannot be signalled", Linux.write(descriptor(), ONE.address(), ONE.byteSize()));
    }

    @Override
    public synchronized UserMemory mappable() {
        if (content.isEmpty()) {
            content = Optional.of(pins.passed().of(descriptor(), pins));
        }
        return content.get();
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            content.ifPresent(FileMemory::release);
            Linux.close(descriptor);
        }
    }
}
