package iommu.mock.command;

import static org.assertj.core.api.Assertions.assertThat;

import iommu.mock.hardware.MockBackend;
import iommufd.api.ContextOwner;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import iommufd.api.node.Caller;
import iommufd.api.node.ClientFile;
import iommufd.api.node.ClientFiles;
import iommufd.api.node.ClientMemory;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IoctlExtension;
import iommufd.api.uapi.IommuDestroy;
import iommufd.api.uapi.IommuIoasMap;
import iommufd.api.uapi.IommufdFile;
import iommufd.core.Engine;
import iommufd.core.EngineOptions;
import iommufd.core.memory.HostPhysicalMemory;
import iommufd.core.node.IommuNode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/** A program that has /dev/iommu open in a runtime with the mock IOMMU: its memory is RAM from {@link #BASE} on, its files a table. */
final class Client implements AutoCloseable, Caller, ClientMemory, ClientFiles {
    static final int TEST_CMD = 0x3BA0;
    static final long PAGE = 4096;
    static final long HALF_PAGE = 2048;
    static final long APERTURE = 1L << 24;
    /** Where the address space starts, and structs are built. */
    static final long BASE = 0x7F00_0000_0000L;
    /** Where a bitmap or other data can lie. */
    static final long DATA = BASE + 0x10000;
    /** Memory to map: 4 MiB, aligned to 2 MiB in the physical space, too. */
    static final long BUFFER = BASE + 0x200000;
    private static final long RAM_BYTES = 6L << 20;

    private final HostPhysicalMemory memory = new HostPhysicalMemory(64L << 20);
    private final Engine engine = new Engine(EngineOptions.DEFAULT);
    private final GuestRam ram = memory.allocateGuestRam(RAM_BYTES, false);
    private final IommuNode node = new IommuNode(engine);
    private final Map<Integer, OpenNode> files = new HashMap<>();
    private final Mappable mappable = new Mappable();
    private int nextDescriptor = 10;
    final FailingTables tables = new FailingTables(memory.tables());
    final MockBackend iommu = new MockBackend(tables);
    final IommufdFile file;

    Client() {
        engine.add(iommu, 1000);
        node.add(new Selftest(iommu, engine.fabric(), memory),
                Map.of(IoctlExtension.REQUESTS, TEST_CMD, IoctlExtension.COUNTS_PINS, true));
        file = open();
    }

    IommufdFile open() {
        return (IommufdFile) node.open(this);
    }

    IommufdContext context() {
        return file.context();
    }

    MemorySegment at(long address, long lengthBytes) {
        return ram.segment().asSlice(address - BASE, lengthBytes);
    }

    /** An operation of IOMMU_TEST_CMD: what the ioctl returns, or the negative errno. */
    long raw(IommufdFile on, int operation, int id, Consumer<MemorySegment> fields) {
        MemorySegment struct = struct();
        struct.fill((byte) 0);
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, 0, TestCommand.BYTES);
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, 4, operation);
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, 8, id);
        fields.accept(struct);
        return ioctl(on, TEST_CMD);
    }

    /** A request whose struct lies at {@link #BASE}. */
    long ioctl(IommufdFile on, int request) {
        try {
            return on.ioctl(this, request, BASE);
        } catch (IommufdException refused) {
            return -refused.errno().number();
        } catch (InterruptedException interrupted) {
            throw new AssertionError(interrupted);
        }
    }

    MemorySegment struct() {
        return at(BASE, TestCommand.BYTES);
    }

    /** Must be granted. @return what the ioctl returns */
    long granted(int operation, int id, Consumer<MemorySegment> fields) {
        long result = raw(file, operation, id, fields);
        assertThat(name(result)).as("operation %d", operation).doesNotStartWith("E");
        return result;
    }

    void refused(Errno errno, int operation, int id, Consumer<MemorySegment> fields) {
        assertThat(name(raw(file, operation, id, fields))).as("operation %d", operation).isEqualTo(errno.name());
    }

    static String name(long result) {
        for (Errno errno : Errno.values()) {
            if (errno.number() == -result) {
                return errno.name();
            }
        }
        return Long.toString(result);
    }

    static Consumer<MemorySegment> int32(int offset, int value) {
        return struct -> struct.set(ValueLayout.JAVA_INT_UNALIGNED, offset, value);
    }

    static Consumer<MemorySegment> int64(int offset, long value) {
        return struct -> struct.set(ValueLayout.JAVA_LONG_UNALIGNED, offset, value);
    }

    int out(int offset) {
        return struct().get(ValueLayout.JAVA_INT_UNALIGNED, offset);
    }

    /** IOMMU_DESTROY. */
    String destroy(int id) {
        MemorySegment struct = at(BASE, IommuDestroy.SIZE_BYTES);
        IommuDestroy.size(struct, IommuDestroy.SIZE_BYTES);
        IommuDestroy.id(struct, id);
        return name(ioctl(file, IommuDestroy.IOMMU_DESTROY));
    }

    /** A mock device's numbers. */
    record Device(int stdevId, int hwptId, int idevId) {}

    /** MOCK_DOMAIN_FLAGS. */
    Device device(int ptId, int flags) {
        granted(TestOperation.MOCK_DOMAIN_FLAGS, ptId, int32(TestCommand.DOMAIN_DEVICE_FLAGS, flags));
        return new Device(out(TestCommand.DOMAIN_OUT_STDEV_ID), out(TestCommand.DOMAIN_OUT_HWPT_ID), out(TestCommand.DOMAIN_OUT_IDEV_ID));
    }

    /** IOMMU_IOAS_MAP, readable and writable. */
    void map(Ioas ioas, long iova, long address, long lengthBytes) {
        assertThat(mapping(ioas, iova, address, lengthBytes)).isEqualTo("0");
    }

    /** The same, which may be refused. */
    String mapping(Ioas ioas, long iova, long address, long lengthBytes) {
        MemorySegment struct = at(BASE, IommuIoasMap.SIZE_BYTES);
        IommuIoasMap.size(struct, IommuIoasMap.SIZE_BYTES);
        IommuIoasMap.flags(struct, IommuIoasMap.IOMMU_IOAS_MAP_FIXED_IOVA | IommuIoasMap.IOMMU_IOAS_MAP_READABLE | IommuIoasMap.IOMMU_IOAS_MAP_WRITEABLE);
        IommuIoasMap.ioasId(struct, ioas.id());
        IommuIoasMap.reserved(struct, 0);
        IommuIoasMap.userVa(struct, address);
        IommuIoasMap.length(struct, lengthBytes);
        IommuIoasMap.iova(struct, iova);
        return name(ioctl(file, IommuIoasMap.IOMMU_IOAS_MAP));
    }

    /** MD_CHECK_REFS on a file. */
    String pins(IommufdFile on, long address, long lengthBytes, int expected) {
        return name(raw(on, TestOperation.MD_CHECK_REFS, 0, int64(TestCommand.REFS_UPTR, address).andThen(int64(TestCommand.REFS_LENGTH, lengthBytes))
                .andThen(int32(TestCommand.REFS_COUNT, expected))));
    }

    /** The runtime ends before the program does. */
    void endRuntime() {
        engine.close();
    }

    OpenNode installed(int descriptor) {
        return files.get(descriptor);
    }

    void close(int descriptor) {
        files.remove(descriptor).close();
    }

    private void check(long address, long lengthBytes) {
        if (address < BASE || lengthBytes > RAM_BYTES || address > BASE + RAM_BYTES - lengthBytes) {
            throw new IommufdException(Errno.EFAULT, "the client has no memory at 0x%x".formatted(address));
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
        target.copyFrom(at(address, target.byteSize()));
    }

    @Override
    public void write(long address, MemorySegment source) {
        check(address, source.byteSize());
        at(address, source.byteSize()).copyFrom(source);
    }

    @Override
    public UserMemory mappable() {
        return mappable;
    }

    @Override
    public Optional<OpenNode> node(int number) {
        if (!files.containsKey(number)) {
            throw new IommufdException(Errno.EBADF, "descriptor %d is not open".formatted(number));
        }
        return Optional.of(files.get(number));
    }

    @Override
    public ClientFile take(int number) {
        throw new IommufdException(Errno.EBADF, "this client has no other files");
    }

    @Override
    public int install(OpenNode opened, boolean closeOnExec) {
        files.put(nextDescriptor, opened);
        return nextDescriptor++;
    }

    /** The program ends: no pin and no mock device may be left. */
    @Override
    public void close() {
        file.close();
        List.copyOf(files.keySet()).forEach(this::close);
        IommufdFile fresh = open();
        assertThat(pins(fresh, BUFFER, 4L << 20, 0)).as("pins that are left").isEqualTo("0");
        fresh.close();
        assertThat(iommu.addDevice(true, true).description().requesterId().sourceId()).as("the lowest free place on the bus").isZero();
        engine.close();
        ram.close();
        assertThat(memory.tables().bytesInUse()).as("bytes of page tables left").isZero();
        memory.close();
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
