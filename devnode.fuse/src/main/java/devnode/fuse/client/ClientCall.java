package devnode.fuse.client;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import devnode.fuse.linux.FileStatus;
import devnode.fuse.linux.Linux;
import devnode.fuse.memory.ClientPins;
import devnode.fuse.memory.FileMemory;
import iommufd.api.ContextOwner;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.Caller;
import iommufd.api.node.ClientFile;
import iommufd.api.node.ClientFiles;
import iommufd.api.node.ClientMemory;
import iommufd.api.node.OpenNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * The call a thread serves at the moment, as the node sees it. Reused for the next one; only for its thread.
 *
 * <p>Of an ioctl with a size the kernel has copied the structure already, and will copy the answer: both are served out of buffers
 * here, as if they were the client's memory.
 */
public final class ClientCall implements Caller, ClientMemory, ClientFiles {
    private static final long PAGE_BYTES = 4096;
    private static final int BOUNCE_BYTES = 4096;
    private static final MemorySegment NOTHING = MemorySegment.ofArray(new byte[0]);

    private final ClientProcesses processes;
    private final FileOpener opener;
    private final MemorySegment vectors = Arena.ofAuto().allocate(Linux.VECTOR_BYTES, 8);
    private final MemorySegment bounce = Arena.ofAuto().allocate(BOUNCE_BYTES, 8);
    private final FileStatus status = new FileStatus();
    private int thread;
    private boolean nonBlocking;
    private long structAddress;
    private MemorySegment input = NOTHING;
    private MemorySegment output = NOTHING;
    private long outputBytes;
    private FileInstaller installer = FileInstaller.NONE;

    /** Knows our own open files. */
    @FunctionalInterface
    public interface FileOpener {
        /** What a descriptor of this process, on our file system, was opened as; empty if it is gone. */
        Optional<OpenNode> nodeOf(int descriptor, FileStatus status);

        /** The file that clients of a node map, retained; empty if the node is not open. */
        default Optional<FileMemory> mappedFile(long inode, ClientPins pins) {
            return Optional.empty();
        }
    }

    /** Opens files in the client of the current call. */
    @FunctionalInterface
    public interface FileInstaller {
        /** Nothing can be opened in clients that nobody watches. */
        FileInstaller NONE = (node, closeOnExec) -> {
            node.close();
            throw new IommufdException(Errno.EOPNOTSUPP, "no file can be opened in this client: start it by ./vmm exec -- COMMAND, "
                    + "and name the request in the property " + iommufd.api.node.DeviceNode.DESCRIPTOR_REQUESTS);
        };

        /** As {@link ClientFiles#install}. */
        int install(OpenNode node, boolean closeOnExec);
    }

    /** For one thread that serves calls. */
    public ClientCall(ClientProcesses processes, FileOpener opener) {
        this.processes = processes;
        this.opener = opener;
    }

    /** A new call, without a structure. @param ofThread client's thread */
    public ClientCall begin(int ofThread) {
        thread = ofThread;
        nonBlocking = false;
        input = NOTHING;
        output = NOTHING;
        outputBytes = 0;
        installer = FileInstaller.NONE;
        return this;
    }

    /** The call is a read or a write of a file with these flags. */
    public ClientCall withFlags(int openFlags) {
        nonBlocking = (openFlags & Linux.O_NONBLOCK) != 0;
        return this;
    }

    /** The call is an ioctl whose structure the kernel copies. @param address of the structure in the client */
    public ClientCall withStructure(long address, MemorySegment copied, MemorySegment answer) {
        structAddress = address;
        input = copied;
        output = answer;
        return this;
    }

    /** The call may open files in the client. */
    public ClientCall withInstaller(FileInstaller fileInstaller) {
        installer = fileInstaller;
        return this;
    }

    /** The client's thread, as the system numbers it. */
    public int thread() {
        return thread;
    }

    /** How much of the structure's answer was filled in. */
    public long answerBytes() {
        return outputBytes;
    }

    @Override
    public ContextOwner owner() {
        return processes.of(thread).owner(thread);
    }

    @Override
    public Optional<MappedNode> mappedNode(long address, long lengthBytes) {
        return processes.of(thread).memory().nodeMapping(address, lengthBytes)
                .flatMap(node -> opener.mappedFile(node.inode(), processes.pins()).map(file -> new MappedNode(file, node.offset(), node.writable())));
    }

    @Override
    public ClientMemory memory() {
        return this;
    }

    @Override
    public ClientFiles files() {
        return this;
    }

    @Override
    public boolean nonBlocking() {
        return nonBlocking;
    }

    @Override
    public void read(long address, MemorySegment target) {
        long length = target.byteSize();
        if (inside(address, length, input)) {
            MemorySegment.copy(input, address - structAddress, target, 0, length);
        } else if (target.isNative()) {
            readNative(address, target);
        } else if (length <= BOUNCE_BYTES) {
            readNative(address, bounce.asSlice(0, length));
            MemorySegment.copy(bounce, 0, target, 0, length);
        } else {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment large = arena.allocate(length);
                readNative(address, large);
                target.copyFrom(large);
            }
        }
    }

    @Override
    public void write(long address, MemorySegment source) {
        long length = source.byteSize();
        if (inside(address, length, output) && (address - structAddress <= outputBytes || input.byteSize() == output.byteSize())) {
            writeAnswer(address - structAddress, source);
        } else if (source.isNative()) {
            writeNative(address, source);
        } else if (length <= BOUNCE_BYTES) {
            MemorySegment.copy(source, 0, bounce, 0, length);
            writeNative(address, bounce.asSlice(0, length));
        } else {
            try (Arena arena = Arena.ofConfined()) {
                writeNative(address, arena.allocate(length).copyFrom(source));
            }
        }
    }

    @Override
    public UserMemory mappable() {
        return processes.of(thread).memory();
    }

    /** A copy of a descriptor of the client, which the caller closes. @throws IommufdException {@link Errno#EBADF} */
    public int copyFile(int number) {
        return processes.of(thread).takeFile(number);
    }

    @Override
    public Optional<OpenNode> node(int number) {
        int taken = copyFile(number);
        try {
            return opener.nodeOf(taken, status);
        } finally {
            Linux.close(taken);
        }
    }

    @Override
    public ClientFile take(int number) {
        return new TakenFile(copyFile(number), processes, opener);
    }

    @Override
    public int install(OpenNode node, boolean closeOnExec) {
        return installer.install(node, closeOnExec);
    }

    private boolean inside(long address, long length, MemorySegment structure) {
        return Long.compareUnsigned(address - structAddress, structure.byteSize()) < 0
                && length <= structure.byteSize() - (address - structAddress);
    }

    /** What the node leaves out of an answer keeps what the client had there. */
    private void writeAnswer(long offset, MemorySegment source) {
        if (outputBytes == 0 && input.byteSize() == output.byteSize()) {
            output.copyFrom(input);
            outputBytes = output.byteSize();
        }
        MemorySegment.copy(source, 0, output, offset, source.byteSize());
        outputBytes = Math.max(outputBytes, offset + source.byteSize());
    }

    private void readNative(long address, MemorySegment target) {
        if (Linux.readProcess(thread, address, target.address(), target.byteSize(), vectors) != target.byteSize()) {
            throw fault("read", address, target.byteSize());
        }
    }

    private void writeNative(long address, MemorySegment source) {
        long length = source.byteSize();
        if (length == 0) {
            return;
        }
        long last = address + length - 1;
        if ((address ^ last) >= PAGE_BYTES || (address ^ last) < 0) {
            checkPages(address, length);
        }
        if (Linux.writeProcess(thread, address, source.address(), length, vectors) != length) {
            throw fault("write", address, length);
        }
    }

    /** A copy that fails on its second page would leave the first one written. */
    private void checkPages(long address, long length) {
        if (address < 0 || length > Long.MAX_VALUE - address || !processes.of(thread).memory().isWritable(address, length)) {
            throw fault("write", address, length);
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment probe = arena.allocate(JAVA_BYTE);
            for (long page = address & -PAGE_BYTES; page < address + length; page += PAGE_BYTES) {
                if (Linux.readProcess(thread, page, probe.address(), 1, vectors) != 1) {
                    throw fault("write", page, 1);
                }
            }
        }
    }

    private IommufdException fault(String what, long address, long length) {
        return new IommufdException(Errno.EFAULT, "thread %d cannot %s 0x%x + 0x%x of its memory".formatted(thread, what, address, length));
    }
}
