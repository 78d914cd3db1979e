package iommufd.core.space;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import iommufd.api.memory.GuestRam;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory.Kind;
import iommufd.core.memory.HostPhysicalMemory;
import iommufd.core.space.ModelSpace.Group;
import iommufd.core.space.ModelSpace.Mapping;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.function.LongSupplier;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Random operations on two spaces that copy from each other, against {@link ModelSpace}. */
class IovaSpacePropertyTest {
    private static final int OPERATIONS = 300;
    private static final int MEMORY_PAGES = 24;
    private static final long PAGE = ModelSpace.PAGE;
    /** Every fixed IOVA lies below. */
    private static final long IOVA_PAGES = 96;
    private static HostPhysicalMemory physical;
    private static GuestRam[] rams;

    @BeforeAll
    static void allocateMemory() {
        physical = new HostPhysicalMemory(1L << 25);
        rams = new GuestRam[] {physical.allocateGuestRam(MEMORY_PAGES * PAGE, false), physical.allocateGuestRam(MEMORY_PAGES * PAGE, false)};
    }

    @AfterAll
    static void freeMemory() {
        Arrays.stream(rams).forEach(GuestRam::close);
        physical.close();
    }

    static LongStream seeds() {
        return LongStream.range(0, 250);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void behavesLikeItsModel(long seed) {
        new Run(seed).run();
    }

    private static final class Side {
        final CountingCharge charge = new CountingCharge();
        final IovaSpace space = new IovaSpace(charge);
        final ModelSpace model = new ModelSpace();
        final List<Object> owners = new ArrayList<>();
        final Object holder = new Object();
        SpaceAccess access;
    }

    private static final class Run {
        final long seed;
        final SplittableRandom random;
        final ScatteredMemory[] memories = {new ScatteredMemory(rams[0], Kind.PROCESS), new ScatteredMemory(rams[1], Kind.FILE)};
        final Side[] sides = {new Side(), new Side()};
        String operation = "";

        Run(long seed) {
            this.seed = seed;
            this.random = new SplittableRandom(seed);
        }

        void run() {
            for (int i = 0; i < OPERATIONS; i++) {
                try {
                    step(sides[random.nextInt(2)]);
                    check();
                } catch (RuntimeException | AssertionError failure) {
                    throw new AssertionError("seed %d, operation %d: %s".formatted(seed, i, operation), failure);
                }
            }
            for (Side side : sides) {
                for (ModelDomain domain : side.model.domains) {
                    side.space.removeDomain(domain);
                }
                side.space.releasePins(side.holder);
                side.space.close();
            }
            assertThat(memories[0].pinnedPages() + memories[1].pinnedPages()).as("pins left, seed %d", seed).isZero();
            assertThat(sides[0].charge.pages + sides[1].charge.pages).as("charges left, seed %d", seed).isZero();
        }

        void step(Side side) {
            switch (random.nextInt(24)) {
                case 0, 1, 2, 3 -> mapAt(side);
                case 4, 5, 6 -> map(side);
                case 7, 8, 9 -> copy(side, sides[random.nextInt(2)]);
                case 10, 11, 12, 13, 14 -> unmap(side);
                case 15 -> allow(side);
                case 16 -> reserve(side);
                case 17 -> addDomain(side);
                case 18 -> removeDomain(side);
                case 19 -> toggleAccess(side);
                case 20, 21 -> pin(side);
                case 22 -> unpin(side);
                default -> rare(side);
            }
        }

        private void expect(Optional<Errno> refusal, Runnable request) {
            try {
                request.run();
            } catch (IommufdException refused) {
                assertThat(Optional.of(refused.errno())).as(refused.getMessage()).isEqualTo(refusal);
                return;
            }
            refusal.ifPresent(errno -> fail("should have been refused with " + errno));
        }

        private long length() {
            return random.nextInt(8) == 0 ? 1 + random.nextLong(3 * PAGE) : (1 + random.nextInt(6)) * PAGE;
        }

        private long offset() {
            return random.nextInt(8) == 0 ? random.nextLong(PAGE) : random.nextInt(8) == 0 ? PAGE / 2 : 0;
        }

        private long iova() {
            return random.nextLong(IOVA_PAGES) * PAGE + offset();
        }

        private DmaAccess access() {
            return DmaAccess.values()[random.nextInt(3)];
        }

        private List<Mapping> newMapping(Side side, int memory, long address, long length, DmaAccess access) {
            long offset = address % PAGE;
            Group group = new Group(memories[memory], MEMORY_PAGES, address - offset, access.writable(), side.charge);
            return List.of(new Mapping(0, length, group, offset, access));
        }

        private void mapAt(Side side) {
            int memory = random.nextInt(2);
            long iova = iova();
            long address = random.nextLong(MEMORY_PAGES) * PAGE + offset();
            long length = length();
            DmaAccess access = access();
            operation = "mapAt 0x%x, address 0x%x, length 0x%x, %s".formatted(iova, address, length, access);
            List<Mapping> slices = newMapping(side, memory, address, length, access);
            Optional<Errno> refusal = side.model.refusal(iova, slices, access);
            expect(refusal, () -> side.space.mapAt(iova, memories[memory], address, length, access));
            if (refusal.isEmpty()) {
                side.model.add(iova, slices, access);
            }
        }

        private void map(Side side) {
            int memory = random.nextInt(2);
            long address = random.nextLong(MEMORY_PAGES) * PAGE + offset();
            long length = length();
            DmaAccess access = access();
            operation = "map address 0x%x, length 0x%x, %s".formatted(address, length, access);
            automatic(side, newMapping(side, memory, address, length, access), access,
                    () -> side.space.map(memories[memory], address, length, access));
        }

        private void automatic(Side side, List<Mapping> slices, DmaAccess access, LongSupplier request) {
            Optional<Errno> refusal = side.model.automaticRefusal(slices, access);
            long limit = side.model.domains.isEmpty() ? 1L << 60 : 1L << 48;
            long expected = side.model.firstFit(slices, limit);
            boolean noHole = expected == 0 && refusal.filter(errno -> errno == Errno.EINVAL).isEmpty();
            long[] iova = new long[1];
            Optional<Errno> finally_ = noHole ? Optional.of(Errno.ENOSPC) : refusal;
            try {
                iova[0] = request.getAsLong();
            } catch (IommufdException refused) {
                boolean offsetRefused = refused.errno() == Errno.EINVAL && refusal.equals(Optional.of(Errno.EINVAL));
                assertThat(offsetRefused || Optional.of(refused.errno()).equals(finally_)).as("%s, expected %s", refused.getMessage(), finally_).isTrue();
                return;
            }
            assertThat(finally_).isEmpty();
            assertThat(iova[0]).as("automatic IOVA").isEqualTo(expected);
            side.model.add(iova[0], slices, access);
        }

        private void copy(Side target, Side source) {
            long from = source.model.mappings.isEmpty() ? iova() : source.model.mappings.get(random.nextInt(source.model.mappings.size())).iova();
            long iova = iova();
            long length = length();
            DmaAccess access = access();
            boolean automatic = random.nextBoolean();
            operation = "copy 0x%x to 0x%x, length 0x%x, %s, automatic %s".formatted(from, iova, length, access, automatic);
            Optional<List<Mapping>> slices = source.model.slices(from, length);
            if (slices.isEmpty()) {
                expect(Optional.of(Errno.ENOENT), () -> target.space.copy(source.space, from, length, access));
            } else if (automatic) {
                automatic(target, slices.get(), access, () -> target.space.copy(source.space, from, length, access));
            } else {
                Optional<Errno> refusal = target.model.refusal(iova, slices.get(), access);
                expect(refusal, () -> target.space.copyAt(iova, source.space, from, length, access));
                if (refusal.isEmpty()) {
                    target.model.add(iova, slices.get(), access);
                }
            }
        }

        private void unmap(Side side) {
            boolean exact = random.nextInt(4) > 0 && !side.model.mappings.isEmpty();
            Mapping chosen = exact ? side.model.mappings.get(random.nextInt(side.model.mappings.size())) : null;
            long iova = exact ? chosen.iova() : iova();
            long length = exact ? chosen.length() : (1 + random.nextInt(20)) * PAGE;
            operation = "unmap 0x%x, length 0x%x".formatted(iova, length);
            List<Mapping> within = side.model.overlapping(iova, iova + length - 1);
            boolean cut = within.stream().anyMatch(mapping -> mapping.iova() < iova || mapping.last() > iova + length - 1);
            if (within.isEmpty() || cut) {
                expect(Optional.of(Errno.ENOENT), () -> side.space.unmap(iova, length));
                return;
            }
            within.forEach(mapping -> side.model.pins.removeIf(pin -> mapping.overlaps(pin.iova(), pin.iova() + pin.length() - 1)
                    && side.model.pins.contains(pin)));
            side.model.mappings.removeAll(within);
            assertThat(side.space.unmap(iova, length)).isEqualTo(within.stream().mapToLong(Mapping::length).sum());
        }

        private void allow(Side side) {
            long start = random.nextLong(IOVA_PAGES) * PAGE;
            IovaRange range = new IovaRange(start, start + (1 + random.nextInt(60)) * PAGE - 1);
            List<IovaRange> ranges = random.nextInt(3) > 0 ? List.of() : List.of(range);
            operation = "allow " + ranges;
            boolean reserved = ranges.stream().anyMatch(each -> side.model.reserved(each.start(), each.last()));
            expect(reserved ? Optional.of(Errno.EADDRINUSE) : Optional.empty(), () -> side.space.allowIovas(ranges));
            if (!reserved) {
                side.model.allowed = ranges;
            }
        }

        private void reserve(Side side) {
            if (!side.owners.isEmpty() && random.nextInt(3) > 0) {
                Object owner = side.owners.remove(random.nextInt(side.owners.size()));
                operation = "unreserve";
                side.space.unreserve(owner);
                side.model.reservations.removeIf(reservation -> reservation.owner() == owner);
                return;
            }
            IovaRange range = new IovaRange(iova(), -1L >>> 1).start() == 0 ? new IovaRange(0, PAGE) : range();
            Object owner = new Object();
            operation = "reserve " + range;
            boolean used = !side.model.overlapping(range.start(), range.last()).isEmpty() || side.model.allowed.stream().anyMatch(range::overlaps);
            expect(used ? Optional.of(Errno.EADDRINUSE) : Optional.empty(), () -> side.space.reserve(owner, List.of(range)));
            if (!used) {
                side.model.reservations.add(new ModelSpace.Reservation(owner, range));
                side.owners.add(owner);
            }
        }

        private IovaRange range() {
            long start = iova();
            return new IovaRange(start, start + length() - 1);
        }

        private void addDomain(Side side) {
            if (side.model.domains.size() == 3) {
                return;
            }
            long start = random.nextInt(4) == 0 ? random.nextLong(8) * PAGE : 0;
            ModelDomain domain = new ModelDomain(start, (1L << 48) - 1, random.nextInt(3) == 0 ? 0x200800L : 0x40201000L);
            operation = "addDomain from 0x%x, page 0x%x".formatted(start, domain.geometry().smallestPageBytes());
            long alignment = Math.max(side.model.alignment(), domain.geometry().smallestPageBytes());
            boolean outside = start > 0 && (!side.model.overlapping(0, start - 1).isEmpty()
                    || side.model.allowed.stream().anyMatch(range -> range.start() < start));
            boolean contradicts = outside || !side.model.mappings.stream().allMatch(mapping -> mapping.alignedTo(alignment))
                    || !side.model.overlapping(1L << 48, -1L >>> 1).isEmpty();
            boolean unpinnable = !side.model.pinning() && !side.model.mappings.stream().allMatch(Mapping::pinnable);
            Optional<Errno> refusal = contradicts ? Optional.of(Errno.EADDRINUSE) : unpinnable ? Optional.of(Errno.EFAULT) : Optional.empty();
            expect(refusal, () -> side.space.addDomain(domain));
            if (refusal.isEmpty()) {
                side.model.domains.add(domain);
                if (start > 0) {
                    side.model.reservations.add(new ModelSpace.Reservation(domain, new IovaRange(0, start - 1)));
                }
                side.model.reservations.add(new ModelSpace.Reservation(domain, new IovaRange(1L << 48, -1L)));
            } else {
                assertThat(domain.entries).isEmpty();
            }
        }

        private void removeDomain(Side side) {
            if (side.model.domains.isEmpty()) {
                return;
            }
            operation = "removeDomain";
            ModelDomain domain = side.model.domains.remove(random.nextInt(side.model.domains.size()));
            side.model.reservations.removeIf(reservation -> reservation.owner() == domain);
            side.space.removeDomain(domain);
            assertThat(domain.entries).isEmpty();
        }

        private void toggleAccess(Side side) {
            if (side.access != null) {
                operation = "close access";
                side.access.close();
                side.access = null;
                side.model.access = false;
                side.model.pins.clear();
                return;
            }
            operation = "open access";
            boolean misaligned = !side.model.mappings.stream().allMatch(mapping -> mapping.alignedTo(PAGE));
            List<ModelSpace.Pin> pins = new ArrayList<>();
            expect(misaligned ? Optional.of(Errno.EADDRINUSE) : Optional.empty(), () -> side.access = side.space.openAccess((iova, length) -> evict(side, iova, length)));
            side.model.access = !misaligned;
            assertThat(pins).isEmpty();
        }

        /** What is pinned in the real space; the model's pins are removed beforehand. */
        private final Map<Side, List<ModelSpace.Pin>> realPins = new IdentityHashMap<>();

        private void evict(Side side, long iova, long length) {
            List<ModelSpace.Pin> pins = realPins.getOrDefault(side, new ArrayList<>());
            long last = length == -1L ? -1L >>> 1 : iova + length - 1;
            for (ModelSpace.Pin pin : List.copyOf(pins)) {
                if (pin.iova() <= last && iova <= pin.iova() + pin.length() - 1) {
                    side.access.unpin(pin.iova(), pin.length());
                    pins.remove(pin);
                }
            }
        }

        private void pin(Side side) {
            if (side.access == null) {
                return;
            }
            long iova = side.model.mappings.isEmpty() ? iova() : side.model.mappings.get(random.nextInt(side.model.mappings.size())).iova();
            long length = (1 + random.nextInt(6)) * PAGE;
            boolean write = random.nextBoolean();
            operation = "pin 0x%x, length 0x%x, write %s".formatted(iova, length, write);
            Optional<List<Mapping>> slices = side.model.slices(iova, length);
            PinnedRuns runs = new PinnedRuns(1);
            runs.add(PAGE, PAGE);
            List<Mapping> present = slices.orElseGet(() -> prefix(side, iova, length));
            Optional<Errno> refusal = Optional.empty();
            for (Mapping slice : present) {
                boolean denied = write ? !slice.access().writable() : !slice.access().readable();
                refusal = denied ? Optional.of(Errno.EPERM) : !slice.pinnable() && !side.model.pinning() ? Optional.of(Errno.EFAULT) : refusal;
                if (refusal.isPresent()) {
                    break;
                }
            }
            refusal = refusal.isEmpty() && slices.isEmpty() ? Optional.of(Errno.ENOENT) : refusal;
            expect(refusal, () -> side.access.pin(iova, length, write, runs));
            if (refusal.isEmpty()) {
                ModelSpace.Pin pin = new ModelSpace.Pin(iova, length);
                side.model.pins.add(pin);
                realPins.computeIfAbsent(side, key -> new ArrayList<>()).add(pin);
                assertThat(runs.totalBytes()).isEqualTo(PAGE + length);
            } else {
                assertThat(runs.totalBytes()).as("runs are as before").isEqualTo(PAGE);
            }
        }

        /** The slices before the first hole. */
        private List<Mapping> prefix(Side side, long iova, long length) {
            for (long shorter = length - PAGE; shorter > 0; shorter -= PAGE) {
                Optional<List<Mapping>> slices = side.model.slices(iova, shorter);
                if (slices.isPresent()) {
                    return slices.get();
                }
            }
            return List.of();
        }

        private void unpin(Side side) {
            if (!side.model.pins.isEmpty()) {
                operation = "unpin";
                ModelSpace.Pin pin = side.model.pins.remove(random.nextInt(side.model.pins.size()));
                realPins.get(side).remove(pin);
                side.access.unpin(pin.iova(), pin.length());
            }
        }

        private void rare(Side side) {
            switch (random.nextInt(4)) {
                case 0 -> {
                    operation = "unmapAll";
                    side.model.pins.clear();
                    side.model.mappings.clear();
                    side.space.unmapAll();
                }
                case 1 -> {
                    operation = "hold pins";
                    boolean unpinnable = !side.model.pinning() && !side.model.mappings.stream().allMatch(Mapping::pinnable);
                    Optional<Errno> refusal = side.model.held ? Optional.of(Errno.EEXIST) : unpinnable ? Optional.of(Errno.EFAULT) : Optional.empty();
                    expect(refusal, () -> side.space.holdPins(side.holder));
                    side.model.held |= refusal.isEmpty();
                }
                case 2 -> {
                    operation = "release pins";
                    side.model.held = false;
                    side.space.releasePins(side.holder);
                }
                default -> {
                    boolean allowed = random.nextInt(3) > 0;
                    operation = "huge pages " + allowed;
                    boolean change = allowed != side.model.hugePages;
                    boolean shown = !side.model.domains.isEmpty() && !side.model.mappings.isEmpty();
                    boolean misaligned = !side.model.mappings.stream().allMatch(mapping -> mapping.alignedTo(PAGE));
                    Optional<Errno> refusal = !change || allowed ? Optional.empty()
                            : shown ? Optional.of(Errno.EINVAL) : misaligned ? Optional.of(Errno.EADDRINUSE) : Optional.empty();
                    expect(refusal, () -> side.space.setHugePages(allowed));
                    side.model.hugePages = refusal.isEmpty() ? allowed : side.model.hugePages;
                }
            }
        }

        private void check() {
            Map<Group, TreeMap<Long, Integer>> holds = new IdentityHashMap<>();
            for (Side side : sides) {
                side.model.addHeldPages(holds);
                assertThat(side.space.mappedBytes()).isEqualTo(side.model.mappings.stream().mapToLong(Mapping::length).sum());
                assertThat(side.space.iovaRanges().alignmentBytes()).isEqualTo(side.model.alignment());
                for (ModelDomain domain : side.model.domains) {
                    TreeMap<Long, Long> expected = side.model.translations(domain.geometry().smallestPageBytes());
                    assertThat(domain.entries.keySet()).isEqualTo(expected.keySet());
                    domain.entries.forEach((iova, entry) -> assertThat(entry.physicalAddress()).isEqualTo(expected.get(iova)));
                }
            }
            long[] charged = new long[2];
            int[][] pins = new int[2][MEMORY_PAGES];
            holds.forEach((group, pages) -> {
                charged[group.payer() == sides[0].charge ? 0 : 1] += pages.size();
                pages.keySet().forEach(page -> pins[group.memory() == memories[0] ? 0 : 1][(int) (group.baseAddress() / PAGE + page)]++);
            });
            for (int i = 0; i < 2; i++) {
                assertThat(sides[i].charge.pages).as("charged pages").isEqualTo(charged[i]);
                assertThat(memories[i].pinsByPage()).as("pins").isEqualTo(pins[i]);
            }
        }
    }
}
