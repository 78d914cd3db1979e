package vmm.devices.virtio;

import static vmm.devices.virtio.Descriptor.BYTES;
import static vmm.devices.virtio.Descriptor.BYTES_LG2;
import static vmm.devices.virtio.Descriptor.INDIRECT;
import static vmm.devices.virtio.Descriptor.NEXT;
import static vmm.devices.virtio.Descriptor.WRITE;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import vdpa.device.QueueState;
import vdpa.device.VirtioFeature;

/**
 * The device's end of a virtqueue (virtio 1.2, §2.6 to §2.8). A device takes chains with {@link #next}, completes them in any order
 * (in the same order if {@link VirtioFeature#IN_ORDER} was negotiated) with {@link #complete}, and shows them to the driver with
 * {@link #publish}. Entries are fetched and published many at a time.
 *
 * <p>The driver is not trusted: whatever is used was copied first, and checked in the copy. What breaks the rules breaks the queue,
 * and nothing else: {@link #fault} says why, and the device owes the driver DEVICE_NEEDS_RESET.
 *
 * <p>One thread, the port's.
 */
public abstract sealed class Virtqueue permits SplitVirtqueue, PackedVirtqueue {
    /** Features of rings that are known here; {@link VirtioFeature#IN_ORDER} is up to the device that completes. */
    public static final long FEATURES = VirtioFeature.INDIRECT_DESC | VirtioFeature.EVENT_IDX | VirtioFeature.RING_PACKED;

    /** Longest indirect table, also of small queues: drivers exceed the queue's size there, and devices allow it. */
    private static final int MAX_INDIRECT = 1024;
    /** Descriptors fetched at a time. */
    static final int WINDOW = 32;
    /** Completions collected before they are written. */
    static final int BATCH = 64;
    private static final int WORDS_BYTES = 16;

    final DmaPort port;
    final int size;
    final boolean eventIndex;
    /** Descriptors as they were when they were fetched. */
    final MemorySegment window;
    /** Completions that are not written yet. */
    final MemorySegment staged;
    /** Single values on their way. */
    final MemorySegment words;
    private final boolean indirect;
    private final MemorySegment table;
    private final int maxIndirect;
    private QueueFault fault = QueueFault.NONE;

    Virtqueue(DmaPort port, int size, long features, Arena arena) {
        this.port = port;
        this.size = size;
        eventIndex = (features & VirtioFeature.EVENT_IDX) != 0;
        indirect = (features & VirtioFeature.INDIRECT_DESC) != 0;
        maxIndirect = maxChain(size);
        window = arena.allocate((long) WINDOW * BYTES, BYTES);
        staged = arena.allocate((long) BATCH * BYTES, BYTES);
        words = arena.allocate(WORDS_BYTES, Long.BYTES);
        table = indirect ? arena.allocate((long) maxIndirect * BYTES, BYTES) : MemorySegment.NULL;
    }

    /**
     * A queue that goes on at {@code position}.
     *
     * @param features what was negotiated
     * @param arena where its buffers come from; must live as long as the queue
     * @throws IommufdException {@link Errno#EINVAL} if layout or position are impossible
     */
    public static Virtqueue open(DmaPort port, QueueLayout layout, long features, QueueState position, Arena arena) {
        boolean packed = (features & VirtioFeature.RING_PACKED) != 0;
        layout.check(packed);
        return packed ? new PackedVirtqueue(port, layout, features, position, arena) : new SplitVirtqueue(port, layout, features, position, arena);
    }

    /** Most descriptors of a chain in a queue of that size. */
    public static int maxChain(int size) {
        return Math.max(size, MAX_INDIRECT);
    }

    /**
     * Takes the next buffer.
     *
     * @param chain where it is put; made for {@link #maxChain}
     * @return false if there is none, or the queue is broken
     */
    public abstract boolean next(DescriptorChain chain);

    /** The device is done with a chain and wrote that many bytes from the start of its writable part. The driver learns it by {@link #publish}. */
    public abstract void complete(DescriptorChain chain, long writtenBytes);

    /** Shows all completions to the driver. @return whether it wants an interrupt */
    public abstract boolean publish();

    /** Remembers the place in the ring. */
    public abstract void mark();

    /** Gives back all chains taken since {@link #mark}; none of them may have been completed. */
    public abstract void backToMark();

    /** Asks the driver not to notify: the device looks by itself. A hint. */
    public abstract void suppressNotifications();

    /** Asks the driver to notify of the next buffer. @return whether there is one already, of which it will not */
    public abstract boolean requestNotifications();

    /** Where the queue is. Everything completed must be published; what was taken and not completed is lost. */
    public abstract QueueState position();

    /** Number of descriptors. */
    public final int size() {
        return size;
    }

    /** Why it is broken, or {@link QueueFault#NONE}. */
    public final QueueFault fault() {
        return fault;
    }

    /** Whether it can be used. */
    public final boolean working() {
        return fault == QueueFault.NONE;
    }

    /** Breaks the queue, by the device that finds a request impossible. The first reason stays. @return false */
    public final boolean fail(QueueFault reason) {
        if (fault == QueueFault.NONE) {
            fault = reason;
            broken();
        }
        return false;
    }

    /** Nothing that was fetched counts any more. */
    abstract void broken();

    final boolean read(long iova, MemorySegment target, long targetOffset, long lengthBytes) {
        return port.read(iova, target, targetOffset, lengthBytes) == DmaStatus.DONE || fail(QueueFault.RING_UNREACHABLE);
    }

    final boolean write(long iova, MemorySegment source, long sourceOffset, long lengthBytes) {
        return port.write(iova, source, sourceOffset, lengthBytes) == DmaStatus.DONE || fail(QueueFault.RING_UNREACHABLE);
    }

    /** Appends a direct descriptor's buffer. @return whether it may be */
    final boolean add(DescriptorChain chain, long address, long lengthBytes, int flags) {
        QueueFault wrong = chain.add(address, lengthBytes, (flags & WRITE) != 0);
        return wrong == QueueFault.NONE || fail(wrong);
    }

    /** Appends the buffers of an indirect table. */
    final boolean addTable(DescriptorChain chain, long tableIova, long lengthBytes, int flags) {
        if (!indirect) {
            return fail(QueueFault.INDIRECT_NOT_NEGOTIATED);
        }
        if ((flags & NEXT) != 0) {
            return fail(QueueFault.INDIRECT_GOES_ON);
        }
        if (lengthBytes == 0 || (lengthBytes & BYTES - 1) != 0 || lengthBytes > (long) maxIndirect << BYTES_LG2) {
            return fail(QueueFault.INDIRECT_LENGTH);
        }
        if (Long.compareUnsigned(tableIova + lengthBytes - 1, tableIova) < 0) {
            return fail(QueueFault.ADDRESS_WRAPS);
        }
        return read(tableIova, table, 0, lengthBytes) && addEntries(chain, table, (int) (lengthBytes >>> BYTES_LG2));
    }

    /** Appends what {@code entries} descriptors of an indirect table describe. */
    abstract boolean addEntries(DescriptorChain chain, MemorySegment entriesOfTable, int entries);

    /** For entries of an indirect table. */
    final boolean addEntry(DescriptorChain chain, long address, long lengthBytes, int flags) {
        return (flags & INDIRECT) == 0 ? add(chain, address, lengthBytes, flags) : fail(QueueFault.INDIRECT_NESTED);
    }

    /**
     * Whether the other side, who wants to hear of entry {@code event}, hears of entries that take the index from {@code before} to
     * {@code after} (virtio 1.2, §2.7.7.1). All modulo 2^16.
     */
    static boolean passes(int event, int before, int after) {
        return (after - event - 1 & 0xffff) < (after - before & 0xffff);
    }
}
