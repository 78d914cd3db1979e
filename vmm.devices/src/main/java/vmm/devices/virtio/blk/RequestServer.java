package vmm.devices.virtio.blk;

import static vmm.devices.virtio.blk.BlkRequest.HEADER_BYTES;
import static vmm.devices.virtio.blk.BlkRequest.IO_ERROR;
import static vmm.devices.virtio.blk.BlkRequest.OK;
import static vmm.devices.virtio.blk.BlkRequest.SECTOR_LG2;
import static vmm.devices.virtio.blk.BlkRequest.STATUS_BYTES;
import static vmm.devices.virtio.blk.BlkRequest.UNSUPPORTED;

import iommufd.api.dma.DmaStatus;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import vmm.devices.nvme.NamespaceFile;
import vmm.devices.virtio.ActiveQueue;
import vmm.devices.virtio.DescriptorChain;
import vmm.devices.virtio.QueueFault;
import vmm.devices.virtio.QueueServer;

/** Executes the requests of one queue, one after the other. One thread; reads and writes allocate nothing. */
final class RequestServer implements QueueServer, AutoCloseable {
    /** Requests before they are published at the latest. */
    private static final int BATCH = 32;
    /** Bytes moved before requests are published at the latest. */
    private static final long BATCH_BYTES = 256 << 10;
    private static final int BUFFER_BYTES = 64 << 10;
    private static final int RANGES_BYTES = BlkRequest.MAX_RANGES * BlkRequest.RANGE_BYTES;
    /** Not a status: the chain is no request, the queue broken. */
    private static final int BROKEN = -1;

    private final Disk disk;
    private final ActiveQueue queue;
    private final MemorySegment header;
    private final MemorySegment ranges;
    private final MemorySegment id;
    /** Data on its way, when the mapped file cannot be used. */
    private final MemorySegment buffer;
    private NamespaceFile file;
    private int version;
    private long capacitySectors;
    private long moved;

    RequestServer(Disk disk, ActiveQueue queue) {
        this.disk = disk;
        this.queue = queue;
        header = queue.allocate(HEADER_BYTES);
        ranges = queue.allocate(RANGES_BYTES);
        buffer = queue.allocate(BUFFER_BYTES);
        id = queue.allocate(BlkRequest.ID_BYTES);
        MemorySegment.copy(MemorySegment.ofArray(disk.options().serial().getBytes(StandardCharsets.US_ASCII)), 0, id, 0,
                disk.options().serial().length());
        version = disk.version();
        file = disk.open();
        capacitySectors = disk.config().capacitySectors();
    }

    @Override
    public int serve() {
        if (version != disk.version()) {
            reopen();
        }
        int done = 0;
        moved = 0;
        while (done < BATCH && moved < BATCH_BYTES && queue.next()) {
            if (!execute(queue.chain())) {
                break;
            }
            done++;
        }
        if (done > 0) {
            queue.publish();
        }
        return done;
    }

    private void reopen() {
        version = disk.version();
        NamespaceFile old = file;
        file = disk.open();
        capacitySectors = Math.min(disk.config().capacitySectors(), file.sizeBytes() >>> SECTOR_LG2);
        old.close();
    }

    @Override
    public boolean arm() {
        return queue.ring().requestNotifications();
    }

    @Override
    public void disarm() {
        queue.ring().suppressNotifications();
    }

    /** @return false if the queue is broken */
    private boolean execute(DescriptorChain chain) {
        if (chain.readableBytes() < HEADER_BYTES || chain.writableBytes() < STATUS_BYTES) {
            return queue.ring().fail(QueueFault.MALFORMED_REQUEST);
        }
        if (queue.read(chain.readable(), 0, HEADER_BYTES, header, 0) != DmaStatus.DONE) {
            return unreachable();
        }
        long sector = header.get(BlkRequest.LONG, BlkRequest.SECTOR_OFFSET);
        long written = 0;
        int status;
        switch (header.get(BlkRequest.INT, BlkRequest.TYPE_OFFSET)) {
            case BlkRequest.READ -> {
                written = chain.writableBytes() - STATUS_BYTES;
                status = read(chain, sector, written);
            }
            case BlkRequest.WRITE -> status = write(chain, sector, chain.readableBytes() - HEADER_BYTES);
            case BlkRequest.FLUSH -> status = file.sync() == 0 ? OK : IO_ERROR;
            case BlkRequest.GET_ID -> {
                written = Math.min(BlkRequest.ID_BYTES, chain.writableBytes() - STATUS_BYTES);
                status = queue.write(chain.writable(), 0, written, id, 0) == DmaStatus.DONE ? OK : BROKEN;
            }
            case BlkRequest.DISCARD -> status = ranges(chain, true);
            case BlkRequest.WRITE_ZEROES -> status = ranges(chain, false);
            default -> status = UNSUPPORTED;
        }
        return status == BROKEN ? unreachable() : finish(chain, status, status == OK ? written : 0);
    }

    private boolean unreachable() {
        return queue.ring().fail(QueueFault.BUFFER_UNREACHABLE);
    }

    private boolean finish(DescriptorChain chain, int status, long written) {
        header.set(ValueLayout.JAVA_BYTE, 0, (byte) status);
        int last = chain.writable().count() - 1;
        long statusIova = chain.writable().iova(last) + chain.writable().lengthBytes(last) - STATUS_BYTES;
        if (queue.port().write(statusIova, header, 0, STATUS_BYTES) != DmaStatus.DONE) {
            return unreachable();
        }
        queue.ring().complete(chain, written + STATUS_BYTES);
        return true;
    }

    /** Whether these are whole blocks of the disk. */
    private boolean onDisk(long sector, long lengthBytes) {
        long blockMask = (1L << disk.options().file().blockLg2()) - 1;
        long sectors = lengthBytes >>> SECTOR_LG2;
        return Long.compareUnsigned(sector, capacitySectors) <= 0 && sectors <= capacitySectors - sector
                && ((sector << SECTOR_LG2 | lengthBytes) & blockMask) == 0;
    }

    private int read(DescriptorChain chain, long sector, long lengthBytes) {
        if (!onDisk(sector, lengthBytes)) {
            return IO_ERROR;
        }
        moved += lengthBytes;
        long offset = sector << SECTOR_LG2;
        return lengthBytes == 0 || queue.write(chain.writable(), 0, lengthBytes, file.mapped(), offset) == DmaStatus.DONE
                ? OK : readSlowly(chain, offset, lengthBytes);
    }

    /** Finds out whose fault it was: the driver's, or the medium's. */
    private int readSlowly(DescriptorChain chain, long offset, long lengthBytes) {
        for (long done = 0; done < lengthBytes; done += BUFFER_BYTES) {
            long part = Math.min(BUFFER_BYTES, lengthBytes - done);
            if (file.read(offset + done, buffer, part) != 0) {
                return IO_ERROR;
            }
            if (queue.write(chain.writable(), done, part, buffer, 0) != DmaStatus.DONE) {
                return BROKEN;
            }
        }
        return OK;
    }

    private int write(DescriptorChain chain, long sector, long lengthBytes) {
        if (disk.options().file().readOnly() || !onDisk(sector, lengthBytes)) {
            return IO_ERROR;
        }
        moved += lengthBytes;
        long offset = sector << SECTOR_LG2;
        return lengthBytes == 0 || queue.read(chain.readable(), HEADER_BYTES, lengthBytes, file.mapped(), offset) == DmaStatus.DONE
                ? OK : writeSlowly(chain, offset, lengthBytes);
    }

    private int writeSlowly(DescriptorChain chain, long offset, long lengthBytes) {
        for (long done = 0; done < lengthBytes; done += BUFFER_BYTES) {
            long part = Math.min(BUFFER_BYTES, lengthBytes - done);
            if (queue.read(chain.readable(), HEADER_BYTES + done, part, buffer, 0) != DmaStatus.DONE) {
                return BROKEN;
            }
            if (file.write(offset + done, buffer, part) != 0) {
                return IO_ERROR;
            }
        }
        return OK;
    }

    /** Zeroes ranges, of which either all or none are possible. */
    private int ranges(DescriptorChain chain, boolean discard) {
        long bytes = chain.readableBytes() - HEADER_BYTES;
        if (disk.options().file().readOnly() || bytes == 0 || bytes % BlkRequest.RANGE_BYTES != 0 || bytes > RANGES_BYTES) {
            return bytes > RANGES_BYTES ? UNSUPPORTED : IO_ERROR;
        }
        if (queue.read(chain.readable(), HEADER_BYTES, bytes, ranges, 0) != DmaStatus.DONE) {
            return BROKEN;
        }
        for (long at = 0; at < bytes; at += BlkRequest.RANGE_BYTES) {
            int flags = flags(at);
            if ((flags & ~BlkRequest.UNMAP) != 0 || discard && flags != 0) {
                return UNSUPPORTED;
            }
            if (count(at) > BlkRequest.MAX_RANGE_SECTORS || !onDisk(ranges.get(BlkRequest.LONG, at), count(at) << SECTOR_LG2)) {
                return IO_ERROR;
            }
        }
        for (long at = 0; at < bytes; at += BlkRequest.RANGE_BYTES) {
            long offset = ranges.get(BlkRequest.LONG, at) << SECTOR_LG2;
            long length = count(at) << SECTOR_LG2;
            moved += length;
            if (length > 0 && (discard || (flags(at) & BlkRequest.UNMAP) != 0 ? file.deallocate(offset, length) : file.zero(offset, length)) != 0) {
                return IO_ERROR;
            }
        }
        return OK;
    }

    private long count(long at) {
        return Integer.toUnsignedLong(ranges.get(BlkRequest.INT, at + BlkRequest.RANGE_COUNT_OFFSET));
    }

    private int flags(long at) {
        return ranges.get(BlkRequest.INT, at + BlkRequest.RANGE_FLAGS_OFFSET);
    }

    @Override
    public void close() {
        file.close();
    }
}
