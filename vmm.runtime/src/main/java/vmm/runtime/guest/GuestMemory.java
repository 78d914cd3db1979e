package vmm.runtime.guest;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.PhysicalMemory;
import iommufd.api.memory.StageTwoTable;
import iommufd.api.memory.UserMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.LongUnaryOperator;

/**
 * Memory of a guest that is larger than what backs it: pages are there when somebody touches them, the guest's CPU or a device, and
 * the oldest go out when others need their place. One page table says what is where, for both: it is offered to devices as a
 * {@link StageTwoTable}. Thread-safe.
 *
 * <p>CPUs hold the read half of the lock while they use an entry, as a CPU holds its TLB entry until it is shot down; changes hold the
 * write half, and tell listeners before a page's place is used again. DMA takes no lock of this.
 */
public final class GuestMemory implements StageTwoTable, AutoCloseable {
    private static final long PAGE_BYTES = UserMemory.PAGE_BYTES;
    private static final MemorySegment WINDOW = HostMemory.WINDOW;
    private static final VarHandle WORD = ValueLayout.JAVA_LONG.varHandle();

    private final Format format;
    private final long lengthBytes;
    private final GuestRam places;
    private final GuestPageTable table;
    private final List<ChangeListener> listeners = new CopyOnWriteArrayList<>();
    /** Fair, or a busy pager would keep the guest's CPUs out. */
    private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock(true);
    /** Physical addresses of pages nobody uses. Write lock, as all that follow. */
    private final Deque<Long> free = new ArrayDeque<>();
    /** Guest addresses of pages that are there, the oldest first. */
    private final Deque<Long> resident = new ArrayDeque<>();
    /** What was in pages that are out, unless they are all zeros. */
    private final Map<Long, byte[]> out = new HashMap<>();
    private long evictions;
    private boolean closed;

    /**
     * An empty guest.
     *
     * @param lengthBytes how much the guest has; a multiple of the page
     * @param residentBytes how much of it can be there at once; at least a page
     * @throws IommufdException {@link Errno#EINVAL} for other lengths; {@link Errno#ENOMEM}
     */
    public GuestMemory(PhysicalMemory memory, Format format, long lengthBytes, long residentBytes) {
        if (lengthBytes <= 0 || residentBytes <= 0 || ((lengthBytes | residentBytes) & PAGE_BYTES - 1) != 0
                || lengthBytes - 1 >>> format.inputBits() != 0) {
            throw new IommufdException(Errno.EINVAL, "a guest of 0x%x bytes, 0x%x of them at once: both are multiples of 0x%x, and of %d bits"
                    .formatted(lengthBytes, residentBytes, PAGE_BYTES, format.inputBits()));
        }
        this.format = format;
        this.lengthBytes = lengthBytes;
        table = new GuestPageTable(format, memory.tables());
        try {
            places = memory.allocateGuestRam(residentBytes, false);
        } catch (RuntimeException refused) {
            table.close();
            throw refused;
        }
        for (long offset = 0; offset < residentBytes; offset += PAGE_BYTES) {
            free.add(places.physicalAddress() + offset);
        }
    }

    @Override
    public Format format() {
        return format;
    }

    @Override
    public long root() {
        return table.root();
    }

    /** How much memory the guest has. */
    public long lengthBytes() {
        return lengthBytes;
    }

    /** How many pages went out so far. */
    public long evictions() {
        lock.readLock().lock();
        try {
            return evictions;
        } finally {
            lock.readLock().unlock();
        }
    }

    @Override
    public UserMemory.Subscription onChange(ChangeListener listener) {
        listeners.add(listener);
        return () -> leave(listener);
    }

    @Override
    public boolean populate(long address, DmaAccess access) {
        long page = address & -PAGE_BYTES;
        lock.writeLock().lock();
        try {
            if (closed || Long.compareUnsigned(page, lengthBytes) >= 0) {
                return false;
            }
            long entry = table.entry(page);
            if (entry != GuestPageTable.ABSENT) {
                return !access.writable() || StageTwoEntry.writable(format, entry);
            }
            bringIn(page);
            return true;
        } finally {
            lock.writeLock().unlock();
        }
    }

    private void bringIn(long page) {
        if (free.isEmpty()) {
            sendOut(resident.getFirst());
        }
        long place = free.remove();
        byte[] content = out.get(page);
        MemorySegment bytes = WINDOW.asSlice(place, PAGE_BYTES);
        if (content == null) {
            bytes.fill((byte) 0);
        } else {
            bytes.copyFrom(MemorySegment.ofArray(content));
        }
        try {
            table.show(page, place, true);
        } catch (IommufdException noTable) {
            free.add(place);
            throw noTable;
        }
        out.remove(page);
        resident.add(page);
    }

    /** @return whether it was there */
    private boolean sendOut(long page) {
        long entry = table.entry(page);
        if (!table.hide(page)) {
            return false;
        }
        tell(page);
        // Neither a CPU nor a device can write it any more: this is what it held last.
        long place = StageTwoEntry.address(format, entry);
        out.put(page, WINDOW.asSlice(place, PAGE_BYTES).toArray(ValueLayout.JAVA_BYTE));
        resident.remove(page);
        free.add(place);
        evictions++;
        return true;
    }

    private void tell(long page) {
        listeners.forEach(listener -> listener.changed(page, page + PAGE_BYTES - 1, false));
    }

    /** Sends a page out now. @return whether it was there @throws IommufdException {@link Errno#EFAULT} beyond the guest's memory */
    public boolean evict(long address) {
        long page = checked(address);
        lock.writeLock().lock();
        try {
            return sendOut(page);
        } finally {
            lock.writeLock().unlock();
        }
    }

    /**
     * Moves a page to another place, as when memory is compacted, or moved between nodes.
     *
     * @return whether it was there, and there was a place
     * @throws IommufdException {@link Errno#EFAULT} beyond the guest's memory
     */
    public boolean move(long address) {
        long page = checked(address);
        lock.writeLock().lock();
        try {
            long entry = table.entry(page);
            if (entry == GuestPageTable.ABSENT || free.isEmpty()) {
                return false;
            }
            table.hide(page);
            tell(page);
            long from = StageTwoEntry.address(format, entry);
            long to = free.remove();
            MemorySegment.copy(WINDOW, from, WINDOW, to, PAGE_BYTES);
            table.show(page, to, StageTwoEntry.writable(format, entry));
            free.add(from);
            return true;
        } finally {
            lock.writeLock().unlock();
        }
    }

    /** Forbids writes to a page that is there, or allows them. @throws IommufdException {@link Errno#EFAULT} beyond the guest's memory */
    public void protect(long address, boolean writable) {
        long page = checked(address);
        lock.writeLock().lock();
        try {
            long entry = table.entry(page);
            if (entry != GuestPageTable.ABSENT) {
                table.show(page, StageTwoEntry.address(format, entry), writable);
                tell(page);
            }
        } finally {
            lock.writeLock().unlock();
        }
    }

    private long checked(long address) {
        if (Long.compareUnsigned(address, lengthBytes) >= 0) {
            throw new IommufdException(Errno.EFAULT, "the guest has no memory at 0x%x".formatted(address));
        }
        return address & -PAGE_BYTES;
    }

    /** The guest's CPU reads a word. @param address a multiple of 8 @throws IommufdException {@link Errno#EFAULT}, {@link Errno#EINVAL} */
    public long load(long address) {
        return onCpu(address, false, place -> (long) WORD.getVolatile(WINDOW, place));
    }

    /** The guest's CPU writes a word. As {@link #load}; {@link Errno#EPERM} if the page is protected. */
    public void store(long address, long value) {
        onCpu(address, true, place -> {
            WORD.setVolatile(WINDOW, place, value);
            return value;
        });
    }

    /** The guest's CPU adds to a word, atomically. As {@link #store}. @return the word before */
    public long fetchAndAdd(long address, long addend) {
        return onCpu(address, true, place -> (long) WORD.getAndAdd(WINDOW, place, addend));
    }

    private long onCpu(long address, boolean write, LongUnaryOperator access) {
        checked(address);
        if ((address & Long.BYTES - 1) != 0) {
            throw new IommufdException(Errno.EINVAL, "a word at 0x%x, which is no multiple of 8".formatted(address));
        }
        while (true) {
            lock.readLock().lock();
            try {
                if (closed) {
                    throw new IommufdException(Errno.EFAULT, "the guest is gone");
                }
                long entry = table.entry(address & -PAGE_BYTES);
                if (entry != GuestPageTable.ABSENT) {
                    if (write && !StageTwoEntry.writable(format, entry)) {
                        throw new IommufdException(Errno.EPERM, "the page at 0x%x is protected".formatted(address));
                    }
                    return access.applyAsLong(StageTwoEntry.address(format, entry) + (address & PAGE_BYTES - 1));
                }
            } finally {
                lock.readLock().unlock();
            }
            populate(address, DmaAccess.READ_WRITE);
        }
    }

    /**
     * The end of the guest: nothing of its memory is there any more, for nobody. Devices that still go through the table find it empty;
     * its frames are given back once the last of them has left.
     */
    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            if (closed) {
                return;
            }
            closed = true;
            for (long page : resident) {
                table.hide(page);
                tell(page);
            }
            resident.clear();
            out.clear();
            places.close();
            giveTableBack();
        } finally {
            lock.writeLock().unlock();
        }
    }

    private void leave(ChangeListener listener) {
        lock.writeLock().lock();
        try {
            listeners.remove(listener);
            giveTableBack();
        } finally {
            lock.writeLock().unlock();
        }
    }

    private void giveTableBack() {
        if (closed && listeners.isEmpty()) {
            table.close();
        }
    }
}
