package vfio.compat;

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
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/** A program without a process: its address space is RAM from {@link #BASE} on, its files are a table. */
public final class TestClient implements Caller, ClientMemory, ClientFiles {
    public static final long BASE = 0x7F00_0000_0000L;
    /** Where structs are built. */
    public static final long STRUCT = BASE;
    /** Where bitmaps lie. */
    public static final long BITMAP = BASE + 0x10000;
    /** Memory to map. */
    public static final long BUFFER = BASE + 0x100000;
    private static final long PAGE = UserMemory.PAGE_BYTES;

    private final GuestRam ram;
    private final Set<Long> holes = new TreeSet<>();
    private final Map<Integer, OpenNode> nodes = new HashMap<>();
    private final Mappable mappable = new Mappable();
    private int nextDescriptor = 10;
    public ContextOwner owner = new ContextOwner(77, 1000, ContextOwner.UNLIMITED, false, false);
    public int mayOpen = Integer.MAX_VALUE;
    public final AtomicLong pinnedPages = new AtomicLong();

    public TestClient(GuestRam ram) {
        this.ram = ram;
    }

    public void hole(long address) {
        holes.add(address / PAGE);
    }

    public void fill(long address) {
        holes.remove(address / PAGE);
    }

    public MemorySegment at(long address, long lengthBytes) {
        return ram.segment().asSlice(address - BASE, lengthBytes);
    }

    public int openNode(OpenNode node) {
        nodes.put(nextDescriptor, node);
        return nextDescriptor++;
    }

    public OpenNode file(int number) {
        return nodes.get(number);
    }

    public void close(int number) {
        nodes.remove(number).close();
    }

    /** What a C program sees: a result, or the name of errno. */
    public String ioctl(OpenNode node, int request, long argument) {
        try {
            return Long.toString(node.ioctl(this, request, argument));
        } catch (IommufdException refused) {
            return refused.errno().name();
        } catch (InterruptedException interrupted) {
            throw new AssertionError(interrupted);
        }
    }

    /** Builds a struct at {@link #STRUCT}; {@code argsz} is its size unless {@code fields} says otherwise. */
    public MemorySegment struct(int sizeBytes, Consumer<MemorySegment> fields) {
        MemorySegment struct = at(STRUCT, sizeBytes);
        struct.fill((byte) 0);
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, 0, sizeBytes);
        fields.accept(struct);
        return struct;
    }

    private void check(long address, long lengthBytes) {
        boolean inside = lengthBytes <= ram.lengthBytes() && address >= BASE && address <= BASE + ram.lengthBytes() - lengthBytes;
        for (long page = address / PAGE; inside && !holes.isEmpty() && page <= (address + lengthBytes - 1) / PAGE; page++) {
            inside = !holes.contains(page);
        }
        if (!inside) {
            throw new IommufdException(Errno.EFAULT, "the client cannot reach 0x%x bytes at 0x%x".formatted(lengthBytes, address));
        }
    }

    @Override
    public ContextOwner owner() {
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
        check(address, target.byteSize());
        MemorySegment.copy(ram.segment(), address - BASE, target, 0, target.byteSize());
    }

    @Override
    public void write(long address, MemorySegment source) {
        check(address, source.byteSize());
        MemorySegment.copy(source, 0, ram.segment(), address - BASE, source.byteSize());
    }

    @Override
    public UserMemory mappable() {
        return mappable;
    }

    @Override
    public Optional<OpenNode> node(int number) {
        if (number == 0) {
            return Optional.empty();   // a terminal
        }
        if (!nodes.containsKey(number)) {
            throw new IommufdException(Errno.EBADF, "no descriptor " + number);
        }
        return Optional.of(nodes.get(number));
    }

    @Override
    public ClientFile take(int number) {
        throw new IommufdException(Errno.EBADF, "no descriptor " + number);
    }

    @Override
    public int install(OpenNode node, boolean closeOnExec) {
        if (mayOpen == 0) {
            node.close();
            throw new IommufdException(Errno.EMFILE, "too many files");
        }
        mayOpen--;
        return openNode(node);
    }

    private final class Mappable implements UserMemory {
        @Override
        public Kind kind() {
            return Kind.PROCESS;
        }

        @Override
        public void pin(long address, long lengthBytes, boolean writable, PinnedRuns runs) {
            check(address, lengthBytes);
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
