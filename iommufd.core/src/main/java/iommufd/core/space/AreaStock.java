package iommufd.core.space;

import java.util.Arrays;

/** Areas and pages that a space used before, to map and unmap without garbage. Guarded by the space's domains lock. */
final class AreaStock {
    private static final int MAX_AREAS = 1024;
    private static final int MAX_PAGES = 1024;

    private final IovaSpace space;
    /** Linked by {@link Area#next}. */
    private Area areas;
    private int areaCount;
    private SharedPages[] pages = new SharedPages[16];
    private int pagesCount;

    AreaStock(IovaSpace space) {
        this.space = space;
    }

    Area takeArea() {
        Area area = areas;
        if (area == null) {
            return new Area(space);
        }
        areas = area.next;
        areaCount--;
        area.next = null;
        return area;
    }

    /** Takes an area back that nothing knows any more. */
    void give(Area area) {
        area.reset();
        if (areaCount < MAX_AREAS) {
            area.next = areas;
            areas = area;
            areaCount++;
        }
    }

    SharedPages takePages() {
        return pagesCount == 0 ? new SharedPages() : pages[--pagesCount];
    }

    /** Drops a reference; pages without any other are taken back. */
    void release(SharedPages used) {
        if (used.release()) {
            give(used);
        }
    }

    /** Takes pages back that nothing refers to. */
    void give(SharedPages unused) {
        if (pagesCount == MAX_PAGES) {
            unused.forgetMemory();
            return;
        }
        if (pagesCount == pages.length) {
            pages = Arrays.copyOf(pages, pagesCount * 2);
        }
        pages[pagesCount++] = unused;
    }

    /** Lets go of everything, memory included. */
    void clear() {
        while (pagesCount > 0) {
            pages[--pagesCount].forgetMemory();
            pages[pagesCount] = null;
        }
        areas = null;
        areaCount = 0;
    }
}
