package devnode.fuse.client;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import devnode.fuse.client.ClientCall.FileOpener;
import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.FileStatus;
import devnode.fuse.linux.Linux;
import devnode.fuse.memory.FileMemory;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.ClientFile;
import iommufd.api.node.OpenNode;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/** A copy of a client's descriptor. */
final class TakenFile implements ClientFile {
    private static final MemorySegment ONE = Arena.global().allocateFrom(JAVA_LONG, 1L);
    /** Added to the number of signals under way when no more may begin. */
    private static final int CLOSING = 1 << 30;
    private static final int PATIENT_TURNS = 10_000;
    private static final Path EVENTFD = Path.of("anon_inode:[eventfd]");

    private final AtomicInteger signals = new AtomicInteger();
    private final MemorySegment poll = Arena.ofAuto().allocate(Linux.POLL_BYTES, Long.BYTES);
    private final ClientProcesses processes;
    private final FileOpener opener;
    private final int descriptor;
    private Optional<SignalWatch.Watched> watched = Optional.empty();
    private Optional<FileMemory> content = Optional.empty();
    private boolean closed;

    TakenFile(int descriptor, ClientProcesses processes, FileOpener opener) {
        this.descriptor = descriptor;
        this.processes = processes;
        this.opener = opener;
    }

    @Override
    public synchronized int descriptor() {
        if (closed) {
            throw new IommufdException(Errno.EBADF, "the file of the client is closed");
        }
        return descriptor;
    }

    @Override
    public synchronized Optional<OpenNode> node() {
        return opener.nodeOf(descriptor(), new FileStatus());
    }

    @Override
    public synchronized boolean isEventfd() {
        try {
            return Files.readSymbolicLink(Path.of("/proc/self/fd/" + descriptor())).equals(EVENTFD);
        } catch (IOException e) {
            throw new IommufdException(Errno.EIO, "/proc does not tell what a file of the client is", e);
        }
    }

    /**
     * A client may fill the counter of its eventfd, and a write would wait until it reads. Full is as good as signalled, so it is looked at
     * first; who waits all the same, because the client was faster, is woken by {@link #close()}.
     */
    @Override
    public void signal() {
        try {
            if (signals.incrementAndGet() >= CLOSING) {
                throw new IommufdException(Errno.EBADF, "the file of the client is closed");
            }
            if (Linux.isReady(descriptor, Linux.POLLOUT, poll.address())) {
                ErrorNumber.check("the file of the client cannot be signalled", Linux.write(descriptor, ONE.address(), ONE.byteSize()));
            }
        } finally {
            signals.decrementAndGet();
        }
    }

    /** Waits for signals under way; those that wait for the client's next read get one. */
    private void endSignals() {
        signals.addAndGet(CLOSING);
        MemorySegment count = MemorySegment.NULL;
        for (int turns = 0; signals.get() > CLOSING; turns++) {
            if (turns < PATIENT_TURNS) {
                Thread.onSpinWait();
            } else if (Linux.isReady(descriptor, Linux.POLLIN, poll.address())) {
                count = count.byteSize() == 0 ? Arena.ofAuto().allocate(JAVA_LONG) : count;
                Linux.read(descriptor, count.address(), count.byteSize());
            }
        }
    }

    @Override
    public synchronized void onSignal(Runnable listener) {
        if (!isEventfd()) {
            throw new IommufdException(Errno.EINVAL, "the file of the client is no eventfd");
        }
        if (watched.isPresent()) {
            throw new IommufdException(Errno.EBUSY, "somebody listens to the eventfd of the client");
        }
        watched = Optional.of(processes.signals().add(descriptor, listener));
    }

    @Override
    public synchronized UserMemory mappable() {
        if (content.isEmpty()) {
            content = Optional.of(processes.pins().passed().of(descriptor(), processes.pins()));
        }
        return content.get();
    }

    @Override
    public void close() {
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
            content.ifPresent(FileMemory::release);
        }
        watched.ifPresent(SignalWatch.Watched::close); // unlocked: a listener may be using this
        endSignals();
        Linux.close(descriptor);
    }
}
