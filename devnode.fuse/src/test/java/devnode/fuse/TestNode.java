package devnode.fuse;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import iommufd.api.ContextOwner;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.Caller;
import iommufd.api.node.ClientFile;
import iommufd.api.node.DeviceNode;
import iommufd.api.node.OpenNode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/** A node with something of everything. The requests are those of {@code client.c}. */
final class TestNode implements DeviceNode {
    private static final int TYPE = 't' << 8;
    static final int SLEEP = TYPE | 5;
    static final int NEW_FILE = TYPE | 9;
    static final int NEW_FILE_IN_STRUCT = TYPE | 10;
    static final int FILE_BY_NAME = TYPE | 21;
    static final int FEATURE = TYPE | 22;

    final AtomicInteger opened = new AtomicInteger();
    final AtomicInteger closed = new AtomicInteger();
    final AtomicInteger sleeping = new AtomicInteger();
    final Map<Long, Pin> pins = new ConcurrentHashMap<>();
    volatile ContextOwner lastOwner;
    volatile boolean answersEmptyReads;
    /** Only one client at a time. */
    volatile boolean exclusive;
    volatile OptionalInt mappable = OptionalInt.empty();
    volatile boolean positioned;

    /** What a client let the node pin, retained. */
    record Pin(UserMemory memory, PinnedRuns runs) {
        void unpin() {
            for (int i = 0; i < runs.count(); i++) {
                memory.unpin(runs.physicalAddress(i), runs.lengthBytes(i));
            }
            memory.release();
        }
    }

    @Override
    public OpenNode open(Caller caller) {
        if (exclusive && opened.get() != closed.get()) {
            throw new IommufdException(Errno.EBUSY, "somebody has it");
        }
        return new Open(opened.incrementAndGet());
    }

    int inUse() {
        return opened.get() - closed.get();
    }

    private final class Open implements OpenNode {
        private final int serial;
        private final AtomicBoolean readable = new AtomicBoolean();
        private final List<ClientFile> kept = new CopyOnWriteArrayList<>();
        private volatile Runnable listener = () -> { };

        Open(int serial) {
            this.serial = serial;
        }

        @Override
        public long ioctl(Caller caller, int request, long argument) throws InterruptedException {
            if ((request & 0xff00) != TYPE) {
                throw new IommufdException(Errno.ENOTTY, "not ours");
            }
            return switch (request & 0xff) {
                case 1 -> 0;
                case 2, 3 -> sum(caller, argument);
                case 4 -> version(caller, argument);
                case 5 -> sleep(argument);
                case 6 -> fail(argument);
                case 7 -> throw new IllegalStateException("a bug in a node, on purpose");
                case 8 -> becomeReadable(argument);
                case 9 -> caller.files().install(new Open(opened.incrementAndGet()), true);
                case 10 -> installInStruct(caller, argument);
                case 11 -> signal(caller, (int) argument);
                case 12 -> caller.files().node((int) argument).isPresent() ? 1 : 0;
                case 13 -> serial;
                case 14 -> pin(caller, argument, caller.memory().mappable());
                case 15 -> pinFile(caller, argument);
                case 16 -> {
                    lastOwner = caller.owner();
                    yield 0;
                }
                case 17 -> answerEventfd(caller, argument);
                case 18 -> letGo();
                case 19 -> keep(caller.files().take((int) argument));
                case 20 -> caller.memory().readString(argument, 64).length();
                case 21 -> fileByName(caller, argument);
                case 22 -> feature(caller, argument);
                default -> throw new IommufdException(Errno.ENOTTY, "unknown");
            };
        }

        private long sum(Caller caller, long argument) {
            byte[] bytes = new byte[32];
            MemorySegment struct = MemorySegment.ofArray(bytes);
            caller.memory().read(argument, struct.asSlice(0, 16));
            struct.set(JAVA_LONG_UNALIGNED, 16, struct.get(JAVA_LONG_UNALIGNED, 0) + struct.get(JAVA_LONG_UNALIGNED, 8));
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment answer = arena.allocate(16, 8).copyFrom(struct.asSlice(16, 8));
                answer.set(JAVA_LONG, 8, caller.owner().processId());
                caller.memory().write(argument + 16, answer);
            }
            return 0;
        }

        private long version(Caller caller, long argument) {
            caller.memory().write(argument, MemorySegment.ofArray(new long[] {0x130000000L}));
            return 0;
        }

        private long sleep(long millis) throws InterruptedException {
            sleeping.incrementAndGet();
            try {
                Thread.sleep(millis);
            } finally {
                sleeping.decrementAndGet();
            }
            return 7;
        }

        private long fail(long argument) {
            if (argument == -16) {
                throw new IommufdException(Errno.EBUSY, "on purpose");
            }
            return argument;
        }

        private long becomeReadable(long millis) {
            Thread.ofVirtual().start(() -> {
                try {
                    Thread.sleep(millis);
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
                readable.set(true);
                listener.run();
            });
            return 0;
        }

        private long installInStruct(Caller caller, long argument) {
            MemorySegment number = MemorySegment.ofArray(new int[] {-1});
            caller.memory().write(argument + 8, number);
            number.set(JAVA_INT, 0, caller.files().install(new Open(opened.incrementAndGet()), false));
            caller.memory().write(argument + 8, number);
            return 0;
        }

        private long fileByName(Caller caller, long argument) {
            if (!caller.memory().readString(argument, 4096).equals("0000:00:0a.0")) {
                throw new IommufdException(Errno.ENODEV, "no such device");
            }
            return caller.files().install(new Open(opened.incrementAndGet()), true);
        }

        /** Opens a file for some arguments only. */
        private long feature(Caller caller, long argument) {
            MemorySegment flags = MemorySegment.ofArray(new int[1]);
            caller.memory().read(argument + 4, flags);
            return flags.get(JAVA_INT, 0) == 0 ? 0 : installInStruct(caller, argument);
        }

        private long signal(Caller caller, int number) {
            try (ClientFile file = caller.files().take(number)) {
                file.signal();
                file.signal();
            }
            return 0;
        }

        /** Whenever the first eventfd is signalled, the second one is. */
        private long answerEventfd(Caller caller, long argument) {
            MemorySegment struct = MemorySegment.ofArray(new int[2]);
            caller.memory().read(argument, struct);
            ClientFile in = caller.files().take(struct.get(JAVA_INT, 0));
            try {
                ClientFile out = caller.files().take(struct.get(JAVA_INT, 4));
                kept.add(out);
                in.onSignal(out::signal);
            } catch (IommufdException refused) {
                in.close();
                throw refused;
            }
            kept.add(in);
            return 0;
        }

        private long keep(ClientFile file) {
            kept.add(file);
            return file.node().orElseThrow() instanceof Open open && open != this ? open.serial : 0;
        }

        private long letGo() {
            kept.forEach(ClientFile::close);
            kept.clear();
            return 0;
        }

        private long pinFile(Caller caller, long argument) {
            MemorySegment struct = MemorySegment.ofArray(new long[4]);
            caller.memory().read(argument, struct);
            try (ClientFile file = caller.files().take((int) struct.get(JAVA_LONG, 0))) {
                PinnedRuns runs = new PinnedRuns(1);
                UserMemory memory = file.mappable();
                memory.pin(0, struct.get(JAVA_LONG, 8), struct.get(JAVA_LONG, 16) != 0, runs);
                memory.retain();
                pins.put(struct.get(JAVA_LONG, 24), new Pin(memory, runs));
            }
            return 0;
        }

        private long pin(Caller caller, long argument, UserMemory memory) {
            MemorySegment struct = MemorySegment.ofArray(new long[4]);
            caller.memory().read(argument, struct);
            PinnedRuns runs = new PinnedRuns(1);
            try {
                memory.pin(struct.get(JAVA_LONG, 0), struct.get(JAVA_LONG, 8), struct.get(JAVA_LONG, 16) != 0, runs);
            } catch (IommufdException refused) {
                if (runs.count() != 0) {
                    throw new AssertionError("runs were left behind", refused);
                }
                throw refused;
            }
            memory.retain();
            Pin replaced = pins.put(struct.get(JAVA_LONG, 24), new Pin(memory, runs));
            if (replaced != null) {
                replaced.unpin();
            }
            return 0;
        }

        @Override
        public boolean answersEmptyReads() {
            return answersEmptyReads;
        }

        @Override
        public int read(Caller caller, MemorySegment target, long offset) {
            if (target.byteSize() == 0) {
                throw new IommufdException(Errno.EINVAL, "too short");
            }
            if (positioned) {
                target.set(JAVA_LONG_UNALIGNED, 0, 0x1100 + offset);
                return 8;
            }
            readable.set(false);
            int length = (int) Math.min(24, target.byteSize());
            for (int i = 0; i < length; i++) {
                target.set(JAVA_BYTE, i, (byte) (i + 1));
            }
            return length;
        }

        @Override
        public int write(Caller caller, MemorySegment source, long offset) {
            if (source.byteSize() == 1) {
                throw new IommufdException(Errno.EINVAL, "too short");
            }
            return (int) source.byteSize();
        }

        @Override
        public boolean positioned() {
            return positioned;
        }

        @Override
        public OptionalInt mappableFile() {
            return mappable;
        }

        @Override
        public int poll() {
            return WRITABLE | (readable.get() ? READABLE : 0);
        }

        @Override
        public void onPollChange(Runnable changed) {
            listener = changed;
        }

        @Override
        public void close() {
            letGo();
            closed.incrementAndGet();
        }
    }
}
