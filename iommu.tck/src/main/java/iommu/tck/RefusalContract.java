package iommu.tck;

import static iommufd.api.DmaAccess.READ;
import static iommufd.api.DmaAccess.READ_WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import iommufd.api.Errno;
import iommufd.api.FaultResponse;
import iommufd.api.HardwareInfo;
import iommufd.api.IommufdException;
import iommufd.api.NestedTable;
import iommufd.api.ViommuTable;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PageResponse;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.memory.PinnedRuns;
import java.util.Optional;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Requests that must be refused are, by the right error number, and nothing has changed. */
abstract class RefusalContract extends Contract {
    private static final int UNKNOWN_TYPE = 0x7ffffff0;

    private Device device;
    private PagingDomain domain;
    private HardwarePort port;
    private long page;
    private long large;
    private long iova;

    @BeforeEach
    final void attach() {
        device = machine.device(0);
        domain = device.attachNewDomain(new PagingOptions(false, false, machine.capabilities.pasidBits() > 0));
        port = device.port();
        page = domain.geometry().smallestPageBytes();
        large = machine.largePageBytes(domain);
        iova = machine.iova(device, domain, 4 * large, large);
    }

    @Test
    void mappingOverAMappingIsRefusedWhole() {
        Mapped present = machine.mapFresh(domain, iova + 4 * page, 2 * page, READ);
        long[][] overlaps = {{4, 2}, {4, 1}, {5, 1}, {3, 2}, {5, 2}, {2, 8}, {0, 5}};
        for (long[] overlap : overlaps) {
            Mapped attempt = freshAt(iova + overlap[0] * page, overlap[1] * page);
            assertRefusedUnchanged(Errno.EEXIST, attempt, present);
        }
    }

    @Test
    void aLargePageIsNotMappedOverASmallOneNorTheOtherWayRound() {
        assumeTrue(large > page, "one page size only");
        Mapped small = machine.mapFresh(domain, iova + large - page, page, READ);
        assertRefusedUnchanged(Errno.EEXIST, freshAt(iova, large), small);
        domain.unmap(small.iova(), small.lastIova());
        Mapped whole = machine.mapFresh(domain, iova, large, READ);
        assertRefusedUnchanged(Errno.EEXIST, freshAt(iova + large / 2, page), whole);
        assertRefusedUnchanged(Errno.EEXIST, freshAt(iova, large), whole);
    }

    @Test
    void aMapThatMeetsAnotherFarBehindIsUndoneFromItsStart() {
        Mapped present = machine.mapFresh(domain, iova + 2 * large + 3 * page, page, READ);
        PinnedRuns runs = new PinnedRuns(4);
        runs.add(machine.memory.take(large, large), large);
        runs.add(machine.memory.take(2 * large, large) + page, large + 4 * page);
        Mapped attempt = new Mapped(iova, runs);
        assertRefusedUnchanged(Errno.EEXIST, attempt, present);
        domain.unmap(present.iova(), present.lastIova());
        domain.map(iova, runs, READ_WRITE);
        traffic.passesThroughout(port, attempt);
    }

    @Test
    void whatLiesOutsideTheApertureIsRefused() {
        long last = domain.geometry().aperture().last();
        long start = domain.geometry().aperture().start();
        Mapped present = machine.mapFresh(domain, iova, page, READ);
        if (last != -1L) {
            assertRefusedUnchanged(Errno.ERANGE, freshAt(last + 1, page), present);
            assertRefusedUnchanged(Errno.ERANGE, freshAt(-page, page), present);
            assertRefusedUnchanged(Errno.ERANGE, freshAt(Long.MIN_VALUE, page), present);
        }
        assertRefusedUnchanged(Errno.ERANGE, freshAt(last - page + 1, 2 * page), present);
        assertThat(domain.translate(last)).as("last byte of the aperture").isEqualTo(PagingDomain.UNMAPPED);
        if (start != 0) {
            assertRefusedUnchanged(Errno.ERANGE, freshAt(start - page, 2 * page), present);
        }
    }

    @Test
    void misalignedRequestsAreRefused() {
        Mapped present = machine.mapFresh(domain, iova + large, page, READ);
        long memory = machine.memory.take(4 * page, page);
        assertRefusedUnchanged(Errno.EINVAL, Mapped.of(iova + page / 2, memory, page), present);
        assertRefusedUnchanged(Errno.EINVAL, Mapped.of(iova, memory + page / 2, page), present);
        assertRefusedUnchanged(Errno.EINVAL, Mapped.of(iova, memory, page + page / 2), present);
    }

    @Test
    void aTableOfAnotherIommuIsNotAttached() {
        try (Machine neighbour = new Machine(backend(), machine)) {
            PagingDomain foreign = neighbour.device(0).newDomain();
            Mapped present = machine.mapFresh(domain, iova, page, READ_WRITE);
            assertRefused(Errno.EINVAL, () -> device.attach(foreign));
            traffic.passesThroughout(port, present);
        }
    }

    @Test
    void anEndpointIsProbedOnce() {
        EndpointDescription taken = machine.describe(0);
        long before = machine.memory.tables().bytesInUse();
        assertRefused(Errno.EBUSY, () -> machine.plug(taken));
        assertThat(machine.memory.tables().bytesInUse()).isEqualTo(before);
        traffic.passesThroughout(port, machine.mapFresh(domain, iova, page, READ_WRITE));
    }

    @Test
    void aStrangersEndpointIsNotProbed() {
        Optional<RequesterId> stranger = backend().stranger();
        assumeTrue(stranger.isPresent(), "everybody could be behind this IOMMU");
        long before = machine.memory.tables().bytesInUse();
        assertRefused(Errno.ENODEV, () -> machine.plug(EndpointDescription.of(stranger.orElseThrow())));
        assertThat(machine.memory.tables().bytesInUse()).isEqualTo(before);
    }

    @Test
    void aPasidTooWideIsRefused() {
        assumeTrue(machine.capabilities.pasidBits() > 0, "no PASIDs");
        for (int pasid : new int[] {1 << machine.capabilities.pasidBits(), 1 << 20, Integer.MAX_VALUE, Integer.MIN_VALUE, -2}) {
            assertRefused(Errno.EINVAL, () -> device.endpoint.attach(pasid, domain));
        }
        Device narrow = machine.plug(machine.describe(1).withPasidBits(3));
        assertThat(narrow.endpoint.info().pasidBits()).isLessThanOrEqualTo(3);
        assertRefused(Errno.EINVAL, () -> narrow.endpoint.attach(8, domain));
        narrow.endpoint.attach(7, domain);
        traffic.passesThroughout(narrow.port(7), machine.mapFresh(domain, iova, page, READ_WRITE));
    }

    @Test
    void anEndpointWithoutPasidsAttachesNone() {
        Device plain = machine.plug(machine.describe(1));
        assertThat(plain.endpoint.info().pasidBits()).isZero();
        assertRefusedByOneOf(() -> plain.endpoint.attach(1, domain), Errno.EOPNOTSUPP, Errno.EINVAL);
        plain.endpoint.attach(Pasid.NONE, domain);
        traffic.passesThroughout(plain.port(), machine.mapFresh(domain, iova, page, READ_WRITE));
    }

    @Test
    void infoSaysWhatTheBackendDeclares() {
        HardwareInfo info = device.endpoint.info();
        assertThat(info.pasidBits()).isEqualTo(machine.capabilities.pasidBits());
        assertThat(info.capabilities().contains(HardwareInfo.Capability.DIRTY_TRACKING))
                .isEqualTo(machine.capabilities.dirtyTracking());
        assertThat(machine.hardware().name()).isNotBlank();
        assertThat(machine.hardware().vendor()).isNotBlank();
    }

    @Test
    void aTableIsMadeForEverythingTheHardwareHasAndNothingElse() {
        assertOption(machine.capabilities.dirtyTracking(), new PagingOptions(false, true, false));
        assertOption(machine.capabilities.nestParent(), new PagingOptions(true, false, false));
        assertOption(machine.capabilities.pasidBits() > 0, new PagingOptions(false, false, true));
        assertThat(domain.dirtyTracking()).as("tracking of a table not made for it").isEmpty();
    }

    @Test
    void unknownNestedFormatsAreRefused() {
        PagingDomain parent = device.newDomain(new PagingOptions(machine.capabilities.nestParent(), false, false));
        assertRefused(Errno.EOPNOTSUPP, () -> device.endpoint.allocateNested(parent, new NestedTable(UNKNOWN_TYPE, new byte[64])));
        assertRefused(Errno.EOPNOTSUPP, () -> device.endpoint.allocateViommu(parent, new ViommuTable(UNKNOWN_TYPE, new byte[0])));
    }

    @Test
    void answersNobodyAskedForAreIgnored() {
        for (FaultResponse response : FaultResponse.values()) {
            device.endpoint.respond(new PageResponse(Pasid.NONE, 1, response));
            device.endpoint.respond(new PageResponse(77, -1, response));
        }
        traffic.passesThroughout(port, machine.mapFresh(domain, iova, page, READ_WRITE));
    }

    private void assertOption(boolean supported, PagingOptions options) {
        if (!supported) {
            assertRefused(Errno.EOPNOTSUPP, () -> device.newDomain(options));
            return;
        }
        PagingDomain made = device.attachNewDomain(options);
        Mapped mapped = machine.mapFresh(made, iova, page, READ_WRITE);
        traffic.passesThroughout(port, mapped);
        assertThat(made.dirtyTracking().isPresent()).as("tracking").isEqualTo(options.dirtyTracking());
        device.attach(domain);
    }

    private Mapped freshAt(long at, long lengthBytes) {
        return Mapped.of(at, machine.memory.take(lengthBytes, Math.min(lengthBytes & -lengthBytes, large)), lengthBytes);
    }

    /** The attempt fails, {@code present} serves on, and nothing else is mapped. */
    private void assertRefusedUnchanged(Errno errno, Mapped attempt, Mapped present) {
        long before = machine.memory.tables().bytesInUse();
        for (boolean smallest : new boolean[] {false, true}) {
            assertRefused(errno, () -> {
                if (smallest) {
                    domain.mapSmallest(attempt.iova(), attempt.runs(), READ_WRITE);
                } else {
                    domain.map(attempt.iova(), attempt.runs(), READ_WRITE);
                }
            });
            assertThat(machine.memory.tables().bytesInUse()).as("bytes of table frames after the refusal")
                    .isBetween(before, before + machine.capabilities.keptTableBytes());
            traffic.readArrives(port, present, present.iova(), 32);
            Traffic.writeIsRefused(port, present.iova(), 8);
            for (long at = attempt.iova() & -page, i = 0; i * page < attempt.lengthBytes(); i++, at += page) {
                boolean inPresent = at >= present.iova() && at <= present.lastIova();
                assertThat(domain.translate(at)).as("translation of 0x%x after the refusal", at)
                        .isEqualTo(inPresent ? present.physicalAddress(at) : PagingDomain.UNMAPPED);
            }
        }
    }

    private static void assertRefusedByOneOf(ThrowingCallable call, Errno... allowed) {
        assertThatThrownBy(call).asInstanceOf(InstanceOfAssertFactories.type(IommufdException.class))
                .extracting(IommufdException::errno).isIn((Object[]) allowed);
    }
}
