package vfio.device;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.List;

/**
 * A base address register and what is behind it. Registers are trapped: each access is a call of the device. Areas that are
 * {@link #shared} are memory that clients map: fast, but the device has to poll it, and reads have no side effects.
 *
 * @param index 0 to 5; a 64-bit BAR takes the next index too
 * @param space kind of addresses
 * @param sizeBytes a power of two, at least 16 for memory, 4 for ports
 * @param prefetchable whether reads have no side effects and writes may be merged
 * @param shared what clients map, ascending, aligned to 4096 bytes; empty if all is trapped. Not for ports
 */
public record Bar(int index, Space space, long sizeBytes, boolean prefetchable, List<Area> shared) {
    /** Kinds of addresses. */
    public enum Space {
        /** I/O ports. */
        PORTS,
        /** Memory below 4 GiB. */
        MEMORY_32,
        /** Memory anywhere. */
        MEMORY_64
    }

    /** A part of a BAR. @param offset multiple of 4096 @param lengthBytes multiple of 4096, not 0 */
    public record Area(long offset, long lengthBytes) {
        /** Whether all of {@code [position, position + bytes)} lies inside. */
        public boolean contains(long position, long bytes) {
            return position >= offset && position + bytes <= offset + lengthBytes;
        }

        /** Whether any of {@code [position, position + bytes)} lies inside. */
        public boolean overlaps(long position, long bytes) {
            return position < offset + lengthBytes && position + bytes > offset;
        }
    }

    /** Registers a configuration space has. */
    public static final int COUNT = 6;
    /** What areas are aligned to. */
    public static final int PAGE_BYTES = 4096;

    /** @throws IommufdException {@link Errno#EINVAL} for what no PCI function can have */
    public Bar {
        shared = List.copyOf(shared);
        int smallest = space == Space.PORTS ? 4 : 16;
        int lastIndex = space == Space.MEMORY_64 ? COUNT - 2 : COUNT - 1;
        boolean sized = Long.bitCount(sizeBytes) == 1 && sizeBytes >= smallest
                && (space == Space.MEMORY_64 ? sizeBytes <= 1L << 39 : sizeBytes <= 1L << 31);
        if (index < 0 || index > lastIndex || !sized) {
            throw new IommufdException(Errno.EINVAL, "no function has a BAR %d of 0x%x bytes in %s".formatted(index, sizeBytes, space));
        }
        long end = 0;
        for (Area area : shared) {
            boolean aligned = ((area.offset | area.lengthBytes) & PAGE_BYTES - 1) == 0;
            if (space == Space.PORTS || !aligned || area.lengthBytes <= 0 || area.offset < end || area.offset > sizeBytes - area.lengthBytes) {
                throw new IommufdException(Errno.EINVAL, "%s cannot be shared of BAR %d: pages, in ascending order, inside its 0x%x bytes".formatted(area, index, sizeBytes));
            }
            end = area.offset + area.lengthBytes;
        }
    }

    /** Trapped registers in 64-bit memory space. */
    public static Bar trapped(int index, long sizeBytes) {
        return new Bar(index, Space.MEMORY_64, sizeBytes, false, List.of());
    }

    /** 64-bit memory space that is trapped, but for these areas. */
    public static Bar shared(int index, long sizeBytes, Area... areas) {
        return new Bar(index, Space.MEMORY_64, sizeBytes, false, List.of(areas));
    }

    /** Trapped registers in port space. */
    public static Bar ports(int index, long sizeBytes) {
        return new Bar(index, Space.PORTS, sizeBytes, false, List.of());
    }

    /** Whether clients can map all of it. */
    public boolean sharedWhole() {
        return shared.size() == 1 && shared.getFirst().lengthBytes == sizeBytes;
    }

    /** Whether {@code [offset, offset + lengthBytes)} is shared throughout. */
    public boolean isShared(long offset, long lengthBytes) {
        return shared.stream().anyMatch(area -> area.contains(offset, lengthBytes));
    }
}
