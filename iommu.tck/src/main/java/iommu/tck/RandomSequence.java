package iommu.tck;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeSet;

/** One random step after the other, on the backend and on {@link DomainModel}s; memory has a shadow that only the model writes. */
final class RandomSequence {
    private static final int DOMAINS = 3;
    private static final int RAM_PAGES = 160;
    private static final long MOST_LARGE_BYTES = 4L << 20;

    /** A port and what it is attached to. */
    private static final class Requester {
        final Device device;
        final int pasid;
        final HardwarePort port;
        int domain = -1;

        Requester(Device device, int pasid) {
            this.device = device;
            this.pasid = pasid;
            port = device.port(pasid);
        }
    }

    private final Machine machine;
    private final List<Requester> requesters = new ArrayList<>();
    private final PagingDomain[] domains = new PagingDomain[DOMAINS];
    private final DomainModel[] models = new DomainModel[DOMAINS];
    private final PagingOptions options;
    private final long page;
    private final long large;
    private final long arena;
    private final long arenaPages;
    private final long ram;
    private final byte[] shadow;
    private SplittableRandom random;
    private String latest = "";

    RandomSequence(Machine machine, Traffic traffic) {
        this.machine = machine;
        options = new PagingOptions(false, machine.capabilities.dirtyTracking(), machine.capabilities.pasidBits() > 0);
        Device first = machine.device(0);
        requesters.add(new Requester(first, Pasid.NONE));
        requesters.add(new Requester(machine.device(1), Pasid.NONE));
        if (machine.capabilities.pasidBits() > 0) {
            requesters.add(new Requester(first, 1));
        }
        PagingDomain any = first.newDomain(options);
        page = any.geometry().smallestPageBytes();
        large = Math.min(machine.largePageBytes(any), MOST_LARGE_BYTES);
        arenaPages = 3 * large / page;
        arena = machine.iova(first, any, arenaPages * page, large);
        machine.close(any);
        long ramBytes = 2 * large + RAM_PAGES * page;
        ram = machine.memory.take(ramBytes, large);
        shadow = new byte[(int) ramBytes];
        MemorySegment.ofArray(shadow).copyFrom(MemorySegment.ofArray(traffic.randomBytes(shadow.length)));
        HostMemory.WINDOW.asSlice(ram, shadow.length).copyFrom(MemorySegment.ofArray(shadow));
    }

    /** Fresh page tables, nothing attached. */
    void begin(long seed) {
        random = new SplittableRandom(seed);
        for (int i = 0; i < DOMAINS; i++) {
            domains[i] = requesters.getFirst().device.newDomain(options);
            models[i] = new DomainModel();
        }
    }

    /** What the last step tried, for a person. */
    String latest() {
        return latest;
    }

    void step() {
        int dice = random.nextInt(100);
        if (dice < 25) {
            map();
        } else if (dice < 35) {
            unmap();
        } else if (dice < 60) {
            write();
        } else if (dice < 78) {
            read();
        } else if (dice < 86) {
            attach();
        } else if (dice < 88) {
            block();
        } else if (dice < 93) {
            translate();
        } else if (options.dirtyTracking()) {
            dirty();
        }
    }

    long firstWrongByte() {
        return HostMemory.WINDOW.asSlice(ram, shadow.length).mismatch(MemorySegment.ofArray(shadow));
    }

    void end() {
        for (Requester requester : requesters) {
            requester.device.endpoint.block(requester.pasid);
            requester.domain = -1;
        }
        for (PagingDomain domain : domains) {
            machine.close(domain);
        }
    }

    private void map() {
        int index = random.nextInt(DOMAINS);
        boolean wide = random.nextInt(4) == 0;
        PinnedRuns runs = new PinnedRuns(4);
        long iova = arena + random.nextLong(arenaPages) * page;
        if (wide) {
            iova = arena + random.nextInt(3) * large;
            runs.add(ram + random.nextInt(2) * large, large);
        } else {
            for (int run = random.nextInt(1, 4); run > 0; run--) {
                runs.add(ram + random.nextLong(shadow.length / page - 6) * page, random.nextInt(1, 6) * page);
            }
        }
        DmaAccess access = random.nextInt(3) > 0 ? DmaAccess.READ_WRITE : DmaAccess.READ;
        boolean smallest = random.nextInt(4) == 0;
        Mapped mapped = new Mapped(iova, runs);
        boolean free = models[index].isFree(iova, mapped.lastIova());
        latest = "map domain %d 0x%x..0x%x %s free=%b".formatted(index, iova, mapped.lastIova(), access, free);
        if (free) {
            apply(index, mapped, access, smallest);
            models[index].add(mapped, access);
        } else {
            Contract.assertRefused(Errno.EEXIST, () -> apply(index, mapped, access, smallest));
        }
    }

    private void apply(int index, Mapped mapped, DmaAccess access, boolean smallest) {
        if (smallest) {
            domains[index].mapSmallest(mapped.iova(), mapped.runs(), access);
        } else {
            domains[index].map(mapped.iova(), mapped.runs(), access);
        }
    }

    private void unmap() {
        int index = random.nextInt(DOMAINS);
        long iova = arena + random.nextLong(arenaPages) * page;
        long last = iova + random.nextLong(1, random.nextInt(3) == 0 ? arenaPages : 10) * page - 1;
        long[] range = models[index].wholeMappings(iova, last);
        latest = "unmap domain %d 0x%x..0x%x".formatted(index, range[0], range[1]);
        assertThat(domains[index].unmap(range[0], range[1])).as("bytes unmapped").isEqualTo(models[index].remove(range[0], range[1]));
    }

    private void write() {
        Requester requester = anyRequester();
        long iova = place(requester);
        byte[] bytes = new byte[random.nextInt(1, (int) (random.nextInt(3) == 0 ? 3 * page : 64))];
        random.nextBytes(bytes);
        latest = "write %s 0x%x + %d".formatted(name(requester), iova, bytes.length);
        DmaStatus status = requester.port.write(iova, MemorySegment.ofArray(bytes), 0, bytes.length);
        int moved = 0;
        DomainModel.Mapping mapping = null;
        for (; moved < bytes.length; moved++) {
            if (isFirstOfPage(iova, moved)) {
                mapping = mapping(requester, iova + moved);
            }
            if (mapping == null || !mapping.access().writable()) {
                break;
            }
            shadow[(int) (mapping.mapped().physicalAddress(iova + moved) - ram)] = bytes[moved];
            DomainModel model = models[requester.domain];
            if (model.tracking && isFirstOfPage(iova, moved)) {
                model.dirtyPages.add(iova + moved & -page);
            }
        }
        assertThat(status).as("status").isEqualTo(moved == bytes.length ? DmaStatus.DONE : DmaStatus.FAULTED);
    }

    private void read() {
        Requester requester = anyRequester();
        long iova = place(requester);
        byte[] bytes = new byte[random.nextInt(1, (int) (random.nextInt(3) == 0 ? 3 * page : 64))];
        latest = "read %s 0x%x + %d".formatted(name(requester), iova, bytes.length);
        DmaStatus status = requester.port.read(iova, MemorySegment.ofArray(bytes), 0, bytes.length);
        byte[] expected = new byte[bytes.length];
        DmaStatus expectedStatus = DmaStatus.DONE;
        DomainModel.Mapping mapping = null;
        for (int i = 0; i < bytes.length; i++) {
            if (isFirstOfPage(iova, i)) {
                mapping = mapping(requester, iova + i);
            }
            if (mapping == null) {
                Arrays.fill(expected, (byte) 0);
                expectedStatus = DmaStatus.FAULTED;
                break;
            }
            expected[i] = shadow[(int) (mapping.mapped().physicalAddress(iova + i) - ram)];
        }
        assertThat(status).as("status").isEqualTo(expectedStatus);
        assertThat(bytes).isEqualTo(expected);
    }

    private void attach() {
        Requester requester = anyRequester();
        requester.domain = random.nextInt(DOMAINS);
        latest = "attach %s".formatted(name(requester));
        requester.device.endpoint.attach(requester.pasid, domains[requester.domain]);
    }

    private void block() {
        Requester requester = anyRequester();
        latest = "block %s".formatted(name(requester));
        requester.device.endpoint.block(requester.pasid);
        requester.domain = -1;
    }

    private void translate() {
        int index = random.nextInt(DOMAINS);
        long iova = arena + random.nextLong(arenaPages * page);
        latest = "translate domain %d 0x%x".formatted(index, iova);
        DomainModel.Mapping mapping = models[index].at(iova);
        assertThat(domains[index].translate(iova))
                .isEqualTo(mapping == null ? PagingDomain.UNMAPPED : mapping.mapped().physicalAddress(iova));
    }

    private void dirty() {
        int index = random.nextInt(DOMAINS);
        DomainModel model = models[index];
        if (!model.tracking || random.nextInt(4) == 0) {
            model.tracking = !model.tracking;
            latest = "tracking of domain %d %b".formatted(index, model.tracking);
            domains[index].dirtyTracking().orElseThrow().setEnabled(model.tracking);
            model.dirtyPages.clear();
            return;
        }
        boolean clear = random.nextBoolean();
        latest = "dirty read of domain %d clear=%b".formatted(index, clear);
        TreeSet<Long> unreported = new TreeSet<>(model.dirtyPages);
        domains[index].dirtyTracking().orElseThrow().read(arena, arena + arenaPages * page + 64 * page, clear, (iova, length) -> {
            boolean any = !model.dirtyPages.subSet(iova, iova + length).isEmpty();
            assertThat(any).as("a written page in the reported range 0x%x + 0x%x", iova, length).isTrue();
            unreported.subSet(iova, iova + length).clear();
        });
        assertThat(unreported).as("written pages that were not reported").isEmpty();
        if (clear) {
            model.dirtyPages.clear();
        }
    }

    /** Whether byte {@code offset} of a request is the first it has in its page. */
    private boolean isFirstOfPage(long iova, int offset) {
        return offset == 0 || (iova + offset & page - 1) == 0;
    }

    private Requester anyRequester() {
        return requesters.get(random.nextInt(requesters.size()));
    }

    /** Mostly somewhere mapped. */
    private long place(Requester requester) {
        long iova = arena;
        for (int tries = 0; tries < 20; tries++) {
            iova = arena + random.nextLong(arenaPages * page);
            if (mapping(requester, iova) != null) {
                break;
            }
        }
        return iova;
    }

    private DomainModel.Mapping mapping(Requester requester, long iova) {
        return requester.domain < 0 ? null : models[requester.domain].at(iova);
    }

    private String name(Requester requester) {
        return "%s PASID %d through domain %d".formatted(requester.device.description.requesterId(), requester.pasid,
                requester.domain);
    }
}
