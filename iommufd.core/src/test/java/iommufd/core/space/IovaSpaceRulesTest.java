package iommufd.core.space;

import static iommufd.core.space.Refusals.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.AccessClient;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IovaRange;
import iommufd.api.IovaRanges;
import iommufd.api.memory.PinnedRuns;
import iommufd.api.memory.UserMemory;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Where an address space maps and what it refuses; what the kernel's selftest asks of areas
 * ({@code tools/testing/selftests/iommu/iommufd.c}, fixture {@code iommufd_ioas}), with and without a page table.
 */
class IovaSpaceRulesTest extends SpaceTest {
    private static final DmaAccess RW = DmaAccess.READ_WRITE;
    private static final long BASE = 16L << 20;
    private final ModelDomain domain = new ModelDomain(BASE, (1L << 31) - 1, 0x100800L);

    private void withDomain(boolean present) {
        if (present) {
            space.addDomain(domain);
        }
    }

    private void map(long iova, long pages) {
        space.mapAt(iova, memory, 0, pages * PAGE, RW);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void areasAreUnmappedWholeAndNeverOverlap(boolean domainPresent) {
        withDomain(domainPresent);
        for (int i = 0; i < 10; i++) {
            long iova = i * PAGE;
            assertRefused(Errno.ENOENT, () -> space.unmap(iova, PAGE));
        }
        for (int i = 0; i < 10; i++) {
            map(BASE + i * PAGE, 1);
        }
        for (int i = 0; i < 10; i++) {
            assertThat(space.unmap(BASE + i * PAGE, PAGE)).isEqualTo(PAGE);
        }
        long at = BASE + 16 * PAGE;
        map(at, 2);
        assertRefused(Errno.ENOENT, () -> space.unmap(at, PAGE));
        assertRefused(Errno.ENOENT, () -> space.unmap(at + PAGE, PAGE));
        assertRefused(Errno.EEXIST, () -> map(at, 2));
        assertRefused(Errno.EEXIST, () -> map(at, 1));
        assertRefused(Errno.EEXIST, () -> map(at + PAGE, 1));
        assertRefused(Errno.EEXIST, () -> map(at - PAGE, 2));
        assertRefused(Errno.EEXIST, () -> map(at - PAGE, 3));
        assertThat(space.unmap(0, -1L)).isEqualTo(2 * PAGE);
        assertThat(space.unmapAll()).isZero();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void unmapTakesEveryAreaInsideOrNone(boolean domainPresent) {
        withDomain(domainPresent);
        long base = BASE + 4 * PAGE;
        for (int i = 0; i < 4; i++) {
            map(base + i * 16 * PAGE, 8);
        }
        assertRefused(Errno.ENOENT, () -> space.unmap(base - 4 * PAGE, 8 * PAGE));
        assertRefused(Errno.ENOENT, () -> space.unmap(base + 3 * 16 * PAGE + 4 * PAGE, 8 * PAGE));
        assertRefused(Errno.ENOENT, () -> space.unmap(base, (3 * 16 + 4) * PAGE));
        assertThat(space.mappedBytes()).as("a refused unmap takes nothing").isEqualTo(32 * PAGE);
        domain.unmapCalls = 0;
        assertThat(space.unmap(base - 4 * PAGE, (3 * 16 + 8 + 4) * PAGE)).isEqualTo(32 * PAGE);
        assertThat(domain.unmapCalls).as("one range call for all areas").isEqualTo(domainPresent ? 1 : 0);
    }

    @Test
    void automaticIovasAreAlignedAndTakeTheFirstHole() {
        for (int pages = 1; pages <= 10; pages++) {
            long iova = space.map(memory, 0, pages * PAGE, RW);
            assertThat(iova % Long.lowestOneBit(pages * PAGE)).isZero();
        }
        assertThat(space.unmap(2 * PAGE, 2 * PAGE)).isEqualTo(2 * PAGE);
        assertThat(space.map(memory, 0, PAGE, RW)).isEqualTo(2 * PAGE);
        assertThat(space.map(memory, 0, PAGE, RW)).isEqualTo(3 * PAGE);
        assertThat(space.map(memory, PAGE + 0x80, 0x100, RW)).as("the offset inside a page is kept").matches(iova -> iova % PAGE == 0x80);
    }

    @Test
    void automaticIovasAvoidReservedAndStayAllowed() {
        space.reserve("device", List.of(new IovaRange(4 * PAGE, 104 * PAGE - 1)));
        for (int pages = 1; pages <= 10; pages++) {
            long iova = space.map(memory, 0, pages * PAGE, RW);
            assertThat(iova < 4 * PAGE ? iova + pages * PAGE <= 4 * PAGE : iova >= 104 * PAGE).isTrue();
        }
        space.unmapAll();
        assertRefused(Errno.EADDRINUSE, () -> space.allowIovas(List.of(new IovaRange(PAGE, PAGE * 600))));
        space.allowIovas(List.of(new IovaRange(200 * PAGE, 224 * PAGE - 1)));
        assertThat(space.map(memory, 0, 16 * PAGE, RW)).isEqualTo(208 * PAGE);
        assertThat(space.map(memory, 0, 8 * PAGE, RW)).isEqualTo(200 * PAGE);
        assertRefused(Errno.ENOSPC, () -> space.map(memory, 0, 8 * PAGE, RW));
        space.mapAt(300 * PAGE, memory, 0, PAGE, RW);
    }

    @Test
    void aHoleReachesAcrossAllowedRangesThatTouch() {
        space.allowIovas(List.of(new IovaRange(BASE + 2 * PAGE, BASE + 4 * PAGE - 1), new IovaRange(BASE, BASE + 2 * PAGE - 1)));
        assertThat(space.map(memory, 0, 4 * PAGE, RW)).isEqualTo(BASE);
    }

    @Test
    void aFileHasALastByteWhereAProcessHasNone() {
        assertRefused(Errno.EOVERFLOW, () -> space.mapAt(BASE, memory, -PAGE, PAGE, RW));
        assertRefused(Errno.EOVERFLOW, () -> space.mapAt(BASE, file, -PAGE, 2 * PAGE, RW));
        space.mapAt(BASE, file, -PAGE, PAGE, RW);
        assertThat(space.unmapAll()).isEqualTo(PAGE);
    }

    @Test
    void whatAHardwareQueueUsesIsBusyBeforeItIsTooLarge() {
        map(BASE, 2);
        try (SpaceAccess queue = space.openLockingAccess()) {
            queue.pin(BASE, PAGE, false, new PinnedRuns(1));
            assertRefused(Errno.EBUSY, () -> space.unmap(BASE, PAGE));
            assertRefused(Errno.EBUSY, () -> space.unmap(BASE + PAGE, PAGE));
            queue.unpin(BASE, PAGE);
        }
        assertRefused(Errno.ENOENT, () -> space.unmap(BASE, PAGE));
    }

    @Test
    void pinsLookAtAlignmentBeforeRights() {
        space.mapAt(BASE, memory, 0, PAGE, DmaAccess.READ);
        try (SpaceAccess access = space.openAccess((iova, bytes) -> { })) {
            assertRefused(Errno.ENOENT, () -> access.pin(-1L, 1, true, new PinnedRuns(1)));
            assertRefused(Errno.EOVERFLOW, () -> access.pin(-1L, 2, true, new PinnedRuns(1)));
            assertRefused(Errno.EPERM, () -> access.pin(BASE, PAGE, true, new PinnedRuns(1)));
            assertRefused(Errno.EINVAL, () -> access.pin(BASE + 1, PAGE - 1, true, new PinnedRuns(1)));
        }
    }

    @Test
    void aReservationUpToTheTopLeavesNoHole() {
        space.reserve("device", List.of(new IovaRange(6, 6 + 0xffff_ffff_ffff_8001L - 1)));
        assertRefused(Errno.ENOSPC, () -> space.map(memory, 0, 0x5000, RW));
    }

    @Test
    void allowedAndReservedExcludeEachOther() {
        space.allowIovas(List.of(new IovaRange(BASE, BASE + 600 * PAGE)));
        assertRefused(Errno.EADDRINUSE, () -> space.reserve("device", List.of(new IovaRange(0, 1), new IovaRange(BASE + PAGE, BASE + 2 * PAGE - 1))));
        assertThat(space.iovaRanges().usable()).as("none of the refused ranges is reserved").containsExactly(new IovaRange(0, -1L));
        space.allowIovas(List.of());
        space.reserve("device", List.of(new IovaRange(BASE + PAGE, BASE + 2 * PAGE - 1)));
        assertRefused(Errno.EADDRINUSE, () -> space.allowIovas(List.of(new IovaRange(BASE, BASE + 600 * PAGE))));
        assertRefused(Errno.EINVAL, () -> space.allowIovas(List.of(new IovaRange(0, 9), new IovaRange(5, 20))));
        assertRefused(Errno.EINVAL, () -> space.allowIovas(List.of(new IovaRange(8, 8))));
        assertRefused(Errno.EINVAL, () -> map(BASE + PAGE, 1));
        map(BASE, 1);
        assertRefused(Errno.EADDRINUSE, () -> space.reserve("other", List.of(new IovaRange(BASE + 5, BASE + 5))));
        space.unreserve("device");
    }

    @Test
    void usableRangesAreWhatIsNotReserved() {
        assertThat(space.iovaRanges()).isEqualTo(new IovaRanges(List.of(new IovaRange(0, -1L)), 1));
        space.reserve("device", List.of(new IovaRange(PAGE, 2 * PAGE - 1)));
        assertThat(space.iovaRanges().usable()).containsExactly(new IovaRange(0, PAGE - 1), new IovaRange(2 * PAGE, -1L));
        space.addDomain(domain);
        assertThat(space.iovaRanges()).isEqualTo(new IovaRanges(List.of(new IovaRange(BASE, (1L << 31) - 1)), 2048));
        space.removeDomain(domain);
        space.unreserve("device");
        assertThat(space.iovaRanges()).isEqualTo(new IovaRanges(List.of(new IovaRange(0, -1L)), 1));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void copiesWithinAndBetweenSpacesShareTheirPins(boolean domainPresent) {
        withDomain(domainPresent);
        map(BASE, 1);
        space.copyAt(BASE + PAGE, space, BASE, PAGE, DmaAccess.WRITE);
        CountingCharge otherCharge = new CountingCharge();
        IovaSpace other = new IovaSpace(otherCharge);
        other.copyAt(0, space, BASE, PAGE, DmaAccess.WRITE);
        ModelDomain otherDomain = new ModelDomain();
        other.addDomain(otherDomain);
        assertThat(otherDomain.translate(5)).isEqualTo(memory.physicalAddress(5));
        assertThat(memory.pinnedPages()).isOne();
        assertThat(charge.pages).isOne();
        assertThat(otherCharge.pages).isZero();
        space.unmapAll();
        assertThat(memory.pinnedPages()).as("the copy keeps the page").isOne();
        other.removeDomain(otherDomain);
        other.close();
        assertThat(memory.pinnedPages()).isZero();
    }

    @Test
    void copyNeedsAnUnbrokenSourceAndItsPermission() {
        space.mapAt(BASE, memory, 0, 2 * PAGE, DmaAccess.READ);
        space.mapAt(BASE + 3 * PAGE, memory, 0, PAGE, RW);
        assertRefused(Errno.ENOENT, () -> space.copy(space, BASE, 4 * PAGE, DmaAccess.READ));
        assertRefused(Errno.ENOENT, () -> space.copy(space, BASE - 1, 2, DmaAccess.READ));
        assertRefused(Errno.EPERM, () -> space.copy(space, BASE, PAGE, RW));
        assertRefused(Errno.EEXIST, () -> space.copyAt(BASE + PAGE, space, BASE, PAGE, DmaAccess.READ));
        assertRefused(Errno.EINVAL, () -> space.copy(space, BASE, 0, DmaAccess.READ));
        assertThat(space.copy(space, BASE + 1, PAGE - 1, DmaAccess.READ)).isPositive();
    }

    @Test
    void absurdRangesAreRefused() {
        assertRefused(Errno.EOVERFLOW, () -> space.mapAt(-1L, memory, 0, PAGE, RW));
        assertRefused(Errno.EOVERFLOW, () -> space.map(memory, 0, -1L, RW));
        assertRefused(Errno.EOVERFLOW, () -> space.mapAt(-PAGE, memory, 0, 2 * PAGE, RW));
        assertRefused(Errno.EOVERFLOW, () -> space.map(memory, -PAGE, PAGE, RW));
        assertRefused(Errno.EOVERFLOW, () -> space.map(memory, 0, -1L >>> 1, RW));
        assertRefused(Errno.EINVAL, () -> space.map(memory, 0, 0, RW));
        assertRefused(Errno.EINVAL, () -> space.unmap(0, 0));
        assertRefused(Errno.EOVERFLOW, () -> space.unmap(-PAGE, 2 * PAGE));
        assertRefused(Errno.EOVERFLOW, () -> space.unmap(-1L, PAGE));
        space.mapAt(-PAGE, memory, 0, PAGE, RW);
        assertThat(space.unmapAll()).isEqualTo(PAGE);
    }

    @Test
    void aPageTableBringsItsAlignment() {
        assertRefused(Errno.EINVAL, () -> space.addDomain(new ModelDomain(0, -1L, 0x10000)));
        space.addDomain(domain);
        assertRefused(Errno.EINVAL, () -> space.mapAt(BASE + 1024, memory, 0, PAGE, RW));
        assertRefused(Errno.EINVAL, () -> space.mapAt(BASE, memory, 1024, PAGE, RW));
        assertRefused(Errno.EINVAL, () -> space.mapAt(BASE, memory, 0, 1024, RW));
        assertRefused(Errno.EINVAL, () -> space.map(memory, 1024, 2048, RW));
        space.mapAt(BASE, memory, 2048, 2048, RW);
        assertThat(domain.translate(BASE + 7)).isEqualTo(memory.physicalAddress(2048 + 7));
        assertRefused(Errno.EADDRINUSE, () -> space.addDomain(new ModelDomain()));
        assertRefused(Errno.EEXIST, () -> space.addDomain(domain));
        space.removeDomain(domain);
        assertThat(space.iovaRanges().alignmentBytes()).isOne();
    }

    @Test
    void aPageTableIsRefusedIfAMappingLiesOutsideItsAperture() {
        map(PAGE, 1);
        assertRefused(Errno.EADDRINUSE, () -> space.addDomain(domain));
        assertThat(space.iovaRanges().usable()).containsExactly(new IovaRange(0, -1L));
        space.unmapAll();
        space.allowIovas(List.of(new IovaRange(0, PAGE)));
        assertRefused(Errno.EADDRINUSE, () -> space.addDomain(domain));
    }

    @Test
    void hugePagesCanBeForbiddenOnlyBeforeMappingsAreShown() {
        assertThat(space.hugePages()).isTrue();
        space.mapAt(BASE, memory, 2048, PAGE, RW);
        assertRefused(Errno.EADDRINUSE, () -> space.setHugePages(false));
        assertThat(space.hugePages()).isTrue();
        space.unmapAll();
        map(BASE, 2);
        space.setHugePages(false);
        assertRefused(Errno.EINVAL, () -> space.mapAt(BASE + 4 * PAGE, memory, 2048, PAGE, RW));
        space.addDomain(domain);
        assertThat(domain.entries.values()).isNotEmpty().allMatch(ModelDomain.Entry::smallest);
        space.setHugePages(true);
        assertRefused(Errno.EINVAL, () -> space.setHugePages(false));
        assertThat(space.hugePages()).isTrue();
        space.removeDomain(domain);
    }

    @Test
    void nothingIsPinnedUntilSomethingNeedsIt() {
        map(BASE, 3);
        space.mapAt(BASE + 8 * PAGE, memory, 2 * PAGE, 2 * PAGE, RW);
        assertThat(memory.pinCalls).isZero();
        space.addDomain(domain);
        assertThat(charge.pages).as("two mappings of one page pay twice, as in Linux").isEqualTo(5);
        ModelDomain second = new ModelDomain();
        int pinCalls = memory.pinCalls;
        assertRefused(Errno.EADDRINUSE, () -> space.allowIovas(List.of(new IovaRange(0, PAGE))));
        space.addDomain(second);
        assertThat(memory.pinCalls).as("pages are pinned once for all page tables").isEqualTo(pinCalls);
        space.removeDomain(domain);
        assertThat(second.entries).hasSize(5);
        assertThat(charge.pages).isEqualTo(5);
        space.removeDomain(second);
        assertThat(charge.pages).isZero();
    }

    @Test
    void aHolderKeepsPinsWhileNoHardwareServes() {
        Object holder = new Object();
        map(BASE, 3);
        space.addDomain(domain);
        int pinCalls = memory.pinCalls;
        space.holdPins(holder);
        assertRefused(Errno.EEXIST, () -> space.holdPins(holder));
        space.abandonDomain(domain);
        assertThat(domain.entries).as("an abandoned table is not touched").hasSize(6);
        assertThat(space.iovaRanges().usable()).containsExactly(new IovaRange(0, -1L));
        assertThat(charge.pages).isEqualTo(3);
        map(0, 1);
        assertThat(charge.pages).isEqualTo(4);
        space.unmap(0, PAGE);
        ModelDomain successor = new ModelDomain();
        space.addDomain(successor);
        space.releasePins(holder);
        space.releasePins(holder);
        assertThat(successor.entries).hasSize(3);
        assertThat(memory.pinCalls).isEqualTo(pinCalls + 1);
        space.removeDomain(successor);
    }

    @Test
    void clientsThatNeverPinNeedNoAlignment() {
        space.mapAt(BASE, memory, 100, 100, RW);
        SpaceAccess access = space.openAccess(AccessClient.WITHOUT_PINS);
        assertThat(space.iovaRanges().alignmentBytes()).isOne();
        assertRefused(Errno.EADDRINUSE, () -> space.openAccess((iova, length) -> { }));
        access.close();
        space.unmapAll();
        SpaceAccess pinning = space.openAccess((iova, length) -> { });
        assertThat(space.iovaRanges().alignmentBytes()).isEqualTo(PAGE);
        pinning.close();
        assertThat(space.iovaRanges().alignmentBytes()).isOne();
    }

    @Test
    void theLimitIsEnforced() {
        space.addDomain(domain);
        charge.limit = 3;
        map(BASE, 3);
        assertRefused(Errno.ENOMEM, () -> map(BASE + 8 * PAGE, 1));
        space.copy(space, BASE, 3 * PAGE, RW);
        assertThat(charge.pages).isEqualTo(3);
        space.unmapAll();
        map(BASE, 3);
    }

    @Test
    void theChargeMovesToAnotherPayer() {
        space.addDomain(domain);
        space.mapAt(BASE, file, 0, 3 * PAGE, RW);
        space.copyAt(BASE + 8 * PAGE, space, BASE, 2 * PAGE, RW);
        CountingCharge next = new CountingCharge();
        next.limit = 2;
        assertRefused(Errno.ENOMEM, () -> space.recharge(next));
        assertThat(List.of(charge.pages, next.pages)).containsExactly(3L, 0L);
        next.limit = 3;
        space.recharge(next);
        space.recharge(next);
        assertThat(List.of(charge.pages, next.pages)).containsExactly(0L, 3L);
        assertRefused(Errno.ENOMEM, () -> space.mapAt(BASE + 16 * PAGE, file, 0, PAGE, RW));
        space.unmapAll();
        assertThat(next.pages).isZero();
        map(BASE, 1);
        assertRefused(Errno.EINVAL, () -> space.recharge(charge));
        space.unmapAll();
    }

    @Test
    void exportedMemoryIsPinnedAtOnceAndPaidByNobody() {
        ScatteredMemory exported = new ScatteredMemory(ram, UserMemory.Kind.EXPORTED);
        exported.pinsUntilRefusal = 0;
        assertRefused(Errno.EFAULT, () -> space.map(exported, 0, 4 * PAGE, RW));
        long iova = space.map(exported, 0, 4 * PAGE, RW);
        assertThat(exported.pinnedPages()).isEqualTo(4);
        assertThat(charge.pages).isZero();
        SpaceAccess access = space.openAccess((start, length) -> { });
        assertRefused(Errno.EINVAL, () -> access.pin(iova, PAGE, true, new PinnedRuns(1)));
        access.close();
        space.unmapAll();
        assertThat(exported.pinnedPages()).isZero();
    }

    @Test
    void everyLengthCanBeMappedUntilAPageTableDemandsAlignment() {
        for (long length = 1; length <= 2 * PAGE; length++) {
            long iova = space.map(memory, 0, length, RW);
            assertThat(space.unmap(iova, length)).isEqualTo(length);
        }
        space.addDomain(domain);
        for (long length : new long[] {1, 511, 2047, 2049, PAGE + 1, 2 * PAGE - 1}) {
            assertRefused(Errno.EINVAL, () -> space.map(memory, 0, length, RW));
        }
        assertThat(space.map(memory, 0, 3 * 2048, RW)).isEqualTo(BASE);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anyPartOfAMappingCanBeCopied(boolean domainPresent) {
        withDomain(domainPresent);
        long last = BASE + MEMORY_PAGES * PAGE - (domainPresent ? 1 : 2);
        space.mapAt(BASE, memory, 0, last - BASE + 1, RW);
        IovaSpace target = new IovaSpace(charge);
        for (long iova = BASE - PAGE; iova <= last; iova += 511) {
            long from = iova;
            if (from < BASE || from + 2047 > last) {
                assertRefused(Errno.ENOENT, () -> target.copyAt(BASE, space, from, 2048, RW));
            } else {
                target.copyAt(BASE, space, from, 2048, RW);
                assertThat(target.unmap(BASE, 2048)).isEqualTo(2048);
            }
        }
        target.close();
    }

    @Test
    void alignmentRisesOnlyIfEveryMappingFollows() {
        space.mapAt(BASE, memory, 0, PAGE, RW);
        space.setHugePages(false);
        assertRefused(Errno.EINVAL, () -> space.mapAt(BASE + PAGE, memory, 2048, PAGE, RW));
        space.setHugePages(true);
        space.mapAt(BASE + PAGE, memory, 2048, PAGE, RW);
        assertRefused(Errno.EADDRINUSE, () -> space.setHugePages(false));
        assertThat(space.unmap(BASE, 2 * PAGE)).isEqualTo(2 * PAGE);
    }

    @Test
    void aPinnedAreaSurvivesItsPageTable() {
        space.addDomain(domain);
        map(BASE, 32);
        SpaceAccess access = space.openAccess((iova, length) -> { });
        PinnedRuns runs = new PinnedRuns(1);
        access.pin(BASE + 5 * PAGE, PAGE, true, runs);
        space.removeDomain(domain);
        assertThat(memory.pinnedPages()).isOne();
        assertThat(runs.physicalAddress(0)).isEqualTo(memory.physicalAddress(5 * PAGE));
        access.unpin(BASE + 5 * PAGE, PAGE);
        access.close();
    }
}
