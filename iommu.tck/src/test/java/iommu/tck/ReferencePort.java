package iommu.tck;

import static iommufd.api.DmaAccess.READ_BIT;
import static iommufd.api.DmaAccess.WRITE_BIT;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.ScatterList;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.memory.FarMemory;
import iommufd.api.memory.HostMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/** A port of {@link ReferenceBackend}: looks every piece up and copies it, under the backend's lock. */
final class ReferencePort implements HardwarePort {
    private static final MemorySegment WINDOW = HostMemory.WINDOW;
    private static final VarHandle WORD = ValueLayout.JAVA_LONG.varHandle();

    private static final int MOST_ASKS = 20;
    private static final int MOST_PAGES_OF_GROUP = 3;

    private enum Atomic { COMPARE_AND_SWAP, FETCH_AND_ADD, SWAP }

    private final ReferenceBackend backend;
    private final ReferenceEndpoint endpoint;
    private final int pasid;
    private final ReferenceEndpoint.Attachment attachment;
    private final ScatterList single = new ScatterList(1);
    private volatile boolean closed;
    private DmaStatus status = DmaStatus.DONE;
    private DmaFault lastFault;
    private long refusedIova;
    private DmaFault.Kind refusedKind;

    // For defects only.
    private final ReferenceDomain openedWith;
    private final Map<Long, Long> stalePages = new HashMap<>();
    private final Set<Long> refusedPages = new HashSet<>();
    private final Set<Long> knownDirty = new HashSet<>();
    private ReferenceDomain warm;
    private Object garbage;

    ReferencePort(ReferenceBackend backend, ReferenceEndpoint endpoint, int pasid, ReferenceEndpoint.Attachment attachment) {
        this.backend = backend;
        this.endpoint = endpoint;
        this.pasid = pasid;
        this.attachment = attachment;
        openedWith = attachment.domain;
    }

    @Override
    public DmaStatus read(long iova, MemorySegment target, long targetOffset, long lengthBytes) {
        return read(single.clear().add(iova, lengthBytes), target, targetOffset);
    }

    @Override
    public DmaStatus write(long iova, MemorySegment source, long sourceOffset, long lengthBytes) {
        return write(single.clear().add(iova, lengthBytes), source, sourceOffset);
    }

    @Override
    public DmaStatus read(ScatterList list, MemorySegment target, long targetOffset) {
        status = request(list, target, targetOffset, READ_BIT);
        boolean zeros = status == DmaStatus.FAULTED || status == DmaStatus.ABORTED;
        if (zeros && !has(Defect.REFUSED_READS_DELIVER_BYTES) || has(Defect.CLOSED_PORTS_ZERO_THE_TARGET) && closed) {
            target.asSlice(targetOffset, list.totalBytes()).fill((byte) 0);
        }
        return status;
    }

    @Override
    public DmaStatus write(ScatterList list, MemorySegment source, long sourceOffset) {
        return status = request(list, source, sourceOffset, WRITE_BIT);
    }

    private boolean has(Defect defect) {
        return backend.has(defect);
    }

    /** Tries, and asks for pages, until it is over. What was moved before a page came is moved again. */
    private DmaStatus request(ScatterList list, MemorySegment buffer, long bufferOffset, int accessBit) {
        DmaAccess access = accessBit == READ_BIT ? DmaAccess.READ : DmaAccess.WRITE;
        for (int asks = 0; ; asks++) {
            DmaStatus result = tryOnce(list, buffer, bufferOffset, accessBit);
            boolean scattered = list != single && has(Defect.ONLY_PLAIN_REQUESTS_ASK);
            if (result != DmaStatus.FAULTED || scattered || !pagesCome(list, asks, access)) {
                return end(result, list, access);
            }
            if (has(Defect.REQUESTS_FORGOTTEN_AFTER_THE_WAIT)) {
                return DmaStatus.DONE;
            }
        }
    }

    private DmaStatus end(DmaStatus result, ScatterList list, DmaAccess access) {
        if (result == DmaStatus.FAULTED && closed && mayAsk()) {
            return DmaStatus.CLOSED;
        }
        boolean told = result == DmaStatus.FAULTED && has(Defect.FAULTS_REPORTED_INSIDE_THE_REQUEST);
        if (!told && (result == DmaStatus.FAULTED || result == DmaStatus.ABORTED) || has(Defect.SUCCESS_REPORTED_AS_FAULT)) {
            if (has(Defect.FAULTS_NAME_THE_START_OF_THE_REQUEST)) {
                refusedIova = list.iova(0);
            }
            report(access, result);
        }
        return result;
    }

    private boolean mayAsk() {
        return endpoint.description().pageRequests() || has(Defect.EVERYBODY_ASKS);
    }

    /** @return whether to try again */
    private boolean pagesCome(ScatterList list, int asks, DmaAccess access) {
        boolean absent = refusedKind == DmaFault.Kind.TRANSLATION || refusedKind == DmaFault.Kind.BLOCKED && has(Defect.BLOCKED_REQUESTS_ASK);
        int most = has(Defect.ONE_PAGE_PER_REQUEST) ? 1 : has(Defect.PROMISED_PAGES_ASKED_FOR_FOR_EVER) ? Integer.MAX_VALUE : MOST_ASKS;
        if (!mayAsk() || !absent || asks >= most) {
            return false;
        }
        return endpoint.pageRequests.ask(this, pasid, absentPages(list), access);
    }

    /** The refused page and, as long as they are absent too, those behind it that the piece wants. */
    private List<Long> absentPages(ScatterList list) {
        long mask = has(Defect.PAGE_REQUESTS_NAME_THE_BYTE) ? -1L : -4096L;
        List<Long> pages = new ArrayList<>(List.of(refusedIova & mask));
        for (int piece = 0; piece < list.count(); piece++) {
            long last = list.iova(piece) + list.lengthBytes(piece) - 1;
            if (Long.compareUnsigned(refusedIova, list.iova(piece)) < 0 || Long.compareUnsigned(refusedIova, last) > 0) {
                continue;
            }
            long pagesLeft = (last >>> 12) - (refusedIova >>> 12);
            long asked = Math.min(MOST_PAGES_OF_GROUP - 1, pagesLeft) + (has(Defect.PAGES_ASKED_FOR_THAT_NOBODY_WANTS) ? 1 : 0);
            for (int next = 1; next <= asked && isAbsent(refusedIova + next * 4096L); next++) {
                pages.add(refusedIova + next * 4096L & mask);
            }
            break;
        }
        return pages;
    }

    private boolean isAbsent(long iova) {
        long stamp = backend.enter();
        try {
            return attachment.domain == null || attachment.domain.find(iova) < 0;
        } finally {
            backend.leave(stamp);
        }
    }

    private DmaStatus tryOnce(ScatterList list, MemorySegment buffer, long bufferOffset, int accessBit) {
        DmaAccess access = accessBit == READ_BIT ? DmaAccess.READ : DmaAccess.WRITE;
        DmaStatus result;
        long stamp = backend.enter();
        try {
            boolean closedNow = closed && !has(Defect.CLOSED_PORTS_SERVE);
            result = closedNow && !has(Defect.CLOSED_PORTS_MOVE_BEFORE_THEY_ANSWER) ? DmaStatus.CLOSED
                    : move(list, buffer, bufferOffset, accessBit);
            if (closedNow) {
                result = DmaStatus.CLOSED;
            }
            if (has(Defect.FAULTS_REPORTED_INSIDE_THE_REQUEST) && result == DmaStatus.FAULTED) {
                report(access, result);
            }
            if (has(Defect.WAITS_INSIDE_THE_REQUEST) && result == DmaStatus.FAULTED && pagesCome(list, 0, access)) {
                return move(list, buffer, bufferOffset, accessBit);
            }
        } finally {
            backend.leave(stamp);
        }
        return result;
    }

    private DmaStatus move(ScatterList list, MemorySegment buffer, long bufferOffset, int accessBit) {
        if (has(Defect.DMA_ALLOCATES)) {
            garbage = new Object[2];
        }
        DmaStatus result = DmaStatus.DONE;
        long offset = has(Defect.BUFFER_OFFSET_IGNORED) ? 0 : bufferOffset;
        for (int piece = 0; piece < list.count(); piece++) {
            long iova = list.iova(piece);
            if (has(Defect.SCATTER_REPEATS_THE_BUFFER)) {
                offset = bufferOffset;
            }
            for (long left = list.lengthBytes(piece); left > 0; ) {
                long run = moveSome(iova, left, buffer, offset, accessBit, offset == bufferOffset);
                if (run < 0 && has(Defect.WRITES_GO_ON_AFTER_A_REFUSED_PAGE) && accessBit == WRITE_BIT) {
                    result = DmaStatus.FAULTED;
                    run = Math.min(left, restOfPage(iova));
                }
                if (run < 0) {
                    return refusedKind == DmaFault.Kind.EXTERNAL_ABORT ? DmaStatus.ABORTED : DmaStatus.FAULTED;
                }
                iova += run;
                offset += run;
                left -= run;
                if (has(Defect.REQUESTS_END_AFTER_FOUR_PAGES) && offset - bufferOffset >= 4 * 4096) {
                    return DmaStatus.DONE;
                }
            }
        }
        if (has(Defect.DIRTY_MISSES_REFUSED_WRITES) && accessBit == WRITE_BIT) {
            attachment.domain.written(attachment.domain.find(list.iova(0)));
        }
        return result;
    }

    /** Moves what one entry covers. @return bytes moved, or -1 if they were refused */
    private long moveSome(long iova, long left, MemorySegment buffer, long offset, int accessBit, boolean first) {
        long stale = has(Defect.UNMAP_UNNOTICED_BY_WARM_PORTS) ? stalePages.getOrDefault(key(iova, accessBit), -1L) : -1L;
        if (stale >= 0) {
            long run = Math.min(left, restOfPage(iova));
            if (!copyFar(buffer, offset, stale | iova & 0xfff, run, accessBit)) {
                copy(buffer, offset, stale | iova & 0xfff, run, accessBit);
            }
            return run;
        }
        int entry = entry(iova, accessBit);
        if (entry < 0) {
            return -1;
        }
        ReferenceDomain domain = domain();
        long run = Math.min(left, domain.last(entry) - iova + 1);
        long address = domain.address(entry, iova);
        boolean near = HostMemory.isBacked(address);
        if (near) {
            copy(buffer, offset, address, run, accessBit);
        } else if (!copyFar(buffer, offset, address, run, accessBit)) {
            refusedKind = has(Defect.MISSING_MEMORY_CALLED_FAULT) ? DmaFault.Kind.TRANSLATION : DmaFault.Kind.EXTERNAL_ABORT;
            return -1;
        }
        if (accessBit == WRITE_BIT && !has(Defect.DIRTY_MISSES_REFUSED_WRITES) && (first || !has(Defect.DIRTY_FIRST_PAGE_ONLY))
                && (near || !has(Defect.DIRTY_MISSES_FAR_WRITES)) || has(Defect.READS_ARE_DIRTY)) {
            markWritten(domain, entry);
        }
        if (has(Defect.UNMAP_UNNOTICED_BY_WARM_PORTS)) {
            stalePages.put(key(iova, accessBit), address & ~0xfffL);
        }
        return run;
    }

    private void copy(MemorySegment buffer, long offset, long address, long run, int accessBit) {
        if (accessBit == READ_BIT) {
            MemorySegment.copy(WINDOW, address, buffer, offset, run);
        } else {
            MemorySegment.copy(buffer, offset, WINDOW, address, has(Defect.WRITES_ONE_BYTE_MORE) ? run + 1 : run);
        }
    }

    /** @return false if there is no far memory at {@code address} */
    private boolean copyFar(MemorySegment buffer, long offset, long address, long run, int accessBit) {
        if (!FarMemory.isFar(address)) {
            return false;
        }
        long there = has(Defect.FAR_ADDRESSES_CUT) ? FarMemory.START | address & FarMemory.START - 1 : address;
        MemorySegment part = buffer.asSlice(offset, has(Defect.FAR_REQUESTS_MOVE_HALF_A_PAGE) ? Math.min(run, 2048) : run);
        boolean copied = backend.far.isPresent()
                && (accessBit == READ_BIT ? backend.far.get().read(there, part) : backend.far.get().write(there, part));
        return copied || has(Defect.FAR_FAILURES_IGNORED);
    }

    private void markWritten(ReferenceDomain domain, int entry) {
        if (!has(Defect.DIRTY_LOST_AFTER_CLEAR) || knownDirty.add(domain.start(entry))) {
            domain.written(entry);
        }
    }

    private static long key(long iova, int accessBit) {
        return iova & ~0xfffL | accessBit;
    }

    private static long restOfPage(long iova) {
        return 4096 - (iova & 4095);
    }

    /** What requests go through now; defects apart, what is attached. */
    private ReferenceDomain domain() {
        ReferenceDomain attached = has(Defect.PORTS_KEEP_THE_TABLE_THEY_OPENED_WITH) ? openedWith : attachment.domain;
        if (attached == null && has(Defect.UNATTACHED_GOES_THROUGH_THE_LATEST_TABLE)) {
            return backend.latestTable;
        }
        boolean keepsWarm = attached == null ? has(Defect.BLOCK_UNNOTICED_BY_WARM_PORTS)
                : has(Defect.REPLACE_UNNOTICED_BY_WARM_PORTS);
        return keepsWarm && warm != null ? warm : attached;
    }

    /** Entry that allows the access, or -1, having noted why not. */
    private int entry(long iova, int accessBit) {
        refusedIova = iova;
        ReferenceDomain domain = domain();
        if (domain == null) {
            refusedKind = DmaFault.Kind.BLOCKED;
            return -1;
        }
        int entry = domain.find(iova);
        if (entry < 0 || has(Defect.REFUSALS_CACHED) && refusedPages.contains(iova >>> 12)) {
            refusedKind = DmaFault.Kind.TRANSLATION;
            if (has(Defect.REFUSALS_CACHED)) {
                refusedPages.add(iova >>> 12);
            }
            return -1;
        }
        if (!domain.allows(entry, accessBit)) {
            refusedKind = DmaFault.Kind.PERMISSION;
            return -1;
        }
        warm = domain;
        return entry;
    }

    private void report(DmaAccess access, DmaStatus result) {
        boolean withPasid = pasid != Pasid.NONE && !has(Defect.FAULTS_WITHOUT_PASID);
        DmaFault.Kind kind = has(Defect.FAULTS_ARE_ALL_OF_ONE_KIND) ? DmaFault.Kind.TRANSLATION : refusedKind;
        DmaFault fault = new DmaFault(backend.name(), endpoint.description().requesterId(),
                withPasid ? OptionalInt.of(pasid) : OptionalInt.empty(), refusedIova, access, kind, 0, kind + " " + result);
        if (!has(Defect.FAULTS_NOT_RECORDED)) {
            lastFault = fault;
        }
        if (!has(Defect.FAULTS_NOT_REPORTED)) {
            endpoint.faults().unrecoverable(fault);
        }
    }

    @Override
    public long compareAndSwap(long iova, long expected, long desired) {
        return atomic(Atomic.COMPARE_AND_SWAP, iova, expected, desired);
    }

    @Override
    public long fetchAndAdd(long iova, long addend) {
        return atomic(Atomic.FETCH_AND_ADD, iova, 0, addend);
    }

    @Override
    public long swap(long iova, long desired) {
        return atomic(Atomic.SWAP, iova, 0, desired);
    }

    private long atomic(Atomic operation, long iova, long expected, long operand) {
        DmaStatus before = status;
        long found = tryAtomic(operation, iova, expected, operand);
        for (int asks = 0; status == DmaStatus.FAULTED && !has(Defect.ONLY_PLAIN_REQUESTS_ASK)
                && pagesCome(single.clear().add(iova, Long.BYTES), asks, DmaAccess.READ_WRITE); asks++) {
            found = tryAtomic(operation, iova, expected, operand);
        }
        if (status == DmaStatus.FAULTED && closed && mayAsk()) {
            status = DmaStatus.CLOSED;
        }
        if (status == DmaStatus.FAULTED || status == DmaStatus.ABORTED) {
            report(DmaAccess.READ_WRITE, status);
        }
        if (has(Defect.ATOMICS_LEAVE_THE_STATUS)) {
            status = before;
        }
        return found;
    }

    private long tryAtomic(Atomic operation, long iova, long expected, long operand) {
        long found = 0;
        long stamp = backend.enter();
        try {
            boolean closedNow = closed && !has(Defect.CLOSED_PORTS_SERVE);
            status = DmaStatus.CLOSED;
            if (!closedNow || has(Defect.CLOSED_PORTS_MOVE_BEFORE_THEY_ANSWER)) {
                found = change(operation, iova, expected, operand);
            }
            if (closedNow) {
                status = DmaStatus.CLOSED;
                return 0;
            }
        } finally {
            backend.leave(stamp);
        }
        return found;
    }

    private long change(Atomic operation, long iova, long expected, long operand) {
        if (has(Defect.UNMAP_UNNOTICED_BY_WARM_PORTS) && stalePages.containsKey(key(iova, WRITE_BIT))) {
            status = DmaStatus.DONE;
            return apply(operation, stalePages.get(key(iova, WRITE_BIT)) | iova & 0xfff, expected, operand);
        }
        int entry = entry(iova, READ_BIT);
        if (entry >= 0) {
            entry = entry(iova, WRITE_BIT);
        }
        if (entry < 0) {
            status = DmaStatus.FAULTED;
            return 0;
        }
        long address = domain().address(entry, iova);
        if (has(Defect.FAR_ATOMICS_SERVED) && FarMemory.isFar(address)) {
            status = DmaStatus.DONE;
            return 0;
        }
        if (!HostMemory.isBacked(address)) {
            refusedKind = DmaFault.Kind.EXTERNAL_ABORT;
            status = DmaStatus.ABORTED;
            return 0;
        }
        long found = apply(operation, address, expected, operand);
        if (!has(Defect.DIRTY_MISSES_ATOMICS)) {
            markWritten(domain(), entry);
        }
        status = DmaStatus.DONE;
        return found;
    }

    private long apply(Atomic operation, long address, long expected, long operand) {
        return switch (operation) {
            case COMPARE_AND_SWAP -> has(Defect.COMPARE_AND_SWAP_NEVER_COMPARES) ? (long) WORD.getAndSet(WINDOW, address, operand)
                    : (long) WORD.compareAndExchange(WINDOW, address, expected, operand);
            case FETCH_AND_ADD -> add(address, operand);
            case SWAP -> (long) WORD.getAndSet(WINDOW, address, operand);
        };
    }

    private long add(long address, long addend) {
        if (has(Defect.ADD_NOT_ATOMIC)) {
            long found = (long) WORD.getVolatile(WINDOW, address);
            Thread.yield();
            WORD.setVolatile(WINDOW, address, found + addend);
            return found;
        }
        long found = (long) WORD.getAndAdd(WINDOW, address, addend);
        return has(Defect.ADD_ANSWERS_THE_SUM) ? found + addend : found;
    }

    @Override
    public DmaStatus status() {
        return status;
    }

    @Override
    public Optional<DmaFault> lastFault() {
        return Optional.ofNullable(lastFault);
    }

    @Override
    public boolean close(long timeoutNanos) {
        long stamp = backend.lockChanges();
        try {
            closeLocked();
            if (has(Defect.CLOSING_A_PORT_CLOSES_ALL)) {
                endpoint.closePorts();
            }
            if (has(Defect.DIRTY_FORGOTTEN_BY_CLOSING_A_PORT) && attachment.domain != null) {
                attachment.domain.forgetDirty();
            }
        } finally {
            backend.unlockChanges(stamp);
        }
        return true;
    }

    /** The backend's lock must be held for changes. */
    void closeLocked() {
        closed = true;
        if (!has(Defect.CLOSE_LEAVES_WAITS)) {
            endpoint.pageRequests.leave(this);
        }
    }

    boolean isClosed() {
        return closed;
    }
}
