package vmm.devices.virtio;

import static vmm.devices.virtio.Descriptor.ADDRESS_OFFSET;
import static vmm.devices.virtio.Descriptor.BYTES;
import static vmm.devices.virtio.Descriptor.BYTES_LG2;
import static vmm.devices.virtio.Descriptor.INDIRECT;
import static vmm.devices.virtio.Descriptor.NEXT;
import static vmm.devices.virtio.Descriptor.QUARTER;
import static vmm.devices.virtio.Descriptor.WORD;
import static vmm.devices.virtio.Descriptor.WORD_OFFSET;

import iommufd.api.dma.DmaPort;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import vdpa.device.QueueState;

/**
 * A split virtqueue (virtio 1.2, §2.7): a descriptor table, a ring of available heads, a ring of used ones. Heads are copied after
 * the index that covers them, descriptors after the heads; so what is in a copy was published before, and what a driver changes
 * later goes unseen until the next copy.
 */
final class SplitVirtqueue extends Virtqueue {
    /** Available ring: flags, index, heads, used_event. Used ring: flags, index, elements, avail_event. */
    private static final int INDEX_OFFSET = 2;
    private static final int RING_OFFSET = 4;
    private static final int HEAD_BYTES = 2;
    private static final int ELEMENT_BYTES_LG2 = 3;
    private static final int NO_INTERRUPT = 1;
    private static final int NO_NOTIFY = 1;

    private final long descriptorIova;
    private final long availableIova;
    private final long usedIova;
    private final MemorySegment heads;
    private final int mask;
    /** Index of the next head, modulo 2^16; {@link #headsLeft} of them are in {@link #heads} at {@link #headOffset}. */
    private int available;
    private int headsLeft;
    private int headOffset;
    private int windowStart;
    private int windowCount;
    private int used;
    private int stagedCount;
    /** Elements published since the driver was last asked whether it wants an interrupt. */
    private int silent;
    private int marked;
    private boolean usedKnown;

    SplitVirtqueue(DmaPort port, QueueLayout layout, long features, QueueState position, Arena arena) {
        super(port, layout.size(), features, arena);
        descriptorIova = layout.descriptorIova();
        availableIova = layout.driverIova();
        usedIova = layout.deviceIova();
        mask = size - 1;
        heads = arena.allocate((long) BATCH * HEAD_BYTES, Long.BYTES);
        available = position.availIndex() & 0xffff;
        marked = available;
    }

    @Override
    public boolean next(DescriptorChain chain) {
        if (headsLeft == 0 && !fetchHeads()) {
            return false;
        }
        int head = heads.get(QUARTER, headOffset) & 0xffff;
        if (head >= size) {
            return fail(QueueFault.HEAD_INDEX);
        }
        chain.clear();
        chain.identify(head, 1);
        if (!collect(chain, head)) {
            return false;
        }
        headOffset += HEAD_BYTES;
        headsLeft--;
        available = available + 1 & 0xffff;
        return true;
    }

    private boolean collect(DescriptorChain chain, int head) {
        int index = head;
        for (int count = 1; ; count++) {
            if (Integer.compareUnsigned(index - windowStart, windowCount) >= 0 && !fetchDescriptors(index)) {
                return false;
            }
            long at = (long) (index - windowStart) << BYTES_LG2;
            long address = window.get(WORD, at + ADDRESS_OFFSET);
            long word = window.get(WORD, at + WORD_OFFSET);
            int flags = Descriptor.splitFlags(word);
            if ((flags & INDIRECT) != 0) {
                return addTable(chain, address, Descriptor.lengthBytes(word), flags);
            }
            if (!add(chain, address, Descriptor.lengthBytes(word), flags)) {
                return false;
            }
            if ((flags & NEXT) == 0) {
                return true;
            }
            if (count == size) {
                return fail(QueueFault.CHAIN_TOO_LONG);
            }
            index = Descriptor.splitNext(word);
            if (index >= size) {
                return fail(QueueFault.NEXT_INDEX);
            }
        }
    }

    @Override
    boolean addEntries(DescriptorChain chain, MemorySegment table, int entries) {
        int index = 0;
        for (int count = 1; ; count++) {
            long at = (long) index << BYTES_LG2;
            long word = table.get(WORD, at + WORD_OFFSET);
            int flags = Descriptor.splitFlags(word);
            if (!addEntry(chain, table.get(WORD, at + ADDRESS_OFFSET), Descriptor.lengthBytes(word), flags)) {
                return false;
            }
            if ((flags & NEXT) == 0) {
                return true;
            }
            if (count == entries) {
                return fail(QueueFault.CHAIN_TOO_LONG);
            }
            index = Descriptor.splitNext(word);
            if (index >= entries) {
                return fail(QueueFault.NEXT_INDEX);
            }
        }
    }

    /** Copies heads that became available, as far as they lie in a row. @return whether there are any */
    private boolean fetchHeads() {
        if (!working() || !read(availableIova + INDEX_OFFSET, words, 0, HEAD_BYTES)) {
            return false;
        }
        int waiting = (words.get(QUARTER, 0) & 0xffff) - available & 0xffff;
        if (waiting == 0) {
            return false;
        }
        if (waiting > size) {
            return fail(QueueFault.AVAILABLE_INDEX);
        }
        VarHandle.acquireFence();   // the index before the heads and descriptors it covers
        int slot = available & mask;
        int count = Math.min(Math.min(waiting, BATCH), size - slot);
        windowCount = 0;
        if (!read(availableIova + RING_OFFSET + (long) slot * HEAD_BYTES, heads, 0, (long) count * HEAD_BYTES)) {
            return false;
        }
        headOffset = 0;
        headsLeft = count;
        return true;
    }

    /** Copies a part of the table that has {@code index}: drivers mostly take descriptors in a row. */
    private boolean fetchDescriptors(int index) {
        int start = index & -WINDOW;
        int count = Math.min(WINDOW, size - start);
        windowCount = 0;
        if (!read(descriptorIova + ((long) start << BYTES_LG2), window, 0, (long) count * BYTES)) {
            return false;
        }
        windowStart = start;
        windowCount = count;
        return true;
    }

    @Override
    public void complete(DescriptorChain chain, long writtenBytes) {
        if (stagedCount == BATCH) {
            flush();
        }
        staged.set(WORD, (long) stagedCount++ << ELEMENT_BYTES_LG2, writtenBytes << 32 | chain.id());
    }

    private void flush() {
        int count = stagedCount;
        stagedCount = 0;
        if (!working() || !knowUsed()) {
            return;
        }
        int slot = used & mask;
        int first = Math.min(count, size - slot);
        if (!writeElements(slot, 0, first) || first < count && !writeElements(0, first, count - first)) {
            return;
        }
        VarHandle.releaseFence();   // the elements before the index that covers them
        used = used + count & 0xffff;
        silent += count;
        words.set(QUARTER, 0, (short) used);
        write(usedIova + INDEX_OFFSET, words, 0, HEAD_BYTES);
    }

    /** Where a queue goes on that was used before stands in the ring. */
    private boolean knowUsed() {
        if (!usedKnown) {
            if (!read(usedIova + INDEX_OFFSET, words, 0, HEAD_BYTES)) {
                return false;
            }
            used = words.get(QUARTER, 0) & 0xffff;
            usedKnown = true;
        }
        return true;
    }

    private boolean writeElements(int slot, int from, int count) {
        return write(usedIova + RING_OFFSET + ((long) slot << ELEMENT_BYTES_LG2), staged, (long) from << ELEMENT_BYTES_LG2,
                (long) count << ELEMENT_BYTES_LG2);
    }

    @Override
    public boolean publish() {
        if (stagedCount > 0) {
            flush();
        }
        int news = silent;
        if (news == 0 || !working()) {
            return false;
        }
        silent = 0;
        VarHandle.fullFence();   // the used index before what the driver wants: it writes that first and looks then
        long wish = eventIndex ? availableIova + RING_OFFSET + (long) size * HEAD_BYTES : availableIova;
        if (!read(wish, words, 0, HEAD_BYTES)) {
            return false;
        }
        int value = words.get(QUARTER, 0) & 0xffff;
        return eventIndex ? news > 0xffff || passes(value, used - news, used) : (value & NO_INTERRUPT) == 0;
    }

    @Override
    public void mark() {
        marked = available;
    }

    @Override
    public void backToMark() {
        available = marked;
        headsLeft = 0;
    }

    @Override
    public void suppressNotifications() {
        if (working() && !eventIndex) {   // an event index that is not moved is not passed again for long
            words.set(QUARTER, 0, (short) NO_NOTIFY);
            write(usedIova, words, 0, HEAD_BYTES);
        }
    }

    @Override
    public boolean requestNotifications() {
        if (!working()) {
            return false;
        }
        words.set(QUARTER, 0, (short) (eventIndex ? available : 0));
        if (!write(eventIndex ? usedIova + RING_OFFSET + ((long) size << ELEMENT_BYTES_LG2) : usedIova, words, 0, HEAD_BYTES)) {
            return false;
        }
        VarHandle.fullFence();   // the wish before the index: the driver writes the index first and looks at the wish then
        return headsLeft > 0 || read(availableIova + INDEX_OFFSET, words, 0, HEAD_BYTES) && (words.get(QUARTER, 0) & 0xffff) != available;
    }

    @Override
    public QueueState position() {
        return QueueState.split(available);
    }

    @Override
    void broken() {
        headsLeft = 0;
    }
}
