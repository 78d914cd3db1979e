package vmm.devices.virtio;

import static vmm.devices.virtio.Descriptor.ADDRESS_OFFSET;
import static vmm.devices.virtio.Descriptor.AVAILABLE;
import static vmm.devices.virtio.Descriptor.BYTES;
import static vmm.devices.virtio.Descriptor.BYTES_LG2;
import static vmm.devices.virtio.Descriptor.HALF;
import static vmm.devices.virtio.Descriptor.INDIRECT;
import static vmm.devices.virtio.Descriptor.NEXT;
import static vmm.devices.virtio.Descriptor.PACKED_FLAGS_OFFSET;
import static vmm.devices.virtio.Descriptor.QUARTER;
import static vmm.devices.virtio.Descriptor.USED;
import static vmm.devices.virtio.Descriptor.WORD;
import static vmm.devices.virtio.Descriptor.WORD_OFFSET;
import static vmm.devices.virtio.Descriptor.WRITE;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaPort;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import vdpa.device.QueueState;

/**
 * A packed virtqueue (virtio 1.2, §2.8): one ring, in which flags say whose a descriptor is. Flags are copied before the
 * descriptors they cover. Completions are written from the second on, then the first, its flags last: the driver, which looks at
 * that one, finds all or none of them.
 */
final class PackedVirtqueue extends Virtqueue {
    /** Event suppression, of either side: offset and wrap counter, flags. */
    private static final int EVENT_FLAGS_OFFSET = 2;
    private static final int EVENT_BYTES = 4;
    private static final int EVENTS_ON = 0;
    private static final int EVENTS_OFF = 1;
    private static final int EVENTS_AT_DESCRIPTOR = 2;
    private static final int FLAGS_BYTES = 2;
    /** Length and id of a used descriptor. */
    private static final int FRONT_BYTES = PACKED_FLAGS_OFFSET - WORD_OFFSET;

    private final long ringIova;
    private final long driverIova;
    private final long deviceIova;
    /** How many slots each staged completion takes. */
    private final short[] stagedSlots = new short[BATCH];
    private int stagedCount;
    private int available;
    private boolean availableWrap;
    private int used;
    private boolean usedWrap;
    private int windowStart;
    private int windowCount;
    /** Slots from {@link #available} on that are in the window and were available when they were copied. */
    private int ready;
    /** Slots published since the driver was last asked whether it wants an interrupt. */
    private int silent;
    private int marked;
    private boolean markedWrap;

    PackedVirtqueue(DmaPort port, QueueLayout layout, long features, QueueState position, Arena arena) {
        super(port, layout.size(), features, arena);
        if (position.availIndex() >= size || position.usedIndex() >= size) {
            throw new IommufdException(Errno.EINVAL, "a packed virtqueue of %d descriptors cannot go on at %d and %d"
                    .formatted(size, position.availIndex(), position.usedIndex()));
        }
        ringIova = layout.descriptorIova();
        driverIova = layout.driverIova();
        deviceIova = layout.deviceIova();
        available = position.availIndex();
        availableWrap = position.availWrap();
        used = position.usedIndex();
        usedWrap = position.usedWrap();
        mark();
    }

    @Override
    public boolean next(DescriptorChain chain) {
        if (ready <= 0 && !fetchReady()) {
            return false;
        }
        chain.clear();
        int slot = available;
        for (int count = 1; ; count++) {
            if (Integer.compareUnsigned(slot - windowStart, windowCount) >= 0 && !fetchDescriptors(slot)) {
                return false;
            }
            long at = (long) (slot - windowStart) << BYTES_LG2;
            long address = window.get(WORD, at + ADDRESS_OFFSET);
            long word = window.get(WORD, at + WORD_OFFSET);
            int flags = Descriptor.packedFlags(word);
            boolean fine = (flags & INDIRECT) != 0 ? addTable(chain, address, Descriptor.lengthBytes(word), flags)
                    : add(chain, address, Descriptor.lengthBytes(word), flags);
            if (!fine) {
                return false;
            }
            if (++slot == size) {
                slot = 0;
            }
            if ((flags & NEXT) == 0) {
                chain.identify(Descriptor.packedId(word), count);
                availableWrap ^= slot <= available;
                available = slot;
                ready -= count;
                return true;
            }
            if (count == size) {
                return fail(QueueFault.CHAIN_TOO_LONG);
            }
        }
    }

    @Override
    boolean addEntries(DescriptorChain chain, MemorySegment table, int entries) {
        for (int i = 0; i < entries; i++) {
            long at = (long) i << BYTES_LG2;
            long word = table.get(WORD, at + WORD_OFFSET);
            if (!addEntry(chain, table.get(WORD, at + ADDRESS_OFFSET), Descriptor.lengthBytes(word), Descriptor.packedFlags(word))) {
                return false;
            }
        }
        return true;
    }

    /** Copies descriptors that are available, as far as they lie in a row. @return whether there are any */
    private boolean fetchReady() {
        if (!working() || !read(ringIova + ((long) available << BYTES_LG2) + PACKED_FLAGS_OFFSET, words, 0, FLAGS_BYTES)
                || !available(words.get(QUARTER, 0))) {
            return false;
        }
        int count = Math.min(WINDOW, size - available);
        ready = 0;
        if (count > 1 && !fetch(available, count)) {
            return false;
        }
        int waiting = 1;   // chains are made available by their first descriptor: it was looked at
        while (waiting < count && available(window.get(QUARTER, ((long) waiting << BYTES_LG2) + PACKED_FLAGS_OFFSET))) {
            waiting++;
        }
        VarHandle.acquireFence();   // the flags before the descriptors they cover
        if (!fetch(available, waiting)) {
            return false;
        }
        ready = waiting;
        return true;
    }

    private boolean available(int flags) {
        return (flags & AVAILABLE) != 0 == availableWrap && (flags & USED) != 0 != availableWrap;
    }

    /** Copies what a chain goes on with: available since its first descriptor is. */
    private boolean fetchDescriptors(int slot) {
        ready = 0;
        return fetch(slot, Math.min(WINDOW, size - slot));
    }

    private boolean fetch(int slot, int count) {
        windowCount = 0;
        if (!read(ringIova + ((long) slot << BYTES_LG2), window, 0, (long) count << BYTES_LG2)) {
            return false;
        }
        windowStart = slot;
        windowCount = count;
        return true;
    }

    @Override
    public void complete(DescriptorChain chain, long writtenBytes) {
        if (stagedCount == BATCH) {
            flush();
        }
        stagedSlots[stagedCount] = (short) chain.slots();
        staged.set(WORD, ((long) stagedCount++ << BYTES_LG2) + WORD_OFFSET,
                Descriptor.packedWord((int) writtenBytes, chain.id(), writtenBytes != 0 ? WRITE : 0));
    }

    private void flush() {
        int count = stagedCount;
        stagedCount = 0;
        if (!working()) {
            return;
        }
        int first = used;
        boolean firstWrap = usedWrap;
        int runSlot = 0;
        int runStart = 1;
        for (int i = 0; i < count; i++) {
            boolean goesOn = i > 1 && stagedSlots[i - 1] == 1 && used != 0;
            if (!goesOn && i > 0) {
                if (!writeRun(runSlot, runStart, i)) {
                    return;
                }
                runSlot = used;
                runStart = i;
            }
            stampFlags(i, usedWrap);
            advanceUsed(Short.toUnsignedInt(stagedSlots[i]));
        }
        if (writeRun(runSlot, runStart, count)) {
            writeFirst(first);
        }
    }

    private void advanceUsed(int slots) {
        silent += slots;
        used += slots;
        if (used >= size) {
            used -= size;
            usedWrap = !usedWrap;
        }
    }

    private void stampFlags(int index, boolean wrap) {
        if (wrap) {
            long at = ((long) index << BYTES_LG2) + PACKED_FLAGS_OFFSET;
            staged.set(QUARTER, at, (short) (staged.get(QUARTER, at) | AVAILABLE | USED));
        }
    }

    /** Writes completions that lie in a row, from the first one's length on. */
    private boolean writeRun(int slot, int from, int to) {
        return from >= to || write(ringIova + ((long) slot << BYTES_LG2) + WORD_OFFSET, staged, ((long) from << BYTES_LG2) + WORD_OFFSET,
                ((long) (to - from) << BYTES_LG2) - WORD_OFFSET);
    }

    private void writeFirst(int slot) {
        long iova = ringIova + ((long) slot << BYTES_LG2);
        if (write(iova + WORD_OFFSET, staged, WORD_OFFSET, FRONT_BYTES)) {
            VarHandle.releaseFence();   // everything else before the flags the driver looks at
            write(iova + PACKED_FLAGS_OFFSET, staged, PACKED_FLAGS_OFFSET, FLAGS_BYTES);
        }
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
        VarHandle.fullFence();   // the flags before what the driver wants: it writes that first and looks then
        if (!read(driverIova, words, 0, EVENT_BYTES)) {
            return false;
        }
        int wish = words.get(HALF, 0);
        return switch (wish >>> 16 & 3) {
            case EVENTS_OFF -> false;
            case EVENTS_AT_DESCRIPTOR -> !eventIndex || news > size || passes(slotOf(wish), used - news, used);
            default -> true;
        };
    }

    /** The wished slot, counted in the lap of {@link #used}. */
    private int slotOf(int wish) {
        int slot = wish & 0x7fff;
        return (wish & 0x8000) != 0 == usedWrap ? slot : slot - size;
    }

    @Override
    public void mark() {
        marked = available;
        markedWrap = availableWrap;
    }

    @Override
    public void backToMark() {
        available = marked;
        availableWrap = markedWrap;
        ready = 0;
    }

    @Override
    public void suppressNotifications() {
        if (working()) {
            writeEventFlags(EVENTS_OFF);
        }
    }

    @Override
    public boolean requestNotifications() {
        if (!working()) {
            return false;
        }
        if (eventIndex) {
            words.set(QUARTER, 0, (short) (available | (availableWrap ? 0x8000 : 0)));
            if (!write(deviceIova, words, 0, EVENT_FLAGS_OFFSET)) {
                return false;
            }
            VarHandle.releaseFence();   // where before that
        }
        if (!writeEventFlags(eventIndex ? EVENTS_AT_DESCRIPTOR : EVENTS_ON)) {
            return false;
        }
        VarHandle.fullFence();   // the wish before the flags: the driver writes the flags first and looks at the wish then
        return ready > 0 || read(ringIova + ((long) available << BYTES_LG2) + PACKED_FLAGS_OFFSET, words, 0, FLAGS_BYTES)
                && available(words.get(QUARTER, 0));
    }

    private boolean writeEventFlags(int flags) {
        words.set(QUARTER, 0, (short) flags);
        return write(deviceIova + EVENT_FLAGS_OFFSET, words, 0, FLAGS_BYTES);
    }

    @Override
    public QueueState position() {
        return new QueueState(available, availableWrap, used, usedWrap);
    }

    @Override
    void broken() {
        ready = 0;
    }
}
