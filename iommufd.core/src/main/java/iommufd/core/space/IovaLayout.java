package iommufd.core.space;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.memory.UserMemory;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Where a space may map: what is reserved by whom, what user space allowed, and the search for a hole. Guarded by the space's
 * iova lock. Rules: Linux 7.3, {@code drivers/iommu/iommufd/io_pagetable.c}.
 */
final class IovaLayout {
    /** Alignment beyond this gains nothing: the size of the processor's huge page. */
    private static final long MAX_ALIGNMENT_BYTES = 2L << 20;
    private static final Comparator<IovaRange> BY_START = (a, b) -> Long.compareUnsigned(a.start(), b.start());
    /** What an automatic IOVA is taken from when nothing else is allowed: never address 0, never the last page. */
    private static final long AUTOMATIC_START = UserMemory.PAGE_BYTES;
    private static final long AUTOMATIC_LAST = -1L - UserMemory.PAGE_BYTES;

    /** @param promised whether the owner itself maps there */
    private record Reservation(Object owner, IovaRange range, boolean promised) { }

    private final List<Reservation> reservations = new ArrayList<>();
    /** Union of the reservations, ascending and apart from each other. */
    private long[] reservedStarts = {};
    private long[] reservedLasts = {};
    /** Ascending and apart from each other, so that a hole may reach across ranges that touch; empty if everything is allowed. */
    private List<IovaRange> allowed = List.of();

    /**
     * No hole of at least {@link #searchedLength} bytes, aligned to {@link #searchedAlignment}, starts below: repeated
     * searches go on where the last one ended. Every change that could make such a hole takes it back.
     */
    private long searchedTo;
    private long searchedLength;
    private long searchedAlignment;

    boolean overlapsReserved(long start, long last) {
        int at = firstReservedEndingFrom(start);
        return at < reservedStarts.length && Long.compareUnsigned(reservedStarts[at], last) <= 0;
    }

    boolean overlapsAllowed(IovaRange range) {
        return allowed.stream().anyMatch(range::overlaps);
    }

    /** Adds reservations; the caller has checked that nothing contradicts. */
    void reserve(Object owner, List<IovaRange> ranges) {
        ranges.forEach(range -> reservations.add(new Reservation(owner, range, false)));
        uniteReservations();
    }

    /** Adds a range in which only {@code owner} maps. */
    void promise(Object owner, IovaRange range) {
        reservations.add(new Reservation(owner, range, true));
        uniteReservations();
    }

    /** Whether only {@code owner} may map in {@code range}. */
    boolean isPromised(Object owner, IovaRange range) {
        return reservations.stream().anyMatch(reservation -> reservation.promised && reservation.owner == owner
                && Long.compareUnsigned(reservation.range.start(), range.start()) <= 0
                && Long.compareUnsigned(reservation.range.last(), range.last()) >= 0);
    }

    /** Whether anybody was promised a part of {@code range}. */
    boolean overlapsPromised(IovaRange range) {
        return reservations.stream().anyMatch(reservation -> reservation.promised && reservation.range.overlaps(range));
    }

    /** Takes back everything an owner reserved. */
    void unreserve(Object owner) {
        if (reservations.removeIf(reservation -> reservation.owner() == owner)) {
            uniteReservations();
        }
    }

    /** @throws IommufdException {@link Errno#EINVAL}, {@link Errno#EADDRINUSE} as {@code IOMMU_IOAS_ALLOW_IOVAS} */
    void allow(List<IovaRange> ranges) {
        List<IovaRange> sorted = new ArrayList<>(ranges);
        sorted.sort(BY_START);
        for (int i = 0; i < sorted.size(); i++) {
            IovaRange range = sorted.get(i);
            if (range.start() == range.last()) {
                throw new IommufdException(Errno.EINVAL, "the allowed range %s is a single address; give at least two".formatted(range));
            }
            if (i > 0 && sorted.get(i - 1).overlaps(range)) {
                throw new IommufdException(Errno.EINVAL, "the allowed ranges %s and %s overlap".formatted(sorted.get(i - 1), range));
            }
        }
        for (IovaRange range : sorted) {
            if (overlapsReserved(range.start(), range.last())) {
                throw new IommufdException(Errno.EADDRINUSE,
                        "%s cannot be allowed, a part of it is reserved; usable are %s".formatted(range, unreserved()));
            }
        }
        allowed = united(sorted);
        searchedTo = 0;
    }

    /** Everything that is not reserved, ascending. */
    List<IovaRange> unreserved() {
        List<IovaRange> holes = new ArrayList<>();
        long start = 0;
        for (int i = 0; i < reservedStarts.length; i++) {
            if (reservedStarts[i] != start) {
                holes.add(new IovaRange(start, reservedStarts[i] - 1));
            }
            start = reservedLasts[i] + 1;
            if (start == 0) {
                return holes;
            }
        }
        holes.add(new IovaRange(start, -1L));
        return holes;
    }

    /** An area that began here is gone, after the area that ended before {@code holeStart}. */
    void freed(long holeStart) {
        if (Long.compareUnsigned(holeStart, searchedTo) < 0) {
            searchedTo = holeStart;
        }
    }

    /**
     * The first hole that fits.
     *
     * @param address where the memory starts; what alignment it has is worth keeping
     * @param leastAlignment the space's alignment
     * @throws IommufdException {@link Errno#EOVERFLOW} for an absurd length, {@link Errno#EINVAL} if the memory is less
     *         aligned than the space demands, {@link Errno#ENOSPC}
     */
    long findHole(AreaIndex areas, long address, long lengthBytes, long leastAlignment) {
        if (lengthBytes == 0 || Long.compareUnsigned(lengthBytes, -1L >>> 1) >= 0) {
            throw new IommufdException(Errno.EOVERFLOW, "no hole can be as long as 0x%x bytes".formatted(lengthBytes));
        }
        long alignment = alignment(address, lengthBytes);
        if (Long.compareUnsigned(alignment, leastAlignment) < 0) {
            throw new IommufdException(Errno.EINVAL, "memory at 0x%x, 0x%x bytes, is not aligned to 0x%x as its page tables demand"
                    .formatted(address, lengthBytes, leastAlignment));
        }
        long pageOffset = address & UserMemory.PAGE_BYTES - 1;
        boolean resumable = pageOffset == 0 && allowed.isEmpty();
        boolean resume = resumable && alignment >= searchedAlignment && lengthBytes >= searchedLength;
        long from = resume && Long.compareUnsigned(searchedTo, AUTOMATIC_START) > 0 ? searchedTo : AUTOMATIC_START;
        long found = allowed.isEmpty()
                ? findHoleIn(areas, from, AUTOMATIC_LAST, lengthBytes, alignment, pageOffset)
                : findHoleInAllowed(areas, lengthBytes, alignment, pageOffset);
        if (found == 0) {
            throw new IommufdException(Errno.ENOSPC, "no hole of 0x%x bytes, aligned to 0x%x, is left; unmap something or map at an address"
                    .formatted(lengthBytes, alignment));
        }
        boolean other = lengthBytes != searchedLength || alignment != searchedAlignment;
        if (resumable && !(resume && searchedTo != 0 && other)) {
            searchedTo = found;
            searchedLength = lengthBytes;
            searchedAlignment = alignment;
        }
        return found;
    }

    private static long alignment(long address, long lengthBytes) {
        long byLength = lengthBytes == 1 ? 1 : Long.highestOneBit(lengthBytes - 1) << 1;
        long wanted = address == 0 ? byLength : IovaBounds.minUnsigned(byLength, Long.lowestOneBit(address));
        return IovaBounds.minUnsigned(wanted, MAX_ALIGNMENT_BYTES);
    }

    private long findHoleInAllowed(AreaIndex areas, long lengthBytes, long alignment, long pageOffset) {
        for (IovaRange range : allowed) {
            long last = IovaBounds.minUnsigned(range.last(), AUTOMATIC_LAST);
            long start = IovaBounds.maxUnsigned(range.start(), AUTOMATIC_START);
            long found = Long.compareUnsigned(start, last) > 0 ? 0 : findHoleIn(areas, start, last, lengthBytes, alignment, pageOffset);
            if (found != 0) {
                return found;
            }
        }
        return 0;
    }

    /**
     * Walks reservations and areas side by side. As in Linux the search starts at the first place that would fit if all were
     * free, which tells where an unaligned start of memory comes to lie.
     *
     * @return 0 if nothing fits in {@code [start, last]}
     */
    private long findHoleIn(AreaIndex areas, long start, long last, long lengthBytes, long alignment, long pageOffset) {
        long cursor = fit(start, last, lengthBytes, alignment, pageOffset);
        if (cursor == 0) {
            return 0;
        }
        int reserved = firstReservedEndingFrom(cursor);
        Area area = areas.firstOverlapping(cursor, last);
        while (Long.compareUnsigned(cursor, last) <= 0) {
            while (reserved < reservedStarts.length && Long.compareUnsigned(reservedLasts[reserved], cursor) < 0) {
                reserved++;
            }
            while (area != null && Long.compareUnsigned(area.lastIova, cursor) < 0) {
                area = area.next;
            }
            boolean byArea = area != null && (reserved == reservedStarts.length || Long.compareUnsigned(area.iova, reservedStarts[reserved]) < 0);
            if (!byArea && reserved == reservedStarts.length) {
                return fit(cursor, last, lengthBytes, alignment, pageOffset);
            }
            long usedStart = byArea ? area.iova : reservedStarts[reserved];
            long usedLast = byArea ? area.lastIova : reservedLasts[reserved];
            if (Long.compareUnsigned(usedStart, cursor) > 0) {
                long found = fit(cursor, IovaBounds.minUnsigned(usedStart - 1, last), lengthBytes, alignment, pageOffset);
                if (found != 0) {
                    return found;
                }
            }
            cursor = usedLast + 1;
            if (cursor == 0) {
                return 0;
            }
        }
        return 0;
    }

    /** Where in the hole {@code [start, last]} the range fits, or 0. */
    private static long fit(long start, long last, long lengthBytes, long alignment, long pageOffset) {
        long up = start + (alignment - 1);
        if (Long.compareUnsigned(up, start) < 0) {
            return 0;
        }
        long aligned = up & -alignment | pageOffset;
        boolean fits = Long.compareUnsigned(aligned, last) < 0 && Long.compareUnsigned(last - aligned, lengthBytes - 1) >= 0;
        return fits ? aligned : 0;
    }

    /** Index of the first reserved range that ends at the address or above. */
    private int firstReservedEndingFrom(long address) {
        int low = 0;
        int high = reservedStarts.length - 1;
        while (low <= high) {
            int middle = low + high >>> 1;
            if (Long.compareUnsigned(reservedLasts[middle], address) < 0) {
                low = middle + 1;
            } else {
                high = middle - 1;
            }
        }
        return low;
    }

    private void uniteReservations() {
        List<IovaRange> united = united(reservations.stream().map(Reservation::range).sorted(BY_START).toList());
        reservedStarts = united.stream().mapToLong(IovaRange::start).toArray();
        reservedLasts = united.stream().mapToLong(IovaRange::last).toArray();
        searchedTo = 0;
    }

    /** Ranges that overlap or touch are one. */
    private static List<IovaRange> united(List<IovaRange> sorted) {
        List<IovaRange> united = new ArrayList<>();
        for (IovaRange range : sorted) {
            IovaRange top = united.isEmpty() ? null : united.getLast();
            boolean touches = top != null && (top.overlaps(range) || top.last() + 1 == range.start());
            if (touches) {
                united.set(united.size() - 1, new IovaRange(top.start(), IovaBounds.maxUnsigned(top.last(), range.last())));
            } else {
                united.add(range);
            }
        }
        return List.copyOf(united);
    }
}
