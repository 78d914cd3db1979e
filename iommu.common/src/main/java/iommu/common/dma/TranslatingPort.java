package iommu.common.dma;

import static iommufd.api.DmaAccess.READ_BIT;
import static iommufd.api.DmaAccess.WRITE_BIT;

import iommu.common.unit.PhysicalWords;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.ScatterList;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.memory.FarMemory;
import iommufd.api.memory.HostMemory;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * The path of every DMA request through a unit; the unit supplies the walk. See the package for how it meets invalidation.
 *
 * <p>One device thread at a time; {@link #close} from any thread.
 */
public abstract class TranslatingPort extends PaddedWord implements HardwarePort {
    /** What {@link #walk} answers if the request must be refused. */
    protected static final long REFUSED = -2L;
    /** What {@link #translate} answers for memory behind the window; {@link #farAddress} is where. */
    private static final long FAR = -3L;

    private static final MemorySegment WINDOW = HostMemory.WINDOW;
    private static final long PAGE_BYTES = 1L << Iotlb.SMALL_PAGE_LG2;
    private static final long MOST_BYTES_OF_RUN = 256 << 10;
    private static final long OUTSIDE = 0;
    /** What a pass answers if the request is over, as {@link #status} says. */
    private static final long OVER = -1;
    /** Whoever says so often that a page has come that has not is not asked again. */
    private static final int MOST_ASKS_PER_PAGE = 8;

    /** Translations of this port; touched only inside its epoch. */
    protected final Iotlb iotlb = new Iotlb();

    /** Of the IOTLB, here as well: one load less between a request and its bytes. */
    private final long[] entries = iotlb.small();
    private final InvalidationLog log;
    private final FarPath far;
    private long seen;
    private volatile boolean closed;
    /** Where this port's thread has waited for pages; null if it never has. */
    private volatile PendingPages pending;
    private DmaStatus status = DmaStatus.DONE;
    private DmaFault lastFault;
    /** The latest refusal was not the unit's: the translation led to no memory. */
    private boolean noMemory;
    /** The latest refusal was one of an atomic operation. */
    private boolean atomic;
    private long farAddress;

    /** The port sees every invalidation published to {@code log} from now on, once {@link #open} was called. */
    protected TranslatingPort(InvalidationLog log, FarPath far) {
        this.log = log;
        this.far = far;
    }

    /** Makes the port known to invalidators; call once, when the subclass is complete. */
    public final void open() {
        log.add(this);
        seen = log.sequence();
    }

    /**
     * Walks the tables in memory for one page, marks accessed and dirty bits, and puts the result into {@link #iotlb}. Inside
     * the epoch: must not block, fault or allocate.
     *
     * @param accessBit the one access that is needed
     * @return the physical address of {@code iova}, or {@link #REFUSED}, having noted why for {@link #fault}
     */
    protected abstract long walk(long iova, int accessBit);

    /** Records the refusal the last {@link #walk} noted, in the unit's way, and describes it. Outside the epoch. */
    protected abstract DmaFault fault(long iova, int accessBit);

    /**
     * Asks for the page the last {@link #walk} refused, if that is a refusal that a page can heal and the endpoint may ask, and waits
     * for the answer: a page request, or a stall. {@link PendingPages#request} is the wait. On the device's thread, outside the epoch
     * and without locks, so it may block; unless overridden, nothing is asked for.
     *
     * @param iova first byte refused
     * @param lengthBytes how many from there on the request wants, 1 or more; a unit may ask for some of their pages as well
     * @param accessBit the one access that is needed
     * @return whether to walk again; else the request ends with {@link #fault}, or as {@link DmaStatus#CLOSED} if the port was closed
     */
    protected boolean askForPage(long iova, long lengthBytes, int accessBit) {
        return false;
    }

    /**
     * Asked about a plain write whose first page {@link #walk} refused: whether it was no access to memory but a message, and has
     * been delivered. Outside the epoch.
     */
    protected boolean message(long iova, MemorySegment source, long sourceOffset, long lengthBytes) {
        return false;
    }

    /** Describes an access that ended at missing memory. Outside the epoch. */
    protected abstract DmaFault abort(long iova, int accessBit);

    /** Drops what an entry of the log covers; see {@link InvalidationLog#publish}. Inside the epoch. */
    protected abstract void forget(int kind, long tag, long first, long last);

    /** Drops all cached translations and configuration. Inside the epoch. */
    protected abstract void forgetEverything();

    /** Enters the epoch for a request of another kind. {@link #leaveEpoch} must follow, in a finally. @return whether the port is open */
    protected final boolean enterEpoch() {
        return enter();
    }

    /** The end of {@link #enterEpoch}; harmless if it was called before. */
    protected final void leaveEpoch() {
        leaveAndSurface();
    }

    /** Whether the port is closed, or about to be. */
    public final boolean isClosed() {
        return closed;
    }

    /** Whether the request that {@link #askForPage}, {@link #fault} or {@link #abort} is about is an atomic operation. */
    protected final boolean isAtomic() {
        return atomic;
    }

    /** Whether no request that started before {@code published} invalidations is inside. */
    final boolean passed(long published) {
        long value = getVolatile();
        return value == OUTSIDE || value > published;
    }

    @Override
    public final DmaStatus write(long iova, MemorySegment source, long sourceOffset, long lengthBytes) {
        // Only this thread changes the IOTLB: if nothing has to be replayed, a lookup before the fence is as good as one after.
        long physicalAddress = iotlb.lookup(entries, iova, WRITE_BIT);
        if (physicalAddress < 0 || !inOnePage(iova, lengthBytes) && !inOneRun(iova, physicalAddress, lengthBytes, WRITE_BIT)) {
            return writePages(iova, source, sourceOffset, lengthBytes);
        }
        try {
            if (!enterUnchanged()) {
                return writePages(iova, source, sourceOffset, lengthBytes);
            }
            MemorySegment.copy(source, sourceOffset, WINDOW, physicalAddress, lengthBytes);
            leaveAndSurface();
        } catch (InternalError memoryGone) {
            return aborted(iova, WRITE_BIT);
        } catch (RuntimeException | Error broken) {   // instead of a finally, which would store the slot again each time
            leave();
            throw broken;
        }
        return done();
    }

    private DmaStatus writePages(long iova, MemorySegment source, long sourceOffset, long lengthBytes) {
        long left = lengthBytes;
        for (int asks = 0; ; asks++) {
            long done = lengthBytes - left;
            long refused = writeOnce(iova + done, source, sourceOffset + done, left);
            if (refused == 0) {
                return done();
            }
            if (refused == OVER) {
                return status;
            }
            if (refused == lengthBytes && !noMemory && message(iova, source, sourceOffset, lengthBytes)) {
                return done();
            }
            asks = refused == left ? asks : 0;
            left = refused;
            if (!pageComes(iova + lengthBytes - left, left, WRITE_BIT, asks)) {
                return ended(iova + lengthBytes - left, WRITE_BIT);
            }
        }
    }

    /** One pass through the epoch. @return bytes refused, or {@link #OVER} */
    private long writeOnce(long iova, MemorySegment source, long sourceOffset, long lengthBytes) {
        try {
            if (!enter()) {
                return OVER;
            }
            long refused = movePagesOut(iova, source, sourceOffset, lengthBytes);
            leaveAndSurface();
            return refused;
        } catch (InternalError memoryGone) {
            aborted(iova, WRITE_BIT);
            return OVER;
        } finally {
            leave();
        }
    }

    @Override
    public final DmaStatus read(long iova, MemorySegment target, long targetOffset, long lengthBytes) {
        long physicalAddress = iotlb.lookup(entries, iova, READ_BIT);   // before the fence, as in write
        if (physicalAddress < 0 || !inOnePage(iova, lengthBytes) && !inOneRun(iova, physicalAddress, lengthBytes, READ_BIT)) {
            return readPages(iova, target, targetOffset, lengthBytes);
        }
        try {
            if (!enterUnchanged()) {
                return readPages(iova, target, targetOffset, lengthBytes);
            }
            MemorySegment.copy(WINDOW, physicalAddress, target, targetOffset, lengthBytes);
            leaveAndSurface();
        } catch (InternalError memoryGone) {
            target.asSlice(targetOffset, lengthBytes).fill((byte) 0);
            return aborted(iova, READ_BIT);
        } catch (RuntimeException | Error broken) {
            leave();
            throw broken;
        }
        return done();
    }

    private DmaStatus readPages(long iova, MemorySegment target, long targetOffset, long lengthBytes) {
        long left = lengthBytes;
        for (int asks = 0; ; asks++) {
            long done = lengthBytes - left;
            long refused = readOnce(iova + done, target, targetOffset + done, left);
            if (refused == 0) {
                return done();
            }
            if (refused == OVER) {
                return zeroed(target, targetOffset, lengthBytes);
            }
            asks = refused == left ? asks : 0;
            left = refused;
            if (!pageComes(iova + lengthBytes - left, left, READ_BIT, asks)) {
                ended(iova + lengthBytes - left, READ_BIT);
                return zeroed(target, targetOffset, lengthBytes);
            }
        }
    }

    /** As {@link #writeOnce}. */
    private long readOnce(long iova, MemorySegment target, long targetOffset, long lengthBytes) {
        try {
            if (!enter()) {
                return OVER;
            }
            long refused = movePagesIn(iova, target, targetOffset, lengthBytes);
            leaveAndSurface();
            return refused;
        } catch (InternalError memoryGone) {
            aborted(iova, READ_BIT);
            return OVER;
        } finally {
            leave();
        }
    }

    /** Who reads what was refused finds zeros; a closed port leaves the target to its successor. */
    private DmaStatus zeroed(MemorySegment target, long targetOffset, long lengthBytes) {
        if (status != DmaStatus.CLOSED) {
            target.asSlice(targetOffset, lengthBytes).fill((byte) 0);
        }
        return status;
    }

    @Override
    public final DmaStatus write(ScatterList list, MemorySegment source, long sourceOffset) {
        return movePieces(list, source, sourceOffset, WRITE_BIT);
    }

    @Override
    public final DmaStatus read(ScatterList list, MemorySegment target, long targetOffset) {
        DmaStatus end = movePieces(list, target, targetOffset, READ_BIT);
        return end == DmaStatus.DONE ? end : zeroed(target, targetOffset, list.totalBytes());
    }

    private DmaStatus movePieces(ScatterList list, MemorySegment own, long ownOffset, int accessBit) {
        long offset = ownOffset;
        int piece = 0;
        long moved = 0;   // of this piece
        long iova = 0;
        for (int asks = 0; ; asks++) {
            long refused = 0;
            try {
                if (!enter()) {
                    return status;
                }
                for (; piece < list.count(); piece++) {
                    long left = list.lengthBytes(piece) - moved;
                    iova = list.iova(piece) + moved;
                    refused = accessBit == WRITE_BIT ? movePagesOut(iova, own, offset, left) : movePagesIn(iova, own, offset, left);
                    asks = refused == left ? asks : 0;
                    offset += left - refused;
                    iova += left - refused;
                    moved += left - refused;
                    if (refused != 0) {
                        break;
                    }
                    moved = 0;
                }
                leaveAndSurface();
            } catch (InternalError memoryGone) {
                return aborted(iova, accessBit);
            } finally {
                leave();
            }
            if (refused == 0) {
                return done();
            }
            if (!pageComes(iova, refused, accessBit, asks)) {
                return ended(iova, accessBit);
            }
        }
    }

    @Override
    public final long compareAndSwap(long iova, long expected, long desired) {
        return atomic(AtomicOperation.COMPARE_AND_SWAP, iova, expected, desired);
    }

    @Override
    public final long fetchAndAdd(long iova, long addend) {
        return atomic(AtomicOperation.FETCH_AND_ADD, iova, 0, addend);
    }

    @Override
    public final long swap(long iova, long desired) {
        return atomic(AtomicOperation.SWAP, iova, 0, desired);
    }

    @Override
    public final DmaStatus status() {
        return status;
    }

    @Override
    public final Optional<DmaFault> lastFault() {
        return Optional.ofNullable(lastFault);
    }

    @Override
    public final boolean close(long timeoutNanos) {
        closed = true;
        PendingPages waiting = pending;   // after the store: either we see where it waits, or it sees that we are closed
        if (waiting != null) {
            waiting.leave(this);
        }
        boolean drained = InvalidationLog.await(this, Long.MAX_VALUE - 1, timeoutNanos);
        if (drained) {
            log.remove(this);
        }
        return drained;
    }

    /** This port's thread is about to wait there. */
    final void waitIn(PendingPages pages) {
        pending = pages;
    }

    /**
     * Runs {@code work}, which walks but moves no bytes, as a request: inside the epoch, with everything forgotten that was
     * invalidated before. One device thread at a time, as with requests.
     *
     * @return false if the port is closed, or memory went away
     */
    protected final boolean inside(Runnable work) {
        try {
            if (!enter()) {
                return false;
            }
            work.run();
            leaveAndSurface();
            return true;
        } catch (InternalError memoryGone) {
            return false;
        } finally {
            leave();
        }
    }

    private enum AtomicOperation { COMPARE_AND_SWAP, FETCH_AND_ADD, SWAP }

    private long atomic(AtomicOperation operation, long iova, long expected, long operand) {
        for (int asks = 0; ; asks++) {
            int refusedBit = 0;
            boolean farAtomic = false;
            long found = 0;
            try {
                if (!enter()) {
                    return 0;
                }
                long readable = translate(iova, READ_BIT);
                farAtomic = readable == FAR;
                if (readable < 0) {
                    refusedBit = READ_BIT;
                } else {
                    long physicalAddress = translate(iova, WRITE_BIT);
                    if (physicalAddress < 0) {
                        refusedBit = WRITE_BIT;
                    } else {
                        // Outside compiled code only plain accesses survive a bus error, an atomic one ends the JVM.
                        PhysicalWords.get(physicalAddress);
                        surface();
                        found = switch (operation) {
                            case COMPARE_AND_SWAP -> PhysicalWords.compareAndExchange(physicalAddress, expected, operand);
                            case FETCH_AND_ADD -> PhysicalWords.getAndAdd(physicalAddress, operand);
                            case SWAP -> PhysicalWords.getAndSet(physicalAddress, operand);
                        };
                    }
                }
                leaveAndSurface();
            } catch (InternalError memoryGone) {
                aborted(iova, WRITE_BIT);
                return 0;
            } finally {
                leave();
            }
            if (refusedBit == 0) {
                done();
                return found;
            }
            noMemory |= farAtomic;   // no system call does this in another process
            atomic = true;
            boolean comes = pageComes(iova, Long.BYTES, refusedBit, asks);
            if (!comes) {
                ended(iova, refusedBit);
            }
            atomic = false;
            if (!comes) {
                return 0;
            }
        }
    }

    /** @return whether the port is open and nothing was invalidated since the last request. {@link #leave} must follow either way */
    private boolean enterUnchanged() {
        InvalidationLog log = this.log;   // read before the fence, it need not be waited for after
        long expected = seen;
        exchange(expected + 1);
        return log.sequence() == expected && !closed;
    }

    /** @return whether the port is open; {@link #status} is set if not. {@link #leave} must follow either way */
    private boolean enter() {
        setVolatile(seen + 1);
        if (closed) {
            status = DmaStatus.CLOSED;
            return false;
        }
        long now = log.sequence();
        if (now != seen) {
            log.replay(this, seen, now);
            seen = now;
        }
        return true;
    }

    /**
     * Leaves the epoch, and lets a bus error surface. Compiled code throws what one became not where it happened but at the next
     * safepoint poll, which must therefore lie in the request's try. The backward branch of a loop whose end the compiler cannot
     * know is one, if it is taken at times; this one is taken once.
     */
    private void leaveAndSurface() {
        while (getOpaque() != OUTSIDE) {
            leave();
        }
    }

    /** Lets a bus error surface inside the epoch, as {@link #leaveAndSurface}. */
    private void surface() {
        long before = OUTSIDE;
        while (before != (before = getOpaque())) { }
    }

    private void leave() {
        setRelease(OUTSIDE);
    }

    private long translate(long iova, int accessBit) {
        long physicalAddress = iotlb.lookup(iova, accessBit);
        return physicalAddress >= 0 ? physicalAddress : walkToMemory(iova, accessBit);
    }

    /**
     * Tables may point where there is no memory. Touching it would be an error the JVM reports some instructions later, perhaps
     * outside this request; so it is looked up before the translation is used, once per walk.
     */
    private long walkToMemory(long iova, int accessBit) {
        long physicalAddress = walk(iova, accessBit);
        if (physicalAddress >= 0 && !HostMemory.isBacked(physicalAddress)) {
            // Never in the IOTLB: whatever is found there lies in the window.
            iotlb.forget(iova, iova);
            farAddress = physicalAddress;
            noMemory = !FarMemory.isFar(physicalAddress);
            return noMemory ? REFUSED : FAR;
        }
        return physicalAddress;
    }

    /** Whether all bytes lie in one page. */
    private static boolean inOnePage(long iova, long lengthBytes) {
        return lengthBytes <= PAGE_BYTES - (iova & PAGE_BYTES - 1);
    }

    /** Whether all bytes lie one after the other in memory, as far as the IOTLB knows, and are few enough to look for that first. */
    private boolean inOneRun(long iova, long physicalAddress, long lengthBytes, int accessBit) {
        return lengthBytes <= MOST_BYTES_OF_RUN && contiguousRun(iova, physicalAddress, lengthBytes, accessBit) == lengthBytes;
    }

    /** @return bytes not moved */
    private long movePagesOut(long iova, MemorySegment source, long sourceOffset, long lengthBytes) {
        long left = lengthBytes;
        long at = iova;
        long offset = sourceOffset;
        while (left > 0) {
            long physicalAddress = translate(at, WRITE_BIT);
            long run;
            if (physicalAddress >= 0) {
                run = contiguousRun(at, physicalAddress, left, WRITE_BIT);
                MemorySegment.copy(source, offset, WINDOW, physicalAddress, run);
            } else {
                run = pageRest(at, left);
                if (physicalAddress != FAR || !farOut(source, offset, run)) {
                    return left;
                }
            }
            offset += run;
            at += run;
            left -= run;
        }
        return 0;
    }

    /** @return bytes not moved */
    private long movePagesIn(long iova, MemorySegment target, long targetOffset, long lengthBytes) {
        long left = lengthBytes;
        long at = iova;
        long offset = targetOffset;
        while (left > 0) {
            long physicalAddress = translate(at, READ_BIT);
            long run;
            if (physicalAddress >= 0) {
                run = contiguousRun(at, physicalAddress, left, READ_BIT);
                MemorySegment.copy(WINDOW, physicalAddress, target, offset, run);
            } else {
                run = pageRest(at, left);
                if (physicalAddress != FAR || !farIn(target, offset, run)) {
                    return left;
                }
            }
            offset += run;
            at += run;
            left -= run;
        }
        return 0;
    }

    /** Copies to {@link #farAddress}: a system call. @return false if it is not there, which aborts the request */
    private boolean farOut(MemorySegment source, long sourceOffset, long lengthBytes) {
        long address = farAddress;
        noMemory = far.memory().filter(memory -> memory.write(address, source.asSlice(sourceOffset, lengthBytes))).isEmpty();
        return !noMemory;
    }

    /** Copies from {@link #farAddress}, as {@link #farOut}. */
    private boolean farIn(MemorySegment target, long targetOffset, long lengthBytes) {
        long address = farAddress;
        noMemory = far.memory().filter(memory -> memory.read(address, target.asSlice(targetOffset, lengthBytes))).isEmpty();
        return !noMemory;
    }

    private static long pageRest(long iova, long lengthBytes) {
        return Math.min(PAGE_BYTES - (iova & PAGE_BYTES - 1), lengthBytes);
    }

    /** Bytes from {@code iova} on that lie one after the other in memory as far as the IOTLB knows; at least the page's rest. */
    private long contiguousRun(long iova, long physicalAddress, long lengthBytes, int accessBit) {
        long run = PAGE_BYTES - (iova & PAGE_BYTES - 1);
        while (run < lengthBytes && iotlb.lookup(iova + run, accessBit) == physicalAddress + run) {
            run += PAGE_BYTES;
        }
        return Math.min(run, lengthBytes);
    }

    /** Storing a reference costs a barrier of the collector, at times a fence; so it is stored if it changes. */
    private DmaStatus done() {
        if (status != DmaStatus.DONE) {
            status = DmaStatus.DONE;
        }
        return DmaStatus.DONE;
    }

    /** Whether to try the rest of the request again. Outside the epoch. @param asks how often this page was asked for before */
    private boolean pageComes(long iova, long lengthBytes, int accessBit, int asks) {
        return !noMemory && asks < MOST_ASKS_PER_PAGE && askForPage(iova, lengthBytes, accessBit);
    }

    /** The end of a request that waits for no page any more: on a closed port its successor asks again, else it is refused. */
    private DmaStatus ended(long iova, int accessBit) {
        return closed && !noMemory ? status = DmaStatus.CLOSED : refused(iova, accessBit);
    }

    private DmaStatus refused(long iova, int accessBit) {
        if (noMemory) {
            noMemory = false;
            return aborted(iova, accessBit);
        }
        lastFault = fault(iova, accessBit);
        return status = DmaStatus.FAULTED;
    }

    /** Also the end of a request in whose middle memory went away: that is still inside the epoch. */
    private DmaStatus aborted(long iova, int accessBit) {
        leave();
        lastFault = abort(iova, accessBit);
        return status = DmaStatus.ABORTED;
    }
}
