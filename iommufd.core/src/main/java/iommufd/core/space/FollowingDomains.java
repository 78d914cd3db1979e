package iommufd.core.space;

import iommufd.api.IommufdException;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.PinnedRuns;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The page tables that show a space, and who else needs its pages pinned. Guarded by the space's domains lock.
 *
 * <p>A domain that fails to unmap may still let DMA through to the pages: they stay pinned for ever, and the failure is
 * logged; whatever was asked goes on.
 */
final class FollowingDomains {
    private static final Logger LOG = LoggerFactory.getLogger(FollowingDomains.class);

    private PagingDomain[] domains = new PagingDomain[2];
    private long[] smallestPages = new long[2];
    private int count;
    private final List<Object> holders = new ArrayList<>();
    private final PinnedRuns scratch = new PinnedRuns(16);

    /** Whether pages of mappings have to be pinned. */
    boolean pinning() {
        return count > 0 || !holders.isEmpty();
    }

    boolean isEmpty() {
        return count == 0;
    }

    boolean contains(PagingDomain domain) {
        return indexOf(domain) >= 0;
    }

    void add(PagingDomain domain, long smallestPageBytes) {
        if (count == domains.length) {
            domains = Arrays.copyOf(domains, count * 2);
            smallestPages = Arrays.copyOf(smallestPages, count * 2);
        }
        smallestPages[count] = smallestPageBytes;
        domains[count++] = domain;
    }

    /** Forgets a domain that is here; does not touch it. */
    void remove(PagingDomain domain) {
        int at = indexOf(domain);
        domains[at] = domains[--count];
        smallestPages[at] = smallestPages[count];
        domains[count] = null;
    }

    boolean addHolder(Object holder) {
        return !containsHolder(holder) && holders.add(holder);
    }

    boolean containsHolder(Object holder) {
        return holders.stream().anyMatch(present -> present == holder);
    }

    boolean removeHolder(Object holder) {
        return holders.removeIf(present -> present == holder);
    }

    /** What every domain's pages are multiples of; 1 without domains. */
    long alignmentBytes() {
        long alignment = 1;
        for (int i = 0; i < count; i++) {
            alignment = Math.max(alignment, smallestPages[i]);
        }
        return alignment;
    }

    /** Page sizes all domains have; all ones without domains. */
    long commonPageSizes() {
        long sizes = -1L;
        for (int i = 0; i < count; i++) {
            sizes &= domains[i].geometry().pageSizes();
        }
        return sizes;
    }

    /**
     * Pins a new area and shows it in every domain, or leaves everything as it was.
     *
     * @throws IommufdException what pinning or a domain throws
     */
    void fill(Area area, boolean hugePages) {
        if (!pinning() || !hold(area)) {
            return;
        }
        int done = 0;
        try {
            while (done < count) {
                map(domains[done], area, hugePages);
                done++;
            }
        } catch (IommufdException refused) {
            while (--done >= 0) {
                if (!unmap(domains[done], area.iova, area.lastIova)) {
                    leak(area);
                }
            }
            unhold(area);
            throw refused;
        }
    }

    /** Takes areas, ascending and with nothing but holes between, out of every domain and unpins them. */
    void unfill(Area[] areas, int areaCount) {
        boolean shown = false;
        for (int i = 0; i < areaCount && !shown; i++) {
            shown = isShown(areas[i]);
        }
        for (int d = 0; d < count && shown; d++) {
            if (!unmap(domains[d], areas[0].iova, areas[areaCount - 1].lastIova)) {
                for (int i = 0; i < areaCount; i++) {
                    leak(areas[i]);
                }
            }
        }
        for (int i = 0; i < areaCount; i++) {
            unhold(areas[i]);
        }
    }

    /** Takes one area out of every domain; its pages stay pinned. */
    void hide(Area area) {
        if (isShown(area)) {
            for (int d = 0; d < count; d++) {
                if (!unmap(domains[d], area.iova, area.lastIova)) {
                    leak(area);
                }
            }
        }
    }

    /**
     * Shows all areas from {@code first} on in one more domain, pinning what was not; or leaves everything as it was.
     *
     * @throws IommufdException as {@link #fill}
     */
    void fillDomain(PagingDomain domain, Area first, boolean hugePages) {
        boolean alreadyPinning = pinning();
        Area area = first;
        try {
            for (; area != null; area = area.next) {
                if (!alreadyPinning && !hold(area)) {
                    continue;
                }
                if (isShown(area)) {
                    showIn(domain, area, hugePages, alreadyPinning);
                }
            }
        } catch (IommufdException refused) {
            emptyDomain(domain, first, area);
            if (!alreadyPinning) {
                unholdAll(first, area);
            }
            throw refused;
        }
    }

    private void showIn(PagingDomain domain, Area area, boolean hugePages, boolean alreadyPinning) {
        try {
            map(domain, area, hugePages);
        } catch (IommufdException refused) {
            if (!alreadyPinning) {
                unhold(area);
            }
            throw refused;
        }
    }

    /** Takes the areas from {@code first} to before {@code end} out of one domain. They stay pinned. */
    void emptyDomain(PagingDomain domain, Area first, Area end) {
        Area last = null;
        for (Area area = first; area != end; area = area.next) {
            last = isShown(area) ? area : last;
        }
        if (last != null && !unmap(domain, first.iova, last.lastIova)) {
            for (Area area = first; area != end; area = area.next) {
                leak(area);
            }
        }
    }

    /**
     * Pins all areas from {@code first} on, or leaves everything as it was.
     *
     * @throws IommufdException as {@link #fill}
     */
    void holdAll(Area first) {
        Area area = first;
        try {
            for (; area != null; area = area.next) {
                hold(area);
            }
        } catch (IommufdException refused) {
            unholdAll(first, area);
            throw refused;
        }
    }

    /** Unpins the areas from {@code first} to before {@code end}. */
    void unholdAll(Area first, Area end) {
        for (Area area = first; area != end; area = area.next) {
            unhold(area);
        }
    }

    private static boolean isShown(Area area) {
        return area.held && !area.revoked;
    }

    /** @return false if its memory was revoked and it must not be shown */
    private static boolean hold(Area area) {
        area.held = area.pages.hold(area.firstPage(), area.endPage());
        area.revoked |= !area.held;
        return area.held;
    }

    private static void unhold(Area area) {
        if (area.held) {
            area.held = false;
            area.pages.unhold(area.firstPage(), area.endPage());
        }
    }

    private static void leak(Area area) {
        if (isShown(area)) {
            area.pages.leak(area.firstPage(), area.endPage());
        }
    }

    private void map(PagingDomain domain, Area area, boolean hugePages) {
        PinnedRuns runs = area.pages.runs(area.startByte, area.lengthBytes(), scratch);
        try {
            if (hugePages) {
                domain.map(area.iova, runs, area.access);
            } else {
                domain.mapSmallest(area.iova, runs, area.access);
            }
        } catch (IommufdException refused) {
            throw refused;
        } catch (RuntimeException | Error broken) {
            if (!unmap(domain, area.iova, area.lastIova)) {
                leak(area);
            }
            throw PluginFailure.of("the page table asked to map 0x%x bytes at IOVA 0x%x".formatted(area.lengthBytes(), area.iova), broken);
        }
    }

    /** @return whether the translations are surely gone */
    private static boolean unmap(PagingDomain domain, long iova, long lastIova) {
        try {
            domain.unmap(iova, lastIova);
            return true;
        } catch (RuntimeException | Error broken) {
            LOG.error("a page table failed to unmap IOVA 0x{} to 0x{}, which must never fail; DMA may still reach the pages, so they stay pinned",
                    Long.toHexString(iova), Long.toHexString(lastIova), broken);
            return false;
        }
    }

    private int indexOf(PagingDomain domain) {
        for (int i = 0; i < count; i++) {
            if (domains[i] == domain) {
                return i;
            }
        }
        return -1;
    }
}
