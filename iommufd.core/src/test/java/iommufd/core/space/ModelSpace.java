package iommufd.core.space;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IovaRange;
import iommufd.api.memory.UserMemory;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** What an IO address space should be, written down as plainly as possible. */
final class ModelSpace {
    static final long PAGE = UserMemory.PAGE_BYTES;

    /** Pages that copies share; who mapped them first pays. */
    record Group(ScatteredMemory memory, long memoryPages, long baseAddress, boolean writable, CountingCharge payer) { }

    record Mapping(long iova, long length, Group group, long startByte, DmaAccess access) {
        long last() {
            return iova + length - 1;
        }

        long firstPage() {
            return startByte / PAGE;
        }

        long lastPage() {
            return (startByte + length - 1) / PAGE;
        }

        boolean pinnable() {
            return group.baseAddress / PAGE + lastPage() < group.memoryPages;
        }

        boolean overlaps(long start, long lastIova) {
            return iova <= lastIova && start <= last();
        }

        boolean alignedTo(long alignment) {
            return (iova % alignment | length % alignment | startByte % alignment) == 0;
        }
    }

    record Reservation(Object owner, IovaRange range) { }

    /** An access pin, with the slices it holds. */
    record Pin(long iova, long length) { }

    final List<Mapping> mappings = new ArrayList<>();
    final List<Reservation> reservations = new ArrayList<>();
    List<IovaRange> allowed = List.of();
    final List<ModelDomain> domains = new ArrayList<>();
    boolean held;
    boolean access;
    boolean hugePages = true;
    final List<Pin> pins = new ArrayList<>();

    boolean pinning() {
        return held || !domains.isEmpty();
    }

    long alignment() {
        long alignment = access || !hugePages ? PAGE : 1;
        for (ModelDomain domain : domains) {
            alignment = Math.max(alignment, domain.geometry().smallestPageBytes());
        }
        return alignment;
    }

    List<Mapping> overlapping(long start, long last) {
        return mappings.stream().filter(mapping -> mapping.overlaps(start, last)).sorted(Comparator.comparing(Mapping::iova)).toList();
    }

    boolean reserved(long start, long last) {
        return reservations.stream().anyMatch(reservation -> reservation.range.overlaps(new IovaRange(start, last)));
    }

    /** What keeps slices from being mapped there, if anything. */
    Optional<Errno> refusal(long iova, List<Mapping> slices, DmaAccess access) {
        long length = slices.stream().mapToLong(Mapping::length).sum();
        long alignment = alignment();
        if (length % alignment != 0 || iova % alignment != 0 || reserved(iova, iova + length - 1)) {
            return Optional.of(Errno.EINVAL);
        }
        if (!overlapping(iova, iova + length - 1).isEmpty()) {
            return Optional.of(Errno.EEXIST);
        }
        return sliceRefusal(slices, access);
    }

    private Optional<Errno> sliceRefusal(List<Mapping> slices, DmaAccess access) {
        for (Mapping slice : slices) {
            if (access.writable() && !slice.group.writable) {
                return Optional.of(Errno.EPERM);
            }
            if (slice.startByte % alignment() != 0) {
                return Optional.of(Errno.EINVAL);
            }
        }
        boolean pinnable = slices.stream().allMatch(Mapping::pinnable);
        return pinning() && !pinnable ? Optional.of(Errno.EFAULT) : Optional.empty();
    }

    /** What keeps slices from being mapped anywhere, if anything but space. */
    Optional<Errno> automaticRefusal(List<Mapping> slices, DmaAccess access) {
        long length = slices.stream().mapToLong(Mapping::length).sum();
        if (length % alignment() != 0 || automaticAlignment(slices.getFirst(), length) < alignment()) {
            return Optional.of(Errno.EINVAL);
        }
        return sliceRefusal(slices, access);
    }

    private static long automaticAlignment(Mapping first, long length) {
        long address = first.group.baseAddress + first.startByte;
        long power = 1;
        while (power < length) {
            power *= 2;
        }
        return Math.min(2L << 20, address == 0 ? power : Math.min(power, Long.lowestOneBit(address)));
    }

    /** Tries one address after the other. */
    long firstFit(List<Mapping> slices, long limit) {
        long length = slices.stream().mapToLong(Mapping::length).sum();
        long alignment = automaticAlignment(slices.getFirst(), length);
        long offset = (slices.getFirst().group.baseAddress + slices.getFirst().startByte) % PAGE;
        List<IovaRange> spans = allowed.isEmpty() ? List.of(new IovaRange(PAGE, limit - 1)) : allowed;
        for (IovaRange span : spans) {
            List<Long> holes = new ArrayList<>();
            long lowest = fit(Math.max(span.start(), PAGE), alignment, offset);
            holes.add(lowest);
            mappings.forEach(mapping -> holes.add(mapping.last() + 1));
            reservations.forEach(reservation -> holes.add(reservation.range.last() + 1));
            Optional<Long> found = holes.stream().filter(hole -> hole >= lowest).sorted()
                    .filter(hole -> isFree(hole, fit(hole, alignment, offset) + length - 1, span))
                    .map(hole -> fit(hole, alignment, offset)).findFirst();
            if (found.isPresent()) {
                return found.get();
            }
        }
        return 0;
    }

    private static long fit(long start, long alignment, long offset) {
        return (start + alignment - 1) / alignment * alignment | offset;
    }

    private boolean isFree(long start, long last, IovaRange span) {
        return span.contains(start) && span.contains(last) && !reserved(start, last) && overlapping(start, last).isEmpty();
    }

    /** The slices of a contiguous range, or none. */
    Optional<List<Mapping>> slices(long iova, long length) {
        List<Mapping> slices = new ArrayList<>();
        long next = iova;
        for (Mapping mapping : overlapping(iova, iova + length - 1)) {
            if (mapping.iova > next) {
                return Optional.empty();
            }
            long end = Math.min(mapping.last() + 1, iova + length);
            slices.add(new Mapping(next, end - next, mapping.group, mapping.startByte + next - mapping.iova, mapping.access));
            next = end;
        }
        return next == iova + length ? Optional.of(slices) : Optional.empty();
    }

    void add(long iova, List<Mapping> slices, DmaAccess access) {
        long next = iova;
        for (Mapping slice : slices) {
            mappings.add(new Mapping(next, slice.length, slice.group, slice.startByte, access));
            next += slice.length;
        }
    }

    /** Which pages of which group are held, and how they appear in a domain. */
    void addHeldPages(Map<Group, TreeMap<Long, Integer>> holds) {
        if (pinning()) {
            mappings.forEach(mapping -> hold(holds, mapping));
        }
        for (Pin pin : pins) {
            slices(pin.iova, pin.length).orElseThrow().forEach(slice -> hold(holds, slice));
        }
    }

    private static void hold(Map<Group, TreeMap<Long, Integer>> holds, Mapping mapping) {
        for (long page = mapping.firstPage(); page <= mapping.lastPage(); page++) {
            holds.computeIfAbsent(mapping.group, group -> new TreeMap<>()).merge(page, 1, Integer::sum);
        }
    }

    /** What a domain should hold. */
    TreeMap<Long, Long> translations(long pageBytes) {
        TreeMap<Long, Long> translations = new TreeMap<>(Long::compareUnsigned);
        for (Mapping mapping : mappings) {
            for (long offset = 0; offset < mapping.length; offset += pageBytes) {
                translations.put(mapping.iova + offset,
                        mapping.group.memory.physicalAddress(mapping.group.baseAddress + mapping.startByte + offset));
            }
        }
        return translations;
    }
}
