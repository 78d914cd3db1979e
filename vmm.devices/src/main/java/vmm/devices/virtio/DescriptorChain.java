package vmm.devices.virtio;

import iommufd.api.dma.ScatterList;

/** A buffer the driver made available: what the device may read, then what it may write. Reused from buffer to buffer; one thread. */
public final class DescriptorChain {
    /** Most bytes of a chain (virtio 1.2, §2.7.4.1). */
    private static final long MAX_BYTES = 1L << 32;

    private final ScatterList readable;
    private final ScatterList writable;
    private final int capacity;
    private long readableBytes;
    private long writableBytes;
    private int count;
    private int id;
    private int slots;

    /** @param capacity most descriptors, that is {@link Virtqueue#maxChain} of the queue it is for */
    public DescriptorChain(int capacity) {
        this.capacity = capacity;
        readable = new ScatterList(capacity);
        writable = new ScatterList(capacity);
    }

    /** What the device reads. Valid until the next chain is put here. */
    public ScatterList readable() {
        return readable;
    }

    /** What the device writes. */
    public ScatterList writable() {
        return writable;
    }

    /** Total of {@link #readable}, at most 2^32. */
    public long readableBytes() {
        return readableBytes;
    }

    /** Total of {@link #writable}, at most 2^32. */
    public long writableBytes() {
        return writableBytes;
    }

    /** How the driver knows the buffer. */
    int id() {
        return id;
    }

    /** How much of a packed ring it takes. */
    int slots() {
        return slots;
    }

    void clear() {
        readable.clear();
        writable.clear();
        readableBytes = 0;
        writableBytes = 0;
        count = 0;
    }

    void identify(int newId, int newSlots) {
        id = newId;
        slots = newSlots;
    }

    /** Appends what a descriptor describes. @return what is wrong with that */
    QueueFault add(long address, long lengthBytes, boolean write) {
        if (lengthBytes == 0) {
            return QueueFault.ZERO_LENGTH;
        }
        if (Long.compareUnsigned(address + lengthBytes - 1, address) < 0) {
            return QueueFault.ADDRESS_WRAPS;
        }
        if (count++ == capacity) {
            return QueueFault.CHAIN_TOO_LONG;
        }
        if (write) {
            writable.add(address, lengthBytes);
            writableBytes += lengthBytes;
        } else {
            if (writableBytes != 0) {
                return QueueFault.READABLE_AFTER_WRITABLE;
            }
            readable.add(address, lengthBytes);
            readableBytes += lengthBytes;
        }
        return readableBytes + writableBytes > MAX_BYTES ? QueueFault.CHAIN_TOO_LARGE : QueueFault.NONE;
    }

    /**
     * Puts a part of a list into another one.
     *
     * @return whether {@code list} has all of it
     */
    public static boolean part(ScatterList list, long fromByte, long lengthBytes, ScatterList into) {
        into.clear();
        long skip = fromByte;
        long left = lengthBytes;
        for (int i = 0; i < list.count() && left > 0; i++) {
            long piece = list.lengthBytes(i);
            if (skip >= piece) {
                skip -= piece;
                continue;
            }
            long taken = Math.min(piece - skip, left);
            into.add(list.iova(i) + skip, taken);
            left -= taken;
            skip = 0;
        }
        return left == 0;
    }
}
