package devnode.fuse.memory;

import devnode.fuse.linux.ErrorNumber;
import devnode.fuse.linux.FileStatus;
import devnode.fuse.linux.Linux;
import devnode.fuse.linux.VirtualArea;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.locks.StampedLock;
import java.util.function.Supplier;

/**
 * One address space of a process: from its start, or its last execve(2), to the next or its end. It is identified by open files of
 * procfs, which never mean another process, whatever becomes of its number.
 *
 * <p>Shared mappings are pinned through their files and outlive the process; private ones get far addresses
 * ({@link iommufd.api.memory.FarMemory}) and do not. Thread-safe.
 */
public final class ProcessMemory implements UserMemory {
    private static final int ATTEMPTS = 10;
    /** Of user space, on every architecture that matters here. */
    private static final long END = 1L << 56;
    private static final long GONE = 0;

    private final int process;
    private final ClientPins pins;
    private final int mapsFile;
    private final int memoryFile;
    private final VirtualArea area = new VirtualArea();
    private final Supplier<OptionalInt> areaFile = this::openAreaFile;
    /** By address in units of chunks; guarded by the lock of {@link FarChunks}. */
    final Map<Long, FarChunks.Chunk> farChunks = new HashMap<>();
    /** Pinned last: mostly the next one as well. */
    private SharedFile.Identity lastFile = new SharedFile.Identity(0, 0);
    /** Written with this object's lock too. */
    private final StampedLock filesOpen = new StampedLock();
    private boolean retired;
    private boolean closed;

    /** @throws IommufdException if the process is gone or may not be looked at */
    public ProcessMemory(int process, ClientPins pins) {
        this.process = process;
        this.pins = pins;
        mapsFile = ErrorNumber.check("cannot look at the mappings of process " + process, Linux.open("/proc/" + process + "/maps", Linux.O_RDONLY));
        int memory = Linux.open("/proc/" + process + "/mem", Linux.O_RDWR);
        if (memory < 0) {
            Linux.close(mapsFile);
            throw ErrorNumber.failure("cannot open the memory of process " + process, memory);
        }
        memoryFile = memory;
    }

    @Override
    public Kind kind() {
        return Kind.PROCESS;
    }

    /** Whether the process still runs in this address space. */
    public synchronized boolean isAlive() {
        return !closed && area.isThere(mapsFile, process);
    }

    @Override
    public synchronized void pin(long address, long lengthBytes, boolean writable, PinnedRuns runs) {
        if (((address | lengthBytes) & PAGE_BYTES - 1) != 0 || lengthBytes <= 0) {
            throw new IommufdException(Errno.EINVAL, "0x%x + 0x%x are no whole pages".formatted(address, lengthBytes));
        }
        if (address < 0 || address >= END || lengthBytes > END - address) {
            throw new IommufdException(Errno.EFAULT, "0x%x + 0x%x is no user memory".formatted(address, lengthBytes));
        }
        long before = runs.totalBytes();
        try {
            for (long at = address; at < address + lengthBytes;) {
                at = pinArea(at, address + lengthBytes, writable, runs);
            }
        } catch (RuntimeException | Error failed) {
            pins.undo(runs, before);
            throw failed;
        }
    }

    @Override
    public void unpin(long physicalAddress, long lengthBytes) {
        pins.unpin(physicalAddress, lengthBytes);
    }

    /** Pins what one mapping holds of a range. @return the end of what it pinned */
    private long pinArea(long address, long wantedEnd, boolean writable, PinnedRuns runs) {
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            checkAccess(lookUp(address), address, writable);
            long end = Math.min(wantedEnd, area.end());
            if (!area.isSharedFile()) {
                pins.far().pin(this, address, end - address, runs);
                return end;
            }
            if (!lastFile.is(area.device(), area.inode())) {
                lastFile = new SharedFile.Identity(area.device(), area.inode());
            }
            long offset = area.fileOffset() + (address - area.start());
            if (pins.files().pin(lastFile, areaFile, offset, end - address, writable, Errno.EFAULT, runs)) {
                return end;
            }
            // the mapping changed between being looked up and being opened
        }
        throw new IommufdException(Errno.EFAULT, "the mapping at 0x%x of process %d changes all the time, or cannot be opened".formatted(address, process));
    }

    /**
     * A mapping of a node of ours.
     *
     * @param inode the node's
     * @param offset in its file
     * @param writable whether the process may write it
     */
    public record NodeMapping(long inode, long offset, boolean writable) {}

    /** What is mapped of a node; empty if it is something else, or more than one mapping. */
    public synchronized Optional<NodeMapping> nodeMapping(long address, long lengthBytes) {
        if (lookUp(address) < 0 || Long.compareUnsigned(lengthBytes, area.end() - address) > 0 || !area.isSharedFile() || !area.isReadable()
                || !pins.files().areNodes(area.device())) {
            return Optional.empty();
        }
        return Optional.of(new NodeMapping(area.inode(), area.fileOffset() + (address - area.start()), area.isWritable()));
    }

    /** Finds the {@link #area} at an address. @return 0; -ENOENT if there is none; else the address space is gone */
    private int lookUp(long address) {
        return closed ? -ErrorNumber.ESRCH : area.load(mapsFile, process, address);
    }

    private void checkAccess(int result, long address, boolean writable) {
        if (result < 0) {
            throw new IommufdException(Errno.EFAULT, "process %d has no memory at 0x%x".formatted(process, address));
        }
        if (!area.isReadable() || writable && !area.isWritable()) {
            throw new IommufdException(Errno.EFAULT, "process %d may not %s its memory at 0x%x"
                    .formatted(process, area.isReadable() ? "write" : "read", address));
        }
    }

    /** Opens the file behind {@link #area}, with as many rights as can be had: those of mappings are checked each time. */
    private OptionalInt openAreaFile() {
        String path = "/proc/%d/map_files/%x-%x".formatted(process, area.start(), area.end());
        int file = Linux.open(path, Linux.O_RDWR);
        if (file < 0) {
            file = Linux.open(path, Linux.O_RDONLY);
        }
        if (file < 0) {
            return OptionalInt.empty();
        }
        FileStatus status = new FileStatus();
        if (status.load(file) < 0 || status.inode() != area.inode()) {
            Linux.close(file);
            return OptionalInt.empty();
        }
        return OptionalInt.of(file);
    }

    /** Whether a range is mapped with the rights to write it. */
    public synchronized boolean isWritable(long address, long lengthBytes) {
        long end = address + lengthBytes;
        for (long at = address; Long.compareUnsigned(at, end) < 0; at = area.end()) {
            if (closed || area.load(mapsFile, process, at) < 0 || !area.isWritable()) {
                return false;
            }
        }
        return true;
    }

    @Override
    public boolean readAsOwner(long address, MemorySegment target) {
        return copyAsOwner(address, target, true);
    }

    @Override
    public boolean writeAsOwner(long address, MemorySegment source) {
        return copyAsOwner(address, source, false);
    }

    private boolean copyAsOwner(long address, MemorySegment local, boolean reading) {
        if (!local.isNative()) {
            return Bounce.copy(local, reading, bytes -> copyAsOwner(address, bytes, reading));
        }
        for (long done = 0; done < local.byteSize();) {
            long end = endOfAccessible(address + done, !reading);
            if (end == GONE) {
                return false;
            }
            long part = Math.min(end - (address + done), local.byteSize() - done);
            if (!transfer(address + done, local.asSlice(done, part), reading)) {
                if (!isAlive()) {
                    return false;
                }
                throw new IommufdException(Errno.EFAULT, "process %d has no memory behind 0x%x + 0x%x".formatted(process, address + done, part));
            }
            done += part;
        }
        return true;
    }

    /** @return the end of the mapping at {@code address}, which the process may read or write; or {@link #GONE} */
    private synchronized long endOfAccessible(long address, boolean writable) {
        int result = lookUp(address);
        if (result != 0 && result != -ErrorNumber.ENOENT) {
            return GONE;
        }
        checkAccess(result, address, writable);
        return area.end();
    }

    /** Copies from ({@code reading}) or to the process as a device does: by the rights that were checked when it was pinned. */
    boolean transfer(long address, MemorySegment local, boolean reading) {
        long stamp = filesOpen.readLock();
        try {
            for (long done = 0; done < local.byteSize();) {
                long left = local.byteSize() - done;
                long moved = closed ? 0 : reading ? Linux.pread(memoryFile, local.address() + done, left, address + done)
                        : Linux.pwrite(memoryFile, local.address() + done, left, address + done);
                if (moved <= 0) {
                    return false;
                }
                done += moved;
            }
            return true;
        } finally {
            filesOpen.unlockRead(stamp);
        }
    }

    synchronized void farChunkGone() {
        closeIfUnused();
    }

    /** The process is gone, or nobody asks for it any more: closes its files once nothing private is pinned. */
    public synchronized void retire() {
        retired = true;
        closeIfUnused();
    }

    private void closeIfUnused() {
        if (!retired || closed || pins.far().holds(this)) {
            return;
        }
        long stamp = filesOpen.writeLock();
        try {
            closed = true;
            Linux.close(mapsFile);
            Linux.close(memoryFile);
        } finally {
            filesOpen.unlockWrite(stamp);
        }
    }
}
