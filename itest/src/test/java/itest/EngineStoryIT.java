package itest;

import static org.assertj.core.api.Assertions.assertThat;

import iommu.s390.S390Backend;
import iommu.s390.driver.ZpciDriverOptions;
import iommu.smmuv3.Smmuv3Backend;
import iommu.smmuv3.driver.DriverOptions;
import iommu.smmuv3.unit.SmmuFeatures;
import iommu.vtd.VtdBackend;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeatures;
import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.IommuHardware;
import iommufd.api.memory.GuestRam;
import iommufd.core.Engine;
import iommufd.core.EngineOptions;
import iommufd.core.memory.HostPhysicalMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The engine over real backends tells the same story as a naive model of it: maps of page numbers, an array of bytes, no IOMMU.
 * Each seed is a random life of address spaces, mappings, attachments, DMA, and hardware that is exchanged in between.
 */
class EngineStoryIT {
    private static final int PAGE = 4096;
    private static final int RAM_PAGES = 256;
    private static final long FIXED_IOVA = 1L << 32;
    private static final int FIXED_PAGES = 1100;   // beyond one leaf table
    private static final int OPERATIONS = 400;
    /** Not WRITE alone: tables of some vendors cannot forbid reads of what may be written. */
    private static final DmaAccess[] ACCESSES = {DmaAccess.READ, DmaAccess.READ_WRITE};

    static List<Long> seeds() {
        List<Long> seeds = new ArrayList<>();
        for (long seed = 1; seed <= 40; seed++) {
            seeds.add(seed);
        }
        return seeds;
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void tellsTheStoryOfTheModel(long seed) {
        try (HostPhysicalMemory memory = new HostPhysicalMemory(4L << 30);
                VtdBackend vtd = new VtdBackend(memory.tables(), seed % 2 == 0 ? VtdFeatures.legacy() : VtdFeatures.scalableMode(),
                        VtdDriverOptions.named("vtd0"));
                Smmuv3Backend smmu = new Smmuv3Backend("smmu0", SmmuFeatures.DEFAULT, DriverOptions.DEFAULT, memory.tables());
                S390Backend zpci = new S390Backend(memory.tables(), new ZpciDriverOptions("zpci0", 0, 3, 0, (1L << 42) - 1))) {
            long before = memory.tables().bytesInUse();
            try (Engine engine = new Engine(new EngineOptions(Duration.ofMillis(20), Duration.ofSeconds(10)));
                    Arena arena = Arena.ofConfined();
                    GuestRam ram = memory.allocateGuestRam((long) RAM_PAGES * PAGE, false)) {
                engine.add(vtd);
                IommuHardware other = seed % 3 == 0 ? zpci : smmu;
                engine.add(other);
                new Story(seed, engine, vtd, other, ram, arena).run();
            }
            assertThat(memory.tables().bytesInUse()).as("frames in use after the engine closed").isEqualTo(before);
        }
    }

    /** A mapping of the model: a run of RAM pages at a run of IOVA pages; whether they were mapped for writing at first. */
    private record Mapping(long page, int pages, int ramPage, DmaAccess access, boolean writablePages) {
        Mapping at(long otherPage, DmaAccess otherAccess) {
            return new Mapping(otherPage, pages, ramPage, otherAccess, writablePages);
        }
    }

    private record Device(DmaEndpoint endpoint, BoundDevice bound, DmaPort port) {}

    private static final class Story {
        private final Random random;
        private final Engine engine;
        private final VtdBackend vtd;
        private final IommuHardware other;
        private final GuestRam ram;
        private final MemorySegment buffer;
        private final byte[] expectedRam = new byte[RAM_PAGES * PAGE];
        private final List<Ioas> spaces = new ArrayList<>();
        private final List<TreeMap<Long, Mapping>> models = new ArrayList<>();
        private final List<Device> devices = new ArrayList<>();
        private final int[] attachedTo = new int[3];
        private boolean vtdServes = true;
        private boolean vtdDeployed = true;
        private boolean otherDeployed = true;

        Story(long seed, Engine engine, VtdBackend vtd, IommuHardware other, GuestRam ram, Arena arena) {
            random = new Random(seed);
            this.engine = engine;
            this.vtd = vtd;
            this.other = other;
            this.ram = ram;
            buffer = arena.allocate(4 * PAGE);
            random.nextBytes(expectedRam);
            MemorySegment.copy(expectedRam, 0, ram.segment(), ValueLayout.JAVA_BYTE, 0, expectedRam.length);
        }

        void run() {
            try (IommufdContext context = engine.service().open()) {
                for (int i = 0; i < 2; i++) {
                    spaces.add(context.allocateIoas());
                    models.add(new TreeMap<>());
                }
                for (int i = 0; i < attachedTo.length; i++) {
                    DmaEndpoint endpoint = engine.fabric().plug(EndpointDescription.of(RequesterId.of(0, 1, i, 0)));
                    devices.add(new Device(endpoint, context.bind(endpoint), endpoint.openPort()));
                    attachedTo[i] = -1;
                }
                for (int i = 0; i < OPERATIONS; i++) {
                    step();
                }
                checkRam();
                for (int i = 0; i < spaces.size(); i++) {
                    assertThat(spaces.get(i).unmapAll()).isEqualTo(mappedBytes(models.get(i)));
                }
            }
            devices.forEach(device -> device.endpoint().close());
        }

        private void step() {
            int choice = random.nextInt(100);
            if (choice < 20) {
                mapFixed();
            } else if (choice < 26) {
                mapAutomatically();
            } else if (choice < 36) {
                unmap();
            } else if (choice < 41) {
                copy();
            } else if (choice < 51) {
                attachOrDetach();
            } else if (choice < 54) {
                changeHardware();
            } else {
                dma();
            }
        }

        private void mapFixed() {
            int space = random.nextInt(spaces.size());
            long page = (FIXED_IOVA >>> 12) + random.nextInt(FIXED_PAGES);
            Mapping wanted = mapping(page);
            boolean free = overlapping(models.get(space), page, wanted.pages()).isEmpty();
            Errno refused = attempt(() -> spaces.get(space).mapAt(page * PAGE, ram, (long) wanted.ramPage() * PAGE,
                    (long) wanted.pages() * PAGE, wanted.access()));
            assertThat(refused).isEqualTo(free ? null : Errno.EEXIST);
            if (free) {
                models.get(space).put(page, wanted);
            }
        }

        private void mapAutomatically() {
            int space = random.nextInt(spaces.size());
            Mapping wanted = mapping(0);
            long iova = spaces.get(space).map(ram, (long) wanted.ramPage() * PAGE, (long) wanted.pages() * PAGE, wanted.access());
            long page = iova / PAGE;
            assertThat(iova % PAGE).isZero();
            assertThat(overlapping(models.get(space), page, wanted.pages())).isEmpty();
            models.get(space).put(page, wanted.at(page, wanted.access()));
        }

        private Mapping mapping(long page) {
            int pages = 1 + random.nextInt(random.nextInt(4) == 0 ? 64 : 6);
            DmaAccess access = ACCESSES[random.nextInt(ACCESSES.length)];
            return new Mapping(page, pages, random.nextInt(RAM_PAGES - pages), access, access.writable());
        }

        private void unmap() {
            int space = random.nextInt(spaces.size());
            TreeMap<Long, Mapping> model = models.get(space);
            long page = (FIXED_IOVA >>> 12) + random.nextInt(FIXED_PAGES);
            int pages = 1 + random.nextInt(100);
            if (random.nextBoolean() && model.ceilingEntry(page) != null) {   // half of the time, exactly one mapping
                Mapping chosen = model.ceilingEntry(page).getValue();
                page = chosen.page();
                pages = chosen.pages();
            }
            List<Mapping> hit = overlapping(model, page, pages);
            long first = page;
            long end = page + pages;
            boolean cut = hit.stream().anyMatch(mapping -> mapping.page() < first || mapping.page() + mapping.pages() > end);
            long length = (long) pages * PAGE;
            long[] unmapped = new long[1];
            Errno refused = attempt(() -> unmapped[0] = spaces.get(space).unmap(first * PAGE, length));
            assertThat(refused).isEqualTo(cut || hit.isEmpty() ? Errno.ENOENT : null);
            if (refused == null) {
                assertThat(unmapped[0]).isEqualTo(hit.stream().mapToLong(mapping -> (long) mapping.pages() * PAGE).sum());
                hit.forEach(mapping -> model.remove(mapping.page()));
            }
        }

        private void copy() {
            int from = random.nextInt(spaces.size());
            int to = random.nextInt(spaces.size());
            if (models.get(from).isEmpty()) {
                return;
            }
            List<Mapping> all = List.copyOf(models.get(from).values());
            Mapping source = all.get(random.nextInt(all.size()));
            long page = (FIXED_IOVA >>> 12) + random.nextInt(FIXED_PAGES);
            DmaAccess access = ACCESSES[random.nextInt(ACCESSES.length)];
            boolean free = overlapping(models.get(to), page, source.pages()).isEmpty();
            boolean allowed = source.writablePages() || !access.writable();
            Errno refused = attempt(() -> spaces.get(to).copyAt(page * PAGE, spaces.get(from), source.page() * PAGE,
                    (long) source.pages() * PAGE, access));
            if (free && allowed) {
                assertThat(refused).isNull();
                models.get(to).put(page, source.at(page, access));
            } else {
                assertThat(refused).isIn(free ? List.of(Errno.EPERM) : allowed ? List.of(Errno.EEXIST) : List.of(Errno.EPERM, Errno.EEXIST));
            }
        }

        private void attachOrDetach() {
            int device = random.nextInt(devices.size());
            BoundDevice bound = devices.get(device).bound();
            int space = random.nextInt(spaces.size());
            switch (random.nextInt(3)) {
                case 0 -> {
                    Errno refused = attempt(() -> bound.attach(spaces.get(space)));
                    boolean free = attachedTo[device] < 0 || attachedTo[device] == space;
                    if (attachedTo[device] < 0) {
                        assertThat(refused).isNull();
                        attachedTo[device] = space;
                    } else {
                        assertThat(refused).as("attach of an attached device, same space: %s", free).isIn(null, Errno.EBUSY, Errno.EINVAL);
                        assertThat(bound.attached()).isPresent();
                    }
                }
                case 1 -> {
                    Errno refused = attempt(() -> bound.replace(spaces.get(space)));
                    assertThat(refused).isEqualTo(attachedTo[device] < 0 ? Errno.EINVAL : null);
                    attachedTo[device] = attachedTo[device] < 0 ? -1 : space;
                }
                default -> {
                    bound.detach();
                    attachedTo[device] = -1;
                }
            }
        }

        private void changeHardware() {
            if (random.nextInt(4) > 0 && vtdDeployed && otherDeployed) {
                engine.swap().swap(vtdServes ? "vtd0" : other.name(), vtdServes ? other.name() : "vtd0");
                vtdServes = !vtdServes;
            } else if (vtdDeployed) {
                engine.remove(vtd);
                vtdDeployed = false;
                vtdServes = false;
            } else if (otherDeployed) {
                engine.remove(other);
                otherDeployed = false;
                if (random.nextBoolean()) {
                    expectAbort();
                }
                engine.add(vtd);
                engine.add(other);
                vtdDeployed = true;
                otherDeployed = true;
                vtdServes = true;
            }
        }

        /** Nobody serves: a device's request ends by itself, clearly. */
        private void expectAbort() {
            DmaPort port = devices.get(random.nextInt(devices.size())).port();
            assertThat(port.read(FIXED_IOVA, buffer, 0, 8)).isEqualTo(DmaStatus.ABORTED);
            assertThat(port.lastFault().orElseThrow().kind()).isEqualTo(iommufd.api.dma.DmaFault.Kind.NO_HARDWARE);
        }

        private void dma() {
            int device = random.nextInt(devices.size());
            DmaPort port = devices.get(device).port();
            TreeMap<Long, Mapping> model = attachedTo[device] < 0 ? new TreeMap<>() : models.get(attachedTo[device]);
            long iova = iovaNear(model);
            int length = 1 + random.nextInt(random.nextInt(3) == 0 ? 3 * PAGE : 200);
            if (random.nextBoolean()) {
                write(port, model, iova, length);
            } else {
                read(port, model, iova, length);
            }
        }

        private long iovaNear(TreeMap<Long, Mapping> model) {
            if (model.isEmpty() || random.nextInt(8) == 0) {
                return FIXED_IOVA + random.nextInt(FIXED_PAGES * PAGE);
            }
            List<Mapping> all = List.copyOf(model.values());
            Mapping chosen = all.get(random.nextInt(all.size()));
            return chosen.page() * PAGE + random.nextInt(chosen.pages() * PAGE);
        }

        private void write(DmaPort port, TreeMap<Long, Mapping> model, long iova, int length) {
            byte[] bytes = new byte[length];
            random.nextBytes(bytes);
            MemorySegment.copy(bytes, 0, buffer, ValueLayout.JAVA_BYTE, 0, length);
            DmaStatus status = port.write(iova, buffer, 0, length);
            int allowed = allowedBytes(model, iova, length, true);
            assertThat(status).as("write of %d at 0x%x", length, iova).isEqualTo(allowed == length ? DmaStatus.DONE : DmaStatus.FAULTED);
            for (int i = 0; i < allowed; i++) {
                expectedRam[ramOffset(model, iova + i)] = bytes[i];
            }
            if (allowed > 0) {
                int at = ramOffset(model, iova);
                assertThat(ram.segment().get(ValueLayout.JAVA_BYTE, at)).isEqualTo(expectedRam[at]);
            }
            checkFault(port, status, iova + allowed);
        }

        private void read(DmaPort port, TreeMap<Long, Mapping> model, long iova, int length) {
            buffer.fill((byte) 0x5a);
            DmaStatus status = port.read(iova, buffer, 0, length);
            int allowed = allowedBytes(model, iova, length, false);
            assertThat(status).as("read of %d at 0x%x", length, iova).isEqualTo(allowed == length ? DmaStatus.DONE : DmaStatus.FAULTED);
            for (int i = 0; i < length; i++) {
                byte expected = status == DmaStatus.DONE ? expectedRam[ramOffset(model, iova + i)] : 0;
                assertThat(buffer.get(ValueLayout.JAVA_BYTE, i)).as("byte %d of %d at 0x%x", i, length, iova).isEqualTo(expected);
            }
            assertThat(buffer.get(ValueLayout.JAVA_BYTE, length)).as("the byte behind").isEqualTo((byte) 0x5a);
            checkFault(port, status, iova + allowed);
        }

        private void checkFault(DmaPort port, DmaStatus status, long iova) {
            if (status == DmaStatus.FAULTED) {
                assertThat(port.lastFault().orElseThrow().iova() & -PAGE).isEqualTo(iova & -PAGE);
            }
        }

        /** Bytes of a request before the first page that refuses it. */
        private static int allowedBytes(TreeMap<Long, Mapping> model, long iova, int length, boolean write) {
            int allowed = 0;
            while (allowed < length) {
                Mapping mapping = at(model, (iova + allowed) / PAGE);
                if (mapping == null || !(write ? mapping.access().writable() : mapping.access().readable())) {
                    return allowed;
                }
                allowed += PAGE - (int) ((iova + allowed) % PAGE);
            }
            return length;
        }

        private static int ramOffset(TreeMap<Long, Mapping> model, long iova) {
            Mapping mapping = at(model, iova / PAGE);
            return (int) ((mapping.ramPage() - mapping.page()) * PAGE + iova);
        }

        private static Mapping at(TreeMap<Long, Mapping> model, long page) {
            Map.Entry<Long, Mapping> floor = model.floorEntry(page);
            return floor != null && page < floor.getKey() + floor.getValue().pages() ? floor.getValue() : null;
        }

        private static List<Mapping> overlapping(TreeMap<Long, Mapping> model, long page, int pages) {
            return model.values().stream().filter(m -> m.page() < page + pages && page < m.page() + m.pages()).toList();
        }

        private static long mappedBytes(TreeMap<Long, Mapping> model) {
            return model.values().stream().mapToLong(mapping -> (long) mapping.pages() * PAGE).sum();
        }

        private void checkRam() {
            MemorySegment expected = MemorySegment.ofArray(expectedRam);
            assertThat(ram.segment().mismatch(expected)).as("first byte of RAM that differs").isEqualTo(-1);
        }

        private static Errno attempt(Runnable action) {
            try {
                action.run();
                return null;
            } catch (IommufdException refused) {
                return refused.errno();
            }
        }
    }
}
