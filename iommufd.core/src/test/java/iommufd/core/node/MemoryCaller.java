package iommufd.core.node;

import iommufd.api.ContextOwner;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.Caller;
import iommufd.api.node.ClientFile;
import iommufd.api.node.ClientFiles;
import iommufd.api.node.ClientMemory;
import iommufd.api.node.OpenNode;
import iommufd.core.fake.Sabotage;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;

/**
 * A client without a process: its address space is a piece of RAM from {@link #BASE} on, in which pages can be missing or
 * read-only; its files are a table.
 */
final class MemoryCaller implements Caller, ClientMemory, ClientFiles {
    static final long BASE = 0x7F00_0000_0000L;
    private static final long PAGE = UserMemory.PAGE_BYTES;

    private final GuestRam ram;
    private final Set<Long> holes = new TreeSet<>();
    private final Set<Long> readOnly = new TreeSet<>();
    private final Map<Integer, OpenNode> nodes = new HashMap<>();
    private final Map<Integer, UserMemory> contents = new HashMap<>();
    private final Mappable mappable = new Mappable();
    private int nextDescriptor = 10;
    ContextOwner owner = new ContextOwner(77, 1000, ContextOwner.UNLIMITED, true, true);
    /** May let anything fail that the client's side does. */
    Sabotage sabotage = new Sabotage();
    /** How many files may still be opened. */
    int mayOpen = Integer.MAX_VALUE;
    /** Pages pinned, each as often as it is. */
    final AtomicLong pinnedPages = new AtomicLong();

    MemoryCaller(GuestRam ram) {
        this.ram = ram;
    }

    /** Takes a page out of the address space. */
    void hole(long address) {
        holes.add(address / PAGE);
    }

    void protect(long address) {
        readOnly.add(address / PAGE);
    }

    MemorySegment at(long address, long lengthBytes) {
        return ram.segment().asSlice(address - BASE, lengthBytes);
    }

    UserMemory content() {
        return ram;
    }

    long lengthBytes() {
        return ram.lengthBytes();
    }

    @Override
    public LongSupplier lockedMemoryLimit() {
        return () -> owner.lockedMemoryLimitBytes();
    }

    /** Gives the client a file with that content; null for a file that is no memory. */
    int openFile(UserMemory content) {
        contents.put(nextDescriptor, content);
        return nextDescriptor++;
    }

    int openNode(OpenNode node) {
        nodes.put(nextDescriptor, node);
        return nextDescriptor++;
    }

    OpenNode installed(int number) {
        return nodes.get(number);
    }

    int openNodes() {
        return nodes.size();
    }

    void close(int number) {
        nodes.remove(number).close();
    }

    void closeAll() {
        List.copyOf(nodes.keySet()).forEach(this::close);
    }

    private void check(long address, long lengthBytes, boolean write) {
        boolean inside = lengthBytes <= ram.lengthBytes() && address >= BASE && address <= BASE + ram.lengthBytes() - lengthBytes;
        boolean spotted = !holes.isEmpty() || !readOnly.isEmpty();
        for (long page = address / PAGE; spotted && inside && page <= (address + lengthBytes - 1) / PAGE; page++) {
            inside = !holes.contains(page) && !(write && readOnly.contains(page));
        }
        if (!inside) {
            throw new IommufdException(Errno.EFAULT, "the client cannot reach 0x%x bytes at 0x%x".formatted(lengthBytes, address));
        }
    }

    @Override
    public ContextOwner owner() {
        sabotage.refusable("owner", Errno.EFAULT);
        return owner;
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
        return false;
    }

    @Override
    public void read(long address, MemorySegment target) {
        sabotage.refusable("read", Errno.EFAULT);
        check(address, target.byteSize(), false);
        MemorySegment.copy(ram.segment(), address - BASE, target, 0, target.byteSize());
    }

    @Override
    public void write(long address, MemorySegment source) {
        sabotage.refusable("write", Errno.EFAULT);
        check(address, source.byteSize(), true);
        MemorySegment.copy(source, 0, ram.segment(), address - BASE, source.byteSize());
    }

    @Override
    public UserMemory mappable() {
        sabotage.refusable("mappable", Errno.EFAULT);
        return mappable;
    }

    @Override
    public Optional<OpenNode> node(int number) {
        if (!nodes.containsKey(number) && !contents.containsKey(number)) {
            throw new IommufdException(Errno.EBADF, "no descriptor " + number);
        }
        return Optional.ofNullable(nodes.get(number));
    }

    @Override
    public ClientFile take(int number) {
        sabotage.refusable("take", Errno.EMFILE);
        node(number);
        UserMemory content = contents.get(number);
        return new ClientFile() {
            @Override
            public int descriptor() {
                return number;
            }

            @Override
            public Optional<OpenNode> node() {
                return MemoryCaller.this.node(number);
            }

            @Override
            public boolean isEventfd() {
                return false;
            }

            @Override
            public void signal() {
                throw new IommufdException(Errno.EINVAL, "no eventfd");
            }

            @Override
            public void onSignal(Runnable listener) {
                throw new IommufdException(Errno.EINVAL, "no eventfd");
            }

            @Override
            public UserMemory mappable() {
                return Optional.ofNullable(content).orElseThrow(() -> new IommufdException(Errno.EINVAL, "no memory"));
            }

            @Override
            public void close() { }
        };
    }

    @Override
    public int install(OpenNode node, boolean closeOnExec) {
        try {
            sabotage.refusable("install", Errno.EMFILE);
        } catch (IommufdException refused) {
            node.close();
            throw refused;
        }
        if (mayOpen == 0) {
            node.close();
            throw new IommufdException(Errno.EMFILE, "too many files");
        }
        mayOpen--;
        return openNode(node);
    }

    /** The client's memory as devices reach it. */
    private final class Mappable implements UserMemory {
        @Override
        public Kind kind() {
            return Kind.PROCESS;
        }

        @Override
        public void pin(long address, long lengthBytes, boolean writable, PinnedRuns runs) {
            sabotage.refusable("pin", Errno.ENOMEM);
            check(address, lengthBytes, writable);
            ram.pin(address - BASE, lengthBytes, writable, runs);
            pinnedPages.addAndGet(lengthBytes / PAGE);
        }

        @Override
        public void unpin(long physicalAddress, long lengthBytes) {
            ram.unpin(physicalAddress, lengthBytes);
            pinnedPages.addAndGet(-lengthBytes / PAGE);
        }
    }
}
