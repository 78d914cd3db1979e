package iommu.tck;

import static iommufd.api.DmaAccess.READ;
import static iommufd.api.DmaAccess.READ_WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.DirtyTracking;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.IopteResizing;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.hardware.PagingOptions;
import iommufd.api.memory.PinnedRuns;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Entries change their size under DMA: what is translated, allowed and known to be written stays the same. */
abstract class ResizingContract extends Contract {
    private static final PagingOptions TRACKED = new PagingOptions(false, true, false);
    private static final int ROUNDS = 60;

    private Device device;
    private PagingDomain domain;
    private HardwarePort port;
    private IopteResizing resizing;
    private long page;
    private long large;
    private List<Long> sizes;

    @BeforeEach
    final void attach() {
        device = machine.device(0);
        domain = device.attachNewDomain();
        assumeTrue(domain.resizing().isPresent(), "entries cannot change their size");
        port = device.port();
        use(domain);
        assumeTrue(sizes.size() > 1, "there is one size of entries");
    }

    private void use(PagingDomain table) {
        resizing = table.resizing().orElseThrow();
        sizes = machine.testablePageSizes(table);
        page = sizes.getFirst();
        large = machine.largePageBytes(table);
    }

    /** A domain with dirty tracking on, attached instead. */
    private DirtyTracking track() {
        assumeTrue(machine.capabilities.dirtyTracking(), "no dirty tracking");
        domain = device.attachNewDomain(TRACKED);
        use(domain);
        DirtyTracking tracking = domain.dirtyTracking().orElseThrow();
        tracking.setEnabled(true);
        return tracking;
    }

    private Mapped mapLarge(long size, DmaAccess access) {
        machine.memory.rewind();
        return machine.mapFresh(domain, machine.iova(device, domain, size, size), size, access);
    }

    private Mapped mapSmall(long length, DmaAccess access) {
        long iova = machine.iova(device, domain, length, length);
        Mapped mapped = Mapped.of(iova, machine.memory.take(length, length), length);
        domain.mapSmallest(iova, mapped.runs(), access);
        return mapped;
    }

    private void assertTranslates(Mapped mapped) {
        for (long at = mapped.iova(); at - mapped.iova() < mapped.lengthBytes(); at += Math.max(page, mapped.lengthBytes() / 64)) {
            assertThat(domain.translate(at + 5)).as("translation of 0x%x", at).isEqualTo(mapped.physicalAddress(at + 5));
        }
    }

    @Test
    void aSplitChangesNothingButTheSize() {
        for (long size : sizes.subList(1, sizes.size())) {
            Mapped mapped = mapLarge(size, READ_WRITE);
            assertThat(resizing.entryBytes(mapped.iova() + 7)).isEqualTo(size);
            traffic.passesThroughout(port, mapped);
            assertThat(resizing.split(mapped.iova(), mapped.lastIova(), page)).as("entries split").isPositive();
            assertThat(resizing.entryBytes(mapped.iova())).isEqualTo(page);
            assertThat(resizing.entryBytes(mapped.lastIova())).isEqualTo(page);
            assertThat(resizing.entryBytes(mapped.iova() + size / 2)).isEqualTo(page);
            assertTranslates(mapped);
            traffic.passesThroughout(port, mapped);
            assertThat(domain.unmap(mapped.iova(), mapped.lastIova())).isEqualTo(size);
            Traffic.isRefused(port, mapped.iova());
            Traffic.isRefused(port, mapped.lastIova() - 7);
            assertThat(resizing.entryBytes(mapped.iova())).as("of a hole").isZero();
        }
    }

    @Test
    void aMergeChangesNothingButTheSize() {
        Mapped mapped = mapSmall(large, READ_WRITE);
        traffic.passesThroughout(port, mapped);
        assertThat(resizing.merge(mapped.iova(), mapped.lastIova())).isEqualTo(1);
        assertThat(resizing.entryBytes(mapped.iova() + large / 2)).isEqualTo(large);
        assertTranslates(mapped);
        traffic.passesThroughout(port, mapped);
        assertThat(domain.unmap(mapped.iova(), mapped.lastIova())).isEqualTo(large);
        Traffic.isRefused(port, mapped.iova() + large / 2);
    }

    @Test
    void whatWasSplitMergesToTheLargestEntryAgain() {
        for (long size : sizes.subList(1, sizes.size())) {
            Mapped mapped = mapLarge(size, READ_WRITE);
            resizing.split(mapped.iova(), mapped.lastIova(), page);
            assertThat(resizing.merge(mapped.iova(), mapped.lastIova())).isPositive();
            assertThat(resizing.entryBytes(mapped.lastIova())).isEqualTo(size);
            assertTranslates(mapped);
            traffic.passesThroughout(port, mapped);
            domain.unmap(mapped.iova(), mapped.lastIova());
        }
    }

    @Test
    void aSplitGoesAsFarAsAskedFor() {
        assumeTrue(sizes.size() > 2, "there are two sizes of entries");
        Mapped mapped = mapLarge(sizes.get(2), READ_WRITE);
        resizing.split(mapped.iova(), mapped.lastIova(), sizes.get(1));
        assertThat(resizing.entryBytes(mapped.iova())).isEqualTo(sizes.get(1));
        assertThat(resizing.entryBytes(mapped.lastIova())).isEqualTo(sizes.get(1));
        resizing.split(mapped.iova(), mapped.iova() + page - 1, page);
        assertThat(resizing.entryBytes(mapped.iova())).isEqualTo(page);
        assertThat(resizing.entryBytes(mapped.lastIova())).as("an entry the range does not touch").isEqualTo(sizes.get(1));
        assertTranslates(mapped);
        domain.unmap(mapped.iova(), mapped.lastIova());
    }

    @Test
    void rightsStayAsTheyAre() {
        Mapped readOnly = mapLarge(large, READ);
        resizing.split(readOnly.iova(), readOnly.lastIova(), page);
        traffic.readArrives(port, readOnly, readOnly.iova() + 3 * page, 64);
        Traffic.writeIsRefused(port, readOnly.iova() + 3 * page, 8);
        resizing.merge(readOnly.iova(), readOnly.lastIova());
        assertThat(resizing.entryBytes(readOnly.iova())).isEqualTo(large);
        traffic.readArrives(port, readOnly, readOnly.iova() + 3 * page, 64);
        Traffic.writeIsRefused(port, readOnly.iova() + 3 * page, 8);
    }

    @Test
    void onlyWhatIsAlikeIsMerged() {
        long iova = machine.iova(device, domain, large, large);
        long memory = machine.memory.take(2 * large, large);
        Mapped first = Mapped.of(iova, memory, large - page);
        domain.map(iova, first.runs(), READ_WRITE);
        resizing.merge(iova, iova + large - 1);
        assertThat(resizing.entryBytes(iova)).as("beside a hole").isLessThan(large);
        Mapped last = Mapped.of(iova + large - page, memory + large - page, page);
        domain.map(last.iova(), last.runs(), READ);
        resizing.merge(iova, iova + large - 1);
        assertThat(resizing.entryBytes(iova)).as("beside other rights").isLessThan(large);
        Traffic.writeIsRefused(port, last.iova(), 8);
        domain.unmap(last.iova(), last.lastIova());
        Mapped elsewhere = Mapped.of(last.iova(), memory + large, page);
        domain.map(elsewhere.iova(), elsewhere.runs(), READ_WRITE);
        resizing.merge(iova, iova + large - 1);
        assertThat(resizing.entryBytes(iova)).as("beside other memory").isLessThan(large);
        traffic.passesThroughout(port, elsewhere);
        traffic.passesThroughout(port, first);
    }

    @Test
    void aMergeStaysInItsRange() {
        Mapped mapped = mapSmall(2 * large, READ_WRITE);
        resizing.merge(mapped.iova() + page, mapped.lastIova());
        assertThat(resizing.entryBytes(mapped.iova())).as("an entry that would reach beyond").isLessThan(large);
        assertThat(resizing.entryBytes(mapped.lastIova())).isGreaterThanOrEqualTo(large);
        traffic.passesThroughout(port, mapped);
    }

    @Test
    void whatIsWrittenStaysWritten() {
        DirtyTracking tracking = track();
        Mapped mapped = mapLarge(large, READ_WRITE);
        MemorySegment word = MemorySegment.ofArray(new byte[8]);
        port.write(mapped.iova() + 5 * page, word, 0, 8);
        resizing.split(mapped.iova(), mapped.lastIova(), page);
        assertThat(dirtyPages(tracking, mapped, true)).as("after the split").contains(5);
        port.write(mapped.iova() + 7 * page, word, 0, 8);
        assertThat(dirtyPages(tracking, mapped, false)).as("at the new size").containsExactly(7);
        resizing.merge(mapped.iova(), mapped.lastIova());
        assertThat(resizing.entryBytes(mapped.iova())).isEqualTo(large);
        assertThat(dirtyPages(tracking, mapped, true)).as("after the merge").contains(7);
        assertThat(dirtyPages(tracking, mapped, true)).isEmpty();
        port.write(mapped.iova() + 9 * page, word, 0, 8);
        assertThat(dirtyPages(tracking, mapped, true)).contains(9);
        resizing.split(mapped.iova(), mapped.lastIova(), page);
        resizing.merge(mapped.iova(), mapped.lastIova());
        assertThat(dirtyPages(tracking, mapped, true)).as("what nobody wrote").isEmpty();
    }

    private TreeSet<Integer> dirtyPages(DirtyTracking tracking, Mapped mapped, boolean clear) {
        TreeSet<Integer> pages = new TreeSet<>();
        tracking.read(mapped.iova(), mapped.lastIova(), clear, (iova, length) -> {
            for (long at = iova; at - iova < length; at += page) {
                pages.add((int) ((at - mapped.iova()) / page));
            }
        });
        return pages;
    }

    @Test
    void dmaNeverMissesWhileEntriesChangeTheirSize() {
        Mapped mapped = mapLarge(large, READ_WRITE);
        HardwarePort second = device.port();
        int pages = (int) Math.min(large / page, 512);
        long[] sent = new long[pages];
        try (DmaThread adds = DmaThread.repeat(counting(port, mapped, sent, 0, new SplittableRandom(1)));
                DmaThread wanders = DmaThread.repeat(counting(second, mapped, new long[pages], 8, new SplittableRandom(2)))) {
            for (int round = 0; round < ROUNDS; round++) {
                resizing.split(mapped.iova(), mapped.lastIova(), page);
                adds.awaitRounds(2);
                resizing.merge(mapped.iova(), mapped.lastIova());
                wanders.awaitRounds(2);
            }
        }
        for (int index = 0; index < pages; index++) {
            assertThat(Traffic.longAt(mapped.physicalAddress(mapped.iova() + index * page))).as("additions to page %d", index)
                    .isEqualTo(sent[index]);
        }
    }

    private Runnable counting(HardwarePort where, Mapped mapped, long[] sent, int offset, SplittableRandom random) {
        return () -> {
            int index = random.nextInt(sent.length);
            where.fetchAndAdd(mapped.iova() + index * page + offset, 1);
            assertThat(where.status()).as("status of a request for page %d", index).isEqualTo(DmaStatus.DONE);
            sent[index]++;
        };
    }

    @Test
    void noWrittenPageIsForgottenWhileEntriesChangeTheirSize() {
        DirtyTracking tracking = track();
        Mapped mapped = mapLarge(large, READ_WRITE);
        MemorySegment word = MemorySegment.ofArray(new byte[8]);
        for (int round = 0; round < ROUNDS; round++) {
            BitSet written = new BitSet();
            SplittableRandom random = new SplittableRandom(round);
            int pages = (int) (large / page);
            try (DmaThread thread = DmaThread.repeat(() -> {
                int index = random.nextInt(pages);
                assertThat(port.write(mapped.iova() + index * page, word, 0, 8)).isEqualTo(DmaStatus.DONE);
                written.set(index);
            })) {
                thread.awaitRounds(1);
                resizing.merge(mapped.iova(), mapped.lastIova());
                thread.awaitRounds(1);
                resizing.split(mapped.iova(), mapped.lastIova(), page);
                if (round % 2 == 0) {
                    resizing.merge(mapped.iova(), mapped.lastIova());
                }
            }
            TreeSet<Integer> reported = dirtyPages(tracking, mapped, true);
            assertThat(reported).as("pages reported in round %d", round).containsAll(written.stream().boxed().toList());
            resizing.split(mapped.iova(), mapped.lastIova(), page);
        }
    }

    @Test
    void aSplitThatRunsOutOfMemoryChangesNoTranslation() {
        for (int n = 1; ; n++) {
            Mapped mapped = mapLarge(large, READ_WRITE);
            long before = machine.memory.tables().bytesInUse();
            machine.memory.tables().failAllocation(n);
            boolean failed = false;
            try {
                resizing.split(mapped.iova(), mapped.lastIova(), page);
            } catch (IommufdException refused) {
                assertThat(refused.errno()).isEqualTo(Errno.ENOMEM);
                failed = true;
            }
            boolean unused = machine.memory.tables().stopFailing();
            traffic.passesThroughout(port, mapped);
            assertTranslates(mapped);
            resizing.merge(mapped.iova(), mapped.lastIova());
            assertThat(resizing.entryBytes(mapped.iova())).isEqualTo(large);
            assertThat(machine.memory.tables().bytesInUse()).as("bytes of table frames")
                    .isLessThanOrEqualTo(before + machine.capabilities.keptTableBytes());
            domain.unmap(mapped.iova(), mapped.lastIova());
            if (!failed) {
                assertThat(unused || n > 1).as("a failed allocation is told").isTrue();
                return;
            }
        }
    }

    @Test
    void resizingForeverTakesNoMoreFrames() {
        Mapped mapped = mapLarge(sizes.getLast(), READ_WRITE);
        long before = machine.memory.tables().bytesInUse();
        for (int round = 0; round < 5; round++) {
            resizing.split(mapped.iova(), mapped.lastIova(), page);
            resizing.merge(mapped.iova(), mapped.lastIova());
            assertThat(machine.memory.tables().bytesInUse()).as("bytes of table frames in round %d", round)
                    .isLessThanOrEqualTo(before + machine.capabilities.keptTableBytes());
        }
    }

    @Test
    void wildRangesAreHarmless() {
        Mapped mapped = mapLarge(large, READ_WRITE);
        Mapped small = mapSmall(large, READ_WRITE);
        resizing.split(0, -1L, page);
        assertThat(resizing.entryBytes(mapped.iova())).isEqualTo(page);
        resizing.merge(0, -1L);
        assertThat(resizing.entryBytes(mapped.iova())).isEqualTo(large);
        assertThat(resizing.entryBytes(small.iova())).isEqualTo(large);
        assertThat(resizing.split(-large, -1L, page)).isZero();
        assertThat(resizing.merge(-large, -1L)).isZero();
        assertThat(resizing.entryBytes(-1L)).isZero();
        traffic.passesThroughout(port, mapped);
        traffic.passesThroughout(port, small);
        PinnedRuns again = new PinnedRuns(1);
        again.add(machine.memory.take(page, page), page);
        assertRefused(Errno.EEXIST, () -> domain.map(mapped.iova() + page, again, READ_WRITE));
    }
}
