package vmm.devices.virtio.blk;

import static vmm.devices.virtio.blk.BlkRequest.INT;
import static vmm.devices.virtio.blk.BlkRequest.LONG;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** The configuration space of a block device (virtio 1.2, §5.2.4). Thread-safe. */
final class BlkConfigSpace {
    static final int BYTES = 60;

    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(java.nio.ByteOrder.LITTLE_ENDIAN);
    private static final int CAPACITY_OFFSET = 0;
    private static final int SEG_MAX_OFFSET = 12;
    private static final int BLOCK_SIZE_OFFSET = 20;
    private static final int MIN_IO_OFFSET = 26;
    private static final int QUEUES_OFFSET = 34;
    private static final int MAX_DISCARD_SECTORS_OFFSET = 36;
    private static final int MAX_DISCARD_RANGES_OFFSET = 40;
    private static final int DISCARD_ALIGNMENT_OFFSET = 44;
    private static final int MAX_ZERO_SECTORS_OFFSET = 48;
    private static final int MAX_ZERO_RANGES_OFFSET = 52;
    private static final int ZERO_MAY_UNMAP_OFFSET = 56;

    private final byte[] bytes = new byte[BYTES];
    private int generation;

    BlkConfigSpace(BlkOptions options, long sizeBytes) {
        MemorySegment space = MemorySegment.ofArray(bytes);
        int blockSectors = 1 << options.file().blockLg2() - BlkRequest.SECTOR_LG2;
        space.set(LONG, CAPACITY_OFFSET, sectors(options, sizeBytes));
        space.set(INT, SEG_MAX_OFFSET, options.queueSize() - 2);   // header and status take one each
        space.set(INT, BLOCK_SIZE_OFFSET, 1 << options.file().blockLg2());
        space.set(SHORT, MIN_IO_OFFSET, (short) 1);
        space.set(SHORT, QUEUES_OFFSET, (short) options.queues());
        space.set(INT, MAX_DISCARD_SECTORS_OFFSET, BlkRequest.MAX_RANGE_SECTORS);
        space.set(INT, MAX_DISCARD_RANGES_OFFSET, BlkRequest.MAX_RANGES);
        space.set(INT, DISCARD_ALIGNMENT_OFFSET, blockSectors);
        space.set(INT, MAX_ZERO_SECTORS_OFFSET, BlkRequest.MAX_RANGE_SECTORS);
        space.set(INT, MAX_ZERO_RANGES_OFFSET, BlkRequest.MAX_RANGES);
        space.set(ValueLayout.JAVA_BYTE, ZERO_MAY_UNMAP_OFFSET, (byte) 1);
    }

    private static long sectors(BlkOptions options, long sizeBytes) {
        return sizeBytes >>> options.file().blockLg2() << options.file().blockLg2() - BlkRequest.SECTOR_LG2;
    }

    synchronized long capacitySectors() {
        return MemorySegment.ofArray(bytes).get(LONG, CAPACITY_OFFSET);
    }

    /** The file is that long now. */
    synchronized void resize(BlkOptions options, long sizeBytes) {
        MemorySegment.ofArray(bytes).set(LONG, CAPACITY_OFFSET, sectors(options, sizeBytes));
        generation++;
    }

    synchronized int generation() {
        return generation;
    }

    synchronized void read(int offset, MemorySegment target) {
        MemorySegment.copy(MemorySegment.ofArray(bytes), offset, target, 0, target.byteSize());
    }
}
