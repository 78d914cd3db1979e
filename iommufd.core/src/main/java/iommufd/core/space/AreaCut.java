package iommufd.core.space;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.UserMemory;

/**
 * Cuts an area in two over the same pages. Page tables are not touched: they show the same as before, by entries that are
 * small enough to be unmapped one by one.
 */
final class AreaCut {
    private AreaCut() { }

    /** As {@link IovaSpace#cutAfter}. Domains lock and iova lock. */
    static void after(Mappings mappings, long lastIova) {
        assert mappings.domainsLock.isHeldByCurrentThread() && mappings.iovaLock.isWriteLockedByCurrentThread();
        Area area = mappings.areas.firstOverlapping(lastIova, lastIova);
        if (area == null || lastIova == area.iova || lastIova == area.lastIova) {
            return;
        }
        checkCuttable(mappings, area, lastIova + 1);
        Area right = mappings.stock.takeArea();
        right.iova = lastIova + 1;
        right.lastIova = area.lastIova;
        right.pages = area.pages;
        right.startByte = area.byteOf(lastIova + 1);
        right.access = area.access;
        right.held = area.held;
        right.revoked = area.revoked;
        area.lastIova = lastIova;
        mappings.areas.insert(right);
        right.pages.retain();
        right.pages.addArea(right);
        right.ready = true;
    }

    private static void checkCuttable(Mappings mappings, Area area, long newStart) {
        if (!area.ready || area.closing) {
            throw new IommufdException(Errno.EBUSY, "the mapping 0x%x..0x%x is on its way in or out".formatted(area.iova, area.lastIova));
        }
        if (area.pages.kind() == UserMemory.Kind.EXPORTED) {
            throw new IommufdException(Errno.EOPNOTSUPP, "exported memory is mapped and unmapped whole");
        }
        if (((newStart | area.byteOf(newStart)) & mappings.alignmentBytes - 1) != 0) {
            throw new IommufdException(Errno.EINVAL, "0x%x is not aligned to 0x%x: no mapping can be cut there".formatted(newStart, mappings.alignmentBytes));
        }
        if (area.accessPins > 0) {
            throw new IommufdException(Errno.EINVAL, "the mapping 0x%x..0x%x is pinned and cannot be cut".formatted(area.iova, area.lastIova));
        }
        if (area.held && mappings.hugePages) {
            throw new IommufdException(Errno.EINVAL, "the mapping 0x%x..0x%x may be shown by large entries; forbid huge pages before mapping"
                    .formatted(area.iova, area.lastIova));
        }
    }
}
