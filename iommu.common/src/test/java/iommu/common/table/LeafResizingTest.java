package iommu.common.table;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.PinnedRuns;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.StampedLock;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Leaves change their size; what they say does not, whoever looks meanwhile. */
@Timeout(120)
class LeafResizingTest {
    private static final int SEEDS = 40;
    private static final int OPERATIONS = 60;
    private final ScratchTableMemory memory = new ScratchTableMemory();
    private final TablePool pool = new TablePool(memory);

    private static PinnedRuns run(long physicalAddress, long lengthBytes) {
        PinnedRuns runs = new PinnedRuns(1);
        runs.add(physicalAddress, lengthBytes);
        return runs;
    }

    /** The common pool may have one thread only. */
    private static <T> CompletableFuture<T> onItsThread(Supplier<T> task) {
        return CompletableFuture.supplyAsync(task, run -> Thread.ofPlatform().daemon().start(run));
    }

    /** Maps, splits, merges and unmaps at random; a sorted map of smallest pages says what must be seen. */
    @ParameterizedTest
    @EnumSource(TestFormats.class)
    void translationsAreThoseOfTheModel(TestFormats formats) {
        TableFormat format = formats.format;
        long page = Long.lowestOneBit(format.pageSizes());
        long block = page << (format.shift[1] - format.shift[0]);
        for (int seed = 0; seed < SEEDS; seed++) {
            Random random = new Random(seed);
            TreeMap<Long, Long> calls = new TreeMap<>();
            TreeMap<Long, Long> model = new TreeMap<>();
            try (RadixTable table = new RadixTable(format, pool)) {
                for (int operation = 0; operation < OPERATIONS; operation++) {
                    long start = random.nextInt(12) * block + (random.nextBoolean() ? 0 : random.nextInt(4) * page);
                    long length = (1 + random.nextInt(2)) * (random.nextBoolean() ? block : page * (1 + random.nextInt(40)));
                    switch (random.nextInt(4)) {
                        case 0 -> {
                            long physical = (1 + random.nextInt(64)) * block + (random.nextBoolean() ? 0 : page);
                            if (model.subMap(start / page, (start + length) / page).isEmpty()) {
                                table.map(start, run(physical, length), random.nextBoolean() ? DmaAccess.READ : DmaAccess.READ_WRITE,
                                        random.nextInt(3) == 0);
                                calls.put(start, length);
                                for (long at = 0; at < length; at += page) {
                                    model.put((start + at) / page, physical + at);
                                }
                            }
                        }
                        case 1 -> {
                            table.split(start, start + length - 1, page);
                            for (long at = start; at < start + length; at += page) {
                                assertThat(table.leafBytes(at)).isIn(0L, page);
                            }
                        }
                        case 2 -> {
                            table.merge(start, start + length - 1);
                            table.finishMerge();
                            table.recycle();
                        }
                        default -> {
                            Long call = calls.ceilingKey(start);
                            if (call != null) {
                                long bytes = calls.remove(call);
                                table.split(call, call, page);
                                table.split(call + bytes - 1, call + bytes - 1, page);   // merges may have crossed calls
                                assertThat(table.unmap(call, call + bytes - 1)).isEqualTo(bytes);
                                table.recycle();
                                model.subMap(call / page, (call + bytes) / page).clear();
                            }
                        }
                    }
                    for (long at = 0; at < 16 * block; at += block / 4) {
                        Long expected = model.get(at / page);
                        assertThat(table.translate(at + 3)).as("%s seed %d operation %d at 0x%x", formats, seed, operation, at)
                                .isEqualTo(expected == null ? PagingDomain.UNMAPPED : expected + 3);
                        assertThat(table.leafBytes(at) == 0).isEqualTo(expected == null);
                    }
                }
                assertThat(table.unmap(0, -1)).isEqualTo(model.size() * page);
                table.recycle();
            }
            assertThat(memory.bytesInUse()).isZero();
        }
    }

    @ParameterizedTest
    @EnumSource(value = TestFormats.class, mode = EnumSource.Mode.EXCLUDE, names = "SMALL_LEAVES_ONLY")
    void whatWasSplitMergesToOneLeaf(TestFormats formats) {
        long largest = Long.highestOneBit(formats.format.pageSizes());
        long page = Long.lowestOneBit(formats.format.pageSizes());
        try (RadixTable table = new RadixTable(formats.format, pool)) {
            table.map(largest, run(4 * largest, largest), DmaAccess.READ_WRITE, false);
            long before = memory.bytesInUse();
            long splits = table.split(largest, 2 * largest - 1, page);
            assertThat(splits).isPositive();
            assertThat(table.leafBytes(largest)).isEqualTo(page);
            assertThat(table.split(largest, 2 * largest - 1, page)).as("again").isZero();
            assertThat(table.merge(largest, 2 * largest - 1)).isEqualTo(splits);
            table.finishMerge();
            table.recycle();
            assertThat(table.leafBytes(2 * largest - 1)).isEqualTo(largest);
            assertThat(table.translate(largest + 77)).isEqualTo(4 * largest + 77);
            assertThat(memory.bytesInUse()).isLessThanOrEqualTo(before + (8L << formats.format.tableBytesLg2[0]));
        }
        assertThat(memory.bytesInUse()).isZero();
    }

    @Test
    void aSplitWithoutMemoryLeavesEveryTranslation() {
        TableFormat format = TestFormats.PERMISSION_BITS.format;
        for (int allowed = 0; ; allowed += 97) {
            boolean done;
            try (RadixTable table = new RadixTable(format, pool)) {
                table.map(1L << 30, run(3L << 30, 1L << 30), DmaAccess.READ_WRITE, false);
                memory.failAfter(allowed);
                try {
                    table.split(1L << 30, (2L << 30) - 1, 4096);
                    done = true;
                } catch (IommufdException refused) {
                    assertThat(refused.errno()).isEqualTo(Errno.ENOMEM);
                    done = false;
                } finally {
                    memory.failAfter(Long.MAX_VALUE);
                }
                for (long at = 0; at < 1L << 30; at += 12345) {
                    assertThat(table.translate((1L << 30) + at)).isEqualTo((3L << 30) + at);
                }
                assertThat(table.unmap(0, -1)).isEqualTo(1L << 30);
            }
            assertThat(memory.bytesInUse()).isZero();
            if (done) {
                return;
            }
        }
    }

    @Test
    void halfALeafIsStillNotUnmapped() {
        try (RadixTable table = new RadixTable(TestFormats.PERMISSION_BITS.format, pool)) {
            table.map(0, run(2L << 21, 1L << 21), DmaAccess.READ, false);
            assertThatThrownBy(() -> table.unmap(0, 4095)).isInstanceOf(IllegalStateException.class);
            table.split(0, 0, 4096);
            assertThat(table.unmap(0, 4095)).isEqualTo(4096);
            assertThat(table.merge(0, (1 << 21) - 1)).as("a hole").isZero();
        }
    }

    /** Four devices write through a walk that marks as hardware does, while one thread resizes: no walk misses, no mark is lost. */
    @ParameterizedTest
    @EnumSource(value = TestFormats.class, names = {"PERMISSION_BITS", "LARGE_GRANULE", "BIG_ENDIAN"})
    void walksNeverMissAndMarksAreNeverLost(TestFormats formats) throws Exception {
        TableFormat format = formats.format;
        long page = Long.lowestOneBit(format.pageSizes());
        long large = page << (format.shift[1] - format.shift[0]);
        int pages = (int) (large / page);
        StampedLock epoch = new StampedLock();
        try (RadixTable table = new RadixTable(format, pool)) {
            table.map(large, run(8 * large, large), DmaAccess.READ_WRITE, false);
            DirtyTableReader reader = table.dirtyReader();
            for (int round = 0; round < 30; round++) {
                AtomicBoolean stop = new AtomicBoolean();
                List<CompletableFuture<BitSet>> devices = new ArrayList<>();
                for (int device = 0; device < 2; device++) {
                    SplittableRandom random = new SplittableRandom(round * 31L + device);
                    devices.add(onItsThread(() -> {
                        BitSet written = new BitSet();
                        while (!stop.get()) {
                            int index = random.nextInt(pages);
                            long stamp = epoch.readLock();
                            try {
                                assertThat(markingWalk(table, large + index * page)).isEqualTo(8 * large + index * page);
                            } finally {
                                epoch.unlockRead(stamp);
                            }
                            written.set(index);
                        }
                        return written;
                    }));
                }
                for (int turn = 0; turn < 3; turn++) {
                    table.split(large, 2 * large - 1, page);
                    Thread.onSpinWait();
                    table.merge(large, 2 * large - 1);
                    epoch.unlockWrite(epoch.writeLock());
                    table.finishMerge();
                    table.recycle();
                }
                if (round % 2 == 0) {
                    table.split(large, 2 * large - 1, page);
                }
                stop.set(true);
                BitSet written = new BitSet();
                for (CompletableFuture<BitSet> device : devices) {
                    written.or(device.get(20, TimeUnit.SECONDS));
                }
                BitSet reported = new BitSet();
                reader.read(0, -1L, true, (iova, length) -> reported.set((int) ((iova - large) / page), (int) ((iova + length - large) / page)));
                BitSet lost = (BitSet) written.clone();
                lost.andNot(reported);
                assertThat(lost.isEmpty()).as("%s, round %d: written but not reported: %s", formats, round, lost).isTrue();
            }
            assertThat(table.unmap(0, -1)).isEqualTo(large);
        }
        assertThat(memory.bytesInUse()).isZero();
    }

    /** As a unit does: descends, and makes the leaf dirty by compare-and-set before it answers. */
    private long markingWalk(RadixTable table, long iova) {
        TableFormat format = table.format();
        TableEntries entries = new TableEntries(format);
        while (true) {
            long slot = entries.slot(table.root(), format.levels - 1, iova);
            int level = format.levels - 1;
            long entry = entries.get(slot);
            while (format.present(entry) && !format.leaf(entry, level)) {
                level--;
                slot = entries.slot(entry & format.addressMask, level, iova);
                entry = entries.get(slot);
            }
            if (!format.present(entry)) {
                return PagingDomain.UNMAPPED;
            }
            if (!format.dirty(entry)) {
                if (!entries.compareAndSet(slot, entry, entry ^ format.dirtyToggle)) {
                    continue;
                }
                pool.markDirty(slot);
            }
            long inside = (1L << format.shift[level]) - 1;
            return entry & format.addressMask & ~inside | iova & inside;
        }
    }
}
