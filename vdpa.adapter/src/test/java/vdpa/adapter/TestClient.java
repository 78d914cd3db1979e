package vdpa.adapter;

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
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** A program without a process: its address space is RAM from {@link #BASE} on, its files are a table. */
final class TestClient implements Caller, ClientMemory, ClientFiles {
    static final long BASE = 0x7F00_0000_0000L;
    /** Where structs are built. */
    static final long STRUCT = BASE;
    /** Memory to map. */
    static final long BUFFER = BASE + 0x100000;

    private final GuestRam ram;
    private final Map<Integer, Object> files = new ConcurrentHashMap<>();
    private final Mappable mappable = new Mappable();
    private final AtomicInteger nextDescriptor = new AtomicInteger(10);
    /** How many copies of its descriptors this runtime holds. */
    final AtomicInteger taken = new AtomicInteger();

    TestClient(GuestRam ram) {
        this.ram = ram;
    }

    /** An eventfd as the client sees it. */
    static final class TestEventfd {
        final AtomicInteger count = new AtomicInteger();
        private volatile Runnable listener = () -> { };

        /** The client writes to it. */
        void write() {
            listener.run();
        }

        /** The client reads it. */
        int read() {
            return count.getAndSet(0);
        }
    }

    MemorySegment at(long address, long lengthBytes) {
        return ram.segment().asSlice(address - BASE, lengthBytes);
    }

    private int add(Object file) {
        int number = nextDescriptor.getAndIncrement();
        files.put(number, file);
        return number;
    }

    int openNode(OpenNode node) {
        return add(node);
    }

    /** A descriptor that is neither a node nor an eventfd. */
    int openOther() {
        return add("a file");
    }

    int eventfd() {
        return add(new TestEventfd());
    }

    TestEventfd eventfd(int number) {
        return (TestEventfd) files.get(number);
    }

    OpenNode node(long number) {
        return (OpenNode) files.get((int) number);
    }

    void close(int number) {
        if (files.remove(number) instanceof OpenNode node) {
            node.close();
        }
    }

    /** What a C program sees: a result, or the name of errno. */
    String ioctl(OpenNode node, int request, long argument) {
        try {
            return Long.toString(node.ioctl(this, request, argument));
        } catch (IommufdException refused) {
            return refused.errno().name();
        } catch (InterruptedException interrupted) {
            throw new AssertionError(interrupted);
        }
    }

    private void check(long address, long lengthBytes) {
        if (lengthBytes > ram.lengthBytes() || address < BASE || address > BASE + ram.lengthBytes() - lengthBytes) {
            throw new IommufdException(Errno.EFAULT, "the client cannot reach 0x%x bytes at 0x%x".formatted(lengthBytes, address));
        }
    }

    @Override
    public ContextOwner owner() {
        return new ContextOwner(77, 1000, ContextOwner.UNLIMITED, true, true);
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
        if (!files.containsKey(number)) {
            throw new IommufdException(Errno.EBADF, "no descriptor " + number);
        }
        return files.get(number) instanceof OpenNode node ? Optional.of(node) : Optional.empty();
    }

    @Override
    public ClientFile take(int number) {
        Optional<OpenNode> node = node(number);
        Object file = files.get(number);
        taken.incrementAndGet();
        return new ClientFile() {
            private boolean closed;
            private Runnable listening = () -> { };

            @Override
            public int descriptor() {
                return number;
            }

            @Override
            public Optional<OpenNode> node() {
                return node;
            }

            @Override
            public boolean isEventfd() {
                return file instanceof TestEventfd;
            }

            @Override
            public synchronized void signal() {
                if (closed) {
                    throw new IommufdException(Errno.EBADF, "closed");
                }
                ((TestEventfd) file).count.incrementAndGet();
            }

            @Override
            public void onSignal(Runnable listener) {
                listening = listener;
                ((TestEventfd) file).listener = listener;
            }

            @Override
            public UserMemory mappable() {
                throw new IommufdException(Errno.EINVAL, "no memory");
            }

            @Override
            public synchronized void close() {
                if (!closed) {
                    closed = true;
                    taken.decrementAndGet();
                    if (file instanceof TestEventfd eventfd && eventfd.listener == listening) {
                        eventfd.listener = () -> { };
                    }
                }
            }
        };
    }

    @Override
    public int install(OpenNode node, boolean closeOnExec) {
        return add(node);
    }

    /** The client's memory as devices reach it. */
    private final class Mappable implements UserMemory {
        @Override
        public Kind kind() {
            return Kind.PROCESS;
        }

        @Override
        public void pin(long address, long lengthBytes, boolean writable, PinnedRuns runs) {
            check(address, lengthBytes);
            ram.pin(address - BASE, lengthBytes, writable, runs);
        }

        @Override
        public void unpin(long physicalAddress, long lengthBytes) {
            ram.unpin(physicalAddress, lengthBytes);
        }
    }
}
