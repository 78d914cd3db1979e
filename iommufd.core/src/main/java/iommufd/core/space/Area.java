package iommufd.core.space;

import iommufd.api.DmaAccess;
import iommufd.api.memory.UserMemory;

/**
 * One mapping: a range of IOVA that shows a part of some pages. Recycled by its space. Its place in the index is guarded by
 * the space's iova lock, its life by the domains lock, its users by the lock of its pages.
 */
final class Area {
    private static final int PAGE_LG2 = Long.numberOfTrailingZeros(UserMemory.PAGE_BYTES);

    final IovaSpace space;

    long iova;
    long lastIova;
    SharedPages pages;
    /** Where in the pages the area starts; need not be a multiple of a page. */
    long startByte;
    DmaAccess access;

    /** Complete: before, the area only keeps its IOVA occupied. */
    volatile boolean ready;
    /** Holds its pages for the page tables that follow the space. Domains lock. */
    boolean held;
    /** Its memory was revoked: no page table shows it. Domains lock. */
    boolean revoked;
    /** An unmap waits for accesses to go: no new ones. Iova lock. */
    boolean closing;
    /** Pins of accesses; changed under the pages' lock and the iova lock in either mode. */
    int accessPins;
    /** Those of them that forbid to unmap. As {@link #accessPins}. */
    int locks;

    /** Neighbours in the order of IOVA. */
    Area previous;
    Area next;
    /** Neighbours among the areas of the same pages. Lock of the pages. */
    Area previousOfPages;
    Area nextOfPages;

    Area(IovaSpace space) {
        this.space = space;
    }

    long lengthBytes() {
        return lastIova - iova + 1;
    }

    long firstPage() {
        return pageOf(startByte);
    }

    /** First page after the area's last. */
    long endPage() {
        return pageOf(startByte + (lastIova - iova)) + 1;
    }

    /** Where in the pages an IOVA of this area lies. */
    long byteOf(long anIova) {
        return startByte + (anIova - iova);
    }

    boolean alignedTo(long alignmentBytes) {
        return ((iova | lastIova + 1 | startByte) & alignmentBytes - 1) == 0;
    }

    /** Back to how it was made. */
    void reset() {
        pages = null;
        access = null;
        ready = false;
        held = false;
        revoked = false;
        closing = false;
        accessPins = 0;
        locks = 0;
    }

    static long pageOf(long offsetBytes) {
        return offsetBytes >>> PAGE_LG2;
    }
}
