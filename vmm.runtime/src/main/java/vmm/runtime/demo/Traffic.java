package vmm.runtime.demo;

import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Endless work for a device: it writes a stamped block, looks at the memory from the processor's side whether every byte is
 * there, then reads an older block back by DMA and compares it too. Counters may be read by any thread.
 */
final class Traffic implements EmulatedDevice.Engine {
    /** Not a multiple of a page, so that blocks straddle pages. */
    static final int BLOCK_BYTES = 12 * 1024;

    private final MemorySegment ram;
    private final long ramOffset;
    private final long[] stamps;
    private final long firstStamp;
    private final Pattern pattern = new Pattern(BLOCK_BYTES);
    private final MemorySegment readBack = Arena.ofAuto().allocate(BLOCK_BYTES, Long.BYTES);
    private volatile long blocks;
    private volatile long corruptedBytes;
    private volatile long failedRequests;
    private volatile long longestNanos;

    /** @param ramOffset start of the part of guest memory that this device alone writes, {@code lengthBytes} long */
    Traffic(Testbed bed, int device, long ramOffset, long lengthBytes) {
        this.ram = bed.ram().segment();
        this.ramOffset = ramOffset;
        this.stamps = new long[(int) (lengthBytes / BLOCK_BYTES)];
        this.firstStamp = (long) (device + 1) << 56;
    }

    @Override
    public boolean doWork(DmaPort port) {
        long block = blocks;
        int slot = slot(block);
        long stamp = firstStamp + block;
        stamps[slot] = stamp;
        long began = System.nanoTime();
        count(port.write(iova(slot), pattern.block(stamp), 0, BLOCK_BYTES));
        note(System.nanoTime() - began);
        corrupted(pattern.differences(ram, offset(slot)));

        int older = slot(Pattern.mixed(block) >>> 1) % (int) Math.min(stamps.length, block + 1);
        if (stamps[older] != 0) {
            began = System.nanoTime();
            count(port.read(iova(older), readBack, 0, BLOCK_BYTES));
            note(System.nanoTime() - began);
            pattern.block(stamps[older]);
            corrupted(pattern.differences(readBack, 0));
        }
        blocks = block + 1;
        return true;
    }

    /** Compares all memory written with what was written there last, from the processor's side. Only once the device stopped. */
    void compareMemory() {
        for (int slot = 0; slot < stamps.length; slot++) {
            if (stamps[slot] != 0) {
                pattern.block(stamps[slot]);
                corrupted(pattern.differences(ram, offset(slot)));
            }
        }
    }

    /** Blocks written and checked. */
    long blocks() {
        return blocks;
    }

    /** Bytes that were not what they should be. */
    long corruptedBytes() {
        return corruptedBytes;
    }

    /** Requests that did not end with {@link DmaStatus#DONE}. */
    long failedRequests() {
        return failedRequests;
    }

    /** The longest a request took. */
    long longestNanos() {
        return longestNanos;
    }

    // One thread writes the counters.
    @SuppressWarnings("NonAtomicOperationOnVolatileField")
    private void count(DmaStatus status) {
        if (status != DmaStatus.DONE) {
            failedRequests++;
        }
    }

    private void corrupted(long bytes) {
        if (bytes != 0) {
            corruptedBytes += bytes;
        }
    }

    private void note(long nanos) {
        if (nanos > longestNanos) {
            longestNanos = nanos;
        }
    }

    private int slot(long block) {
        return (int) (block % stamps.length);
    }

    private long offset(int slot) {
        return ramOffset + (long) slot * BLOCK_BYTES;
    }

    private long iova(int slot) {
        return Testbed.RAM_IOVA + offset(slot);
    }
}
