package iommu.common.dma;

import iommu.common.unit.PhysicalWords;
import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.HostMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.OptionalInt;
import java.util.concurrent.atomic.AtomicInteger;

/** A port over a "page table" of one entry; each instance has its own entry and its own word of memory. */
final class LitmusPort extends TranslatingPort {
    private static final long BASE = 1L << 38;
    private static final int PLACES = 1 << 14;
    private static final AtomicInteger NEXT = new AtomicInteger();
    private static final MemorySegment ONE = Arena.global().allocate(ValueLayout.JAVA_LONG);
    private static final DmaFault NOT_MAPPED = new DmaFault("litmus", new RequesterId(1), OptionalInt.empty(), 0,
            DmaAccess.WRITE, DmaFault.Kind.TRANSLATION, 0, "not mapped");

    static {
        HostMemory.backAnonymous(BASE, (long) PLACES * 4096 + HostMemory.BACKING_BYTES, false);
        ONE.set(ValueLayout.JAVA_LONG, 0, 1);
    }

    /** Where the entry lies. */
    final long entry;
    /** Where the page lies. */
    final long page;

    LitmusPort(InvalidationLog log) {
        super(log, new FarPath());
        int place = NEXT.getAndIncrement() & PLACES - 1;
        page = BASE + place * 4096L;
        entry = BASE + PLACES * 4096L + place * 8L;
        PhysicalWords.set(page, 0);
        PhysicalWords.set(entry, page | 3);
        open();
    }

    /** Writes 1 to the page. @return 1 if it was done */
    int writeOne() {
        return write(0, ONE, 0, 8) == DmaStatus.DONE ? 1 : 0;
    }

    @Override
    protected long walk(long iova, int accessBit) {
        long found = PhysicalWords.get(entry);
        if ((found & accessBit) == 0) {
            return REFUSED;
        }
        iotlb.remember(iova, found & ~4095L, 12, 3);
        return found & ~4095L | iova & 4095;
    }

    @Override
    protected DmaFault fault(long iova, int accessBit) {
        return NOT_MAPPED;
    }

    @Override
    protected DmaFault abort(long iova, int accessBit) {
        return NOT_MAPPED;
    }

    @Override
    protected void forget(int kind, long tag, long first, long last) {
        iotlb.forget(first, last);
    }

    @Override
    protected void forgetEverything() {
        iotlb.forgetEverything();
    }
}
