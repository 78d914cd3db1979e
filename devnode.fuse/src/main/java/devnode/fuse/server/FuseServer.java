package devnode.fuse.server;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import devnode.fuse.client.ClientCall.FileOpener;
import devnode.fuse.client.ClientCall;
import devnode.fuse.client.ClientProcesses;
import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.FileStatus;
import devnode.fuse.linux.IdleProcessors;
import devnode.fuse.linux.Linux;
import devnode.fuse.memory.ClientPins;
import devnode.fuse.memory.FileMemory;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.node.DeviceNode;
import iommufd.api.node.NodeActivity.NodeCounts;
import iommufd.api.node.OpenNode;
import iommufd.api.node.SysfsDirectory;
import iommufd.api.node.SysfsEntry;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.SortedSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Serves nodes to other processes over one mounted FUSE file system. Thread-safe. */
public final class FuseServer implements FileOpener {
    private static final Logger LOG = LoggerFactory.getLogger(FuseServer.class);
    /** Threads that wait for requests; more are started while all are busy. */
    static final int READERS = 4;
    /** Threads that stay after a rush. */
    static final int MAX_IDLE_READERS = 8;
    /** Requests under way at most; one thread is always left to read interrupts. */
    private static final int MAX_READERS = 128;
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(5);

    /** An ioctl that only this process gets an answer to: the handle of an open file. */
    static final int IDENTIFY = 0x8008_F546;
    /** How we open a file that was made for a client, and with what inode numbers. */
    static final String AWAITED_PREFIX = ".open-";
    static final long AWAITED_INODES = 1L << 48;
    /** How we mount what services show instead of the machine's directories. */
    static final String SYSFS_ROOT = ".sysfs";

    private static final MemorySegment NOTHING = MemorySegment.ofArray(new byte[0]);

    private final NodeTree tree = new NodeTree();
    private final DeviceNumbers numbers = new DeviceNumbers();
    private final SysfsTree sysfs = new SysfsTree();
    private final SysfsFiles sysfsFiles = new SysfsFiles(sysfs, tree);
    private final OpenFiles files = new OpenFiles();
    private final Bursts bursts;
    private final Reader.ReadOrder order;
    private final Map<Reader, Thread> readers = new ConcurrentHashMap<>();
    private final OutsideCalls outside = new OutsideCalls();
    private final AtomicInteger readerNumber = new AtomicInteger();
    private final int ownProcess = (int) ProcessHandle.current().pid();
    private final ClientProcesses processes;
    private final CallTrace trace;
    private final FuseMount mount;
    private final BackingFiles backing;
    private final long fileSystem;
    private volatile boolean stopping;

    private FuseServer(FuseMount mount, ClientProcesses processes, CallTrace trace, long spinNanos) {
        this.trace = trace;
        this.bursts = new Bursts(IdleProcessors.ofMachine(), spinNanos);
        this.order = new Reader.ReadOrder(bursts);
        this.mount = mount;
        this.processes = processes;
        this.backing = new BackingFiles(mount.device());
        FileStatus status = new FileStatus();
        status.load(mount.root());
        fileSystem = status.device();
        SysfsEntry devices = new SysfsEntry.Attribute(() -> numbers.devices().getBytes(StandardCharsets.UTF_8), Optional.empty());
        sysfs.add(DeviceNumbers.DEVICES.getParent().toString(), () -> Map.of(DeviceNumbers.DEVICES.getFileName().toString(), devices));
    }

    /**
     * Mounts, without any node yet.
     *
     * @param point directory to mount at for all to see; empty if only programs that are launched shall see it
     * @param trace who is told of calls
     * @param spinNanos how long after a request processors stay awake for the next, see {@link Bursts}
     * @throws IommufdException with the reason
     */
    public static FuseServer start(Optional<Path> point, ClientProcesses processes, CallTrace trace, long spinNanos) {
        FuseMount mount = FuseMount.create(point);
        FuseServer server = new FuseServer(mount, processes, trace, spinNanos);
        try {
            Handshake.with(mount.device(), PATIENCE_NANOS);
        } catch (RuntimeException | Error failed) {
            mount.abort();
            mount.close();
            server.bursts.close();
            throw failed;
        }
        for (int i = 0; i < READERS; i++) {
            server.startReader();
        }
        return server;
    }

    /**
     * Puts a node at its path.
     *
     * @param driver its name in {@code /proc/devices}
     * @return false if it cannot be there, with a warning
     */
    public boolean publish(String path, DeviceNode service, Permissions permissions, String driver) {
        boolean added = tree.add(new PublishedNode(path, service, permissions, numbers.of(driver, path), trace));
        if (!added) {
            LOG.warn("no node can be published at {}: it must be a path below /dev, and free", path);
        }
        return added;
    }

    /** Takes a node away: calls end, what is open of it answers ENODEV. */
    public void withdraw(DeviceNode service) {
        tree.nodes().stream().filter(node -> node.service == service).forEach(this::withdraw);
    }

    private void withdraw(PublishedNode node) {
        tree.remove(node);
        node.opens.shut();
        drain(node.path, node.opens, node);
        for (OpenFile file : node.files) {
            if (file.shut()) {
                drain(node.path, file.gate, file);
                file.close();
            }
        }
        // Another thread may be closing files that clients let go of at this moment.
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        while (!node.files.isEmpty() && System.nanoTime() - deadline < 0) {
            LockSupport.parkNanos(TimeUnit.MICROSECONDS.toNanos(200));
        }
    }

    private void drain(String path, CallGate gate, Object callee) {
        if (!gate.awaitEmpty(PATIENCE_NANOS, () -> interruptCallsTo(callee))) {
            LOG.error("{}: a call of the node does not end although its thread was interrupted", path);
        }
    }

    private void interruptCallsTo(Object callee) {
        readers.forEach((reader, thread) -> reader.interruptCallTo(thread, callee));
        outside.interruptCallsTo(callee);
    }

    /** Shows a directory of sysfs to programs. @param path absolute, below {@code /sys/}, without . and .. */
    public void show(String path, SysfsDirectory directory) {
        sysfs.add(path, directory);
    }

    /** Shows it no more. */
    public void hide(SysfsDirectory directory) {
        sysfs.remove(directory);
    }

    /** Directories of sysfs that programs see ours instead of, none below another one. */
    public SortedSet<String> sysfsPaths() {
        return sysfs.paths();
    }

    /** Where programs see this file or directory of sysfs or proc, ours is here, in {@link #namespace()}; for this process alone. */
    public Path replacementOf(Path path) {
        return mount.point().resolve(SYSFS_ROOT).resolve(path.toString().substring(1));
    }

    /** The number of the character device that an inode of our file system stands for. */
    public Optional<DeviceNumber> number(long inode) {
        return tree.number(inode);
    }

    /** The file system as statx(2) tells it: that of a {@link FileStatus}. */
    public long fileSystem() {
        return fileSystem;
    }

    /** What has happened to the nodes that are there now. */
    public List<NodeCounts> counts() {
        return tree.nodes().stream().map(node -> node.counts.now(node.path, node.files.size()))
                .sorted(Comparator.comparing(NodeCounts::path)).toList();
    }

    /** Where nodes are now. */
    public List<String> paths() {
        return tree.nodes().stream().map(node -> node.path).toList();
    }

    /** Takes everything away; every client gets errors from now on. All threads have ended when this returns. */
    public void stop() {
        stopping = true;
        tree.nodes().forEach(this::withdraw);
        mount.abort();
        boolean interrupted = false;
        for (Thread thread : readers.values()) {
            try {
                if (!thread.join(Duration.ofNanos(PATIENCE_NANOS))) {
                    LOG.error("thread {} does not end", thread.getName());
                }
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        bursts.close();
        mount.close();
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** What the descriptor of this process was opened as, if it is on our file system. */
    @Override
    public Optional<OpenNode> nodeOf(int descriptor, FileStatus status) {
        OpenFile file = fileOf(descriptor, status);
        return file == null || file.gate.isShut() ? Optional.empty() : Optional.of(file.node);
    }

    @Override
    public Optional<FileMemory> mappedFile(long inode, ClientPins pins) {
        return backing.with(inode, file -> pins.passed().of(file, pins));
    }

    /** As {@link #nodeOf}. @return null if it is none of ours */
    OpenFile fileOf(int descriptor, FileStatus status) {
        if (status.load(descriptor) < 0 || status.device() != fileSystem) {
            return null;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment handle = arena.allocate(JAVA_LONG);
            return Linux.ioctl(descriptor, IDENTIFY & 0xffff_ffffL, handle.address()) < 0 ? null : files.get(handle.get(JAVA_LONG, 0));
        }
    }

    /** For calls of one more thread. */
    public ClientCall newCall() {
        return new ClientCall(processes, this);
    }

    /** Gives the client a copy of a descriptor of this process. */
    @FunctionalInterface
    public interface DescriptorGift {
        /** @return its number in the client */
        int give(int descriptor, boolean closeOnExec);
    }

    /**
     * An ioctl that came another way than over FUSE, and so may open files in the client.
     *
     * @param call begun
     * @param number of the client's descriptor
     * @return the result or minus an error number; empty if the descriptor is none of our files
     */
    public OptionalInt ioctl(ClientCall call, int number, int request, long argument, DescriptorGift gift) {
        int copy = call.copyFile(number);
        try {
            OpenFile file = fileOf(copy, new FileStatus());
            if (file == null) {
                return OptionalInt.empty();
            }
            call.withInstaller((node, closeOnExec) -> {
                int descriptor = openAwaited(node, file);
                try {
                    return gift.give(descriptor, closeOnExec);
                } finally {
                    Linux.close(descriptor);
                }
            });
            return OptionalInt.of(outside.make(file, () -> NodeCalls.ioctl(file, call, request, argument)));
        } finally {
            Linux.close(copy);
        }
    }

    /**
     * A read(2) of 0 bytes, of which the kernel tells FUSE nothing.
     *
     * @param call begun
     * @param number of the client's descriptor
     * @return the result or minus an error number; empty if the kernel's answer is right
     */
    public OptionalInt emptyRead(ClientCall call, int number) {
        int copy = call.copyFile(number);
        try {
            OpenFile file = fileOf(copy, new FileStatus());
            return file == null || !file.node.answersEmptyReads() ? OptionalInt.empty()
                    : OptionalInt.of(outside.make(file, () -> NodeCalls.read(file, call, NOTHING, 0)));
        } finally {
            Linux.close(copy);
        }
    }

    /** Opens a file for a client. @return our descriptor of it, which the caller closes */
    int openAwaited(OpenNode node, OpenFile maker) {
        OpenFile file = hold(node, maker.owner);
        long number = files.await(file);
        int descriptor = Linux.openAt(mount.root(), AWAITED_PREFIX + number, Linux.O_RDWR);
        if (descriptor < 0 && files.take(number) != null) {
            abandon(file);
        }
        return ErrorNumber.check("a new file of " + maker.owner.path + " cannot be opened", descriptor);
    }

    static boolean isAwaited(long inode) {
        return inode >= AWAITED_INODES;
    }

    OpenFile takeAwaited(long inode) {
        OpenFile file = files.take(inode - AWAITED_INODES);
        if (file == null) {
            throw new IommufdException(Errno.ENXIO, "this file can be opened only once");
        }
        return file;
    }

    /** A client opens a node. @throws IommufdException its errno */
    OpenFile open(long inode, ClientCall call, Reader reader) {
        PublishedNode published = tree.entry(inode).flatMap(NodeTree.Entry::node).orElse(null);
        if (published == null || !published.opens.enter()) {
            throw new IommufdException(Errno.ENODEV, "the node has gone");
        }
        try {
            reader.enters(published);
            OpenFile file = hold(published.service.open(call), published);
            tellOpen(published, call, file.name(), 0);
            return file;
        } catch (IommufdException refused) {
            tellOpen(published, call, published.path, -refused.errno().number());
            throw refused;
        } catch (Throwable failed) {
            LOG.warn("{}: opening failed", published.path, failed);
            throw new IommufdException(Errno.EIO, published.path + " failed to open", failed);
        } finally {
            published.opens.leave();
        }
    }

    private static void tellOpen(PublishedNode node, ClientCall call, String name, int result) {
        if (node.trace.isOn()) {
            node.trace.told(call, name, "open", result);
        }
    }

    private OpenFile hold(OpenNode node, PublishedNode owner) {
        try {
            OpenFile file = new OpenFile(node, owner, device());
            owner.files.add(file);
            return file;
        } catch (RuntimeException | Error failed) {
            node.close();
            throw failed;
        }
    }

    /** Nobody has the file any more. */
    void abandon(OpenFile file) {
        if (file.shut()) {
            file.close();
        }
        processes.sweepNowAndThen();
    }

    void interruptRequest(long unique) {
        readers.forEach((reader, thread) -> reader.interrupt(thread, unique));
    }

    /** @return false if there are too many */
    boolean startReader() {
        if (readers.size() >= MAX_READERS || stopping) {
            return false;
        }
        Reader reader = new Reader(this, order);
        Thread thread = Thread.ofPlatform().name("devnode-" + readerNumber.incrementAndGet()).daemon().unstarted(reader);
        readers.put(reader, thread);
        try {
            thread.start();
            return true;
        } catch (OutOfMemoryError noMoreThreads) {
            LOG.error("no thread can be started for one more request", noMoreThreads);
            readers.remove(reader);
            return false;
        }
    }

    void readerEnds(Reader reader) {
        readers.remove(reader);
    }

    boolean isStopping() {
        return stopping;
    }

    boolean isOurs(int thread) {
        return Linux.isThreadOf(ownProcess, thread);
    }

    int device() {
        return mount.device();
    }

    /** Where it is mounted, in {@link #namespace()}. */
    public Path point() {
        return mount.point();
    }

    /** Descriptor of the mount namespace it is mounted in. */
    public int namespace() {
        return mount.namespace();
    }

    NodeTree tree() {
        return tree;
    }

    SysfsTree sysfs() {
        return sysfs;
    }

    SysfsFiles sysfsFiles() {
        return sysfsFiles;
    }

    OpenFiles files() {
        return files;
    }

    BackingFiles backing() {
        return backing;
    }
}
