package iommu.common.table;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.hardware.PagingDomain;
import iommufd.api.memory.PinnedRuns;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Random maps and unmaps on a table and on a sorted map of its smallest pages must tell the same story. */
class RadixTablePropertyTest {
    private static final int SEEDS = 60;
    private static final int OPERATIONS = 150;
    private final ScratchTableMemory memory = new ScratchTableMemory();

    @ParameterizedTest
    @EnumSource(TestFormats.class)
    void behavesLikeASortedMap(TestFormats formats) {
        for (long seed = 0; seed < SEEDS; seed++) {
            try {
                new Story(formats.format, seed).run();
            } catch (AssertionError | RuntimeException failure) {
                throw new AssertionError(formats + ", seed " + seed, failure);
            }
        }
        assertThat(memory.bytesInUse()).isZero();
    }

    @ParameterizedTest
    @EnumSource(TestFormats.class)
    void aFailedAllocationLeavesNothingBehind(TestFormats formats) {
        long page = Long.lowestOneBit(formats.format.pageSizes());
        TablePool pool = new TablePool(memory);
        for (int allowed = 0; ; allowed++) {
            try (RadixTable table = new RadixTable(formats.format, pool)) {
                PinnedRuns runs = new PinnedRuns(4);
                runs.add(0x4000_0000L, 3 * page);
                runs.add(0x6000_0000L + page, 600 * page);
                long before = memory.bytesInUse();
                memory.failAfter(allowed);
                try {
                    table.map(0x1ff * page, runs, DmaAccess.READ_WRITE, false);
                    memory.failAfter(Long.MAX_VALUE);
                    assertThat(allowed).isPositive();
                    assertThat(table.translate(0x1ff * page + 5)).isEqualTo(0x4000_0005L);
                    break;
                } catch (IommufdException failure) {
                    assertThat(failure.errno()).isEqualTo(Errno.ENOMEM);
                    for (int i = 0; i < 603; i++) {
                        assertThat(table.translate((0x1ff + i) * page)).isEqualTo(PagingDomain.UNMAPPED);
                    }
                    memory.failAfter(Long.MAX_VALUE);
                    table.recycle();
                    table.map(0, oneRun(0x10_0000L * page, page), DmaAccess.READ, false);
                    assertThat(table.unmap(0, page - 1)).isEqualTo(page);
                    assertThat(memory.bytesInUse()).isGreaterThanOrEqualTo(before);
                }
            }
            assertThat(memory.bytesInUse()).isZero();
        }
    }

    @ParameterizedTest
    @EnumSource(TestFormats.class)
    void refusesWhatItCannotDescribe(TestFormats formats) {
        long page = Long.lowestOneBit(formats.format.pageSizes());
        long end = formats.format.inputLast() + 1;
        try (RadixTable table = new RadixTable(formats.format, new TablePool(memory))) {
            assertErrno(Errno.ERANGE, () -> table.map(end - page, oneRun(page, 2 * page), DmaAccess.READ, false));
            assertErrno(Errno.ERANGE, () -> table.map(-page, oneRun(page, page), DmaAccess.READ, false));
            assertErrno(Errno.EINVAL, () -> table.map(page / 2, oneRun(page, page), DmaAccess.READ, false));
            assertErrno(Errno.EINVAL, () -> table.map(0, oneRun(page + 512, page), DmaAccess.READ, false));
            assertErrno(Errno.EINVAL, () -> table.map(0, new PinnedRuns(1), DmaAccess.READ, false));
            table.map(end - page, oneRun(page, page), DmaAccess.READ_WRITE, false);
            assertThat(table.translate(end - 1)).isEqualTo(2 * page - 1);
            assertThat(table.translate(end)).isEqualTo(PagingDomain.UNMAPPED);
            assertThat(table.unmap(0, -1)).isEqualTo(page);
        }
    }

    private static PinnedRuns oneRun(long physicalAddress, long lengthBytes) {
        PinnedRuns runs = new PinnedRuns(1);
        runs.add(physicalAddress, lengthBytes);
        return runs;
    }

    private static void assertErrno(Errno errno, Runnable action) {
        assertThatThrownBy(action::run).isInstanceOfSatisfying(IommufdException.class,
                thrown -> assertThat(thrown.errno()).isEqualTo(errno));
    }

    private final class Story {
        private final Random random;
        private final TableFormat format;
        private final long page;
        private final RadixTable table;
        /** IOVA page number to physical address. */
        private final TreeMap<Long, Long> model = new TreeMap<>();
        /** What was mapped in one call, by first page number: such ranges are unmapped whole. */
        private final TreeMap<Long, Long> calls = new TreeMap<>();

        Story(TableFormat format, long seed) {
            random = new Random(seed);
            this.format = format;
            page = Long.lowestOneBit(format.pageSizes());
            table = new RadixTable(format, new TablePool(memory));
        }

        void run() {
            for (int i = 0; i < OPERATIONS; i++) {
                if (random.nextInt(3) > 0) {
                    map();
                } else {
                    unmap();
                }
            }
            for (Map.Entry<Long, Long> expected : model.entrySet()) {
                assertThat(table.translate(expected.getKey() * page)).isEqualTo(expected.getValue());
            }
            assertThat(table.unmap(0, -1)).isEqualTo(model.size() * page);
            table.recycle();
            table.close();
        }

        private void map() {
            int blockLg2 = random.nextInt(3) * 9;
            long block = Math.min(page << blockLg2, format.inputLast() + 1 >>> 3);
            long start = random.nextInt(40) * block & format.inputLast();
            PinnedRuns runs = new PinnedRuns(2);
            long length = 0;
            for (int run = random.nextInt(3); run >= 0; run--) {
                long size = (1 + random.nextInt(blockLg2 == 18 ? 2 : 20)) * (random.nextBoolean() ? page : Math.min(block, page << 10));
                runs.add((random.nextInt(1 << 14) + 1L) * (random.nextBoolean() ? page : Math.min(block, page << 10)), size);
                length += size;
            }
            if (start + length - 1 > format.inputLast()) {
                return;
            }
            long firstPage = start / page;
            long pages = length / page;
            boolean occupied = !model.subMap(firstPage, firstPage + pages).isEmpty();
            try {
                table.map(start, runs, DmaAccess.READ_WRITE, random.nextInt(4) == 0);
                assertThat(occupied).as("mapped over something at 0x%x", start).isFalse();
            } catch (IommufdException refused) {
                assertThat(refused.errno()).isEqualTo(Errno.EEXIST);
                assertThat(occupied).as("refused a free range at 0x%x", start).isTrue();
                checkAround(firstPage, pages);
                table.recycle();
                return;
            }
            calls.put(firstPage, pages);
            long at = firstPage;
            for (int run = 0; run < runs.count(); run++) {
                for (long offset = 0; offset < runs.lengthBytes(run); offset += page) {
                    model.put(at++, runs.physicalAddress(run) + offset);
                }
            }
            checkAround(firstPage, pages);
        }

        private void unmap() {
            Map.Entry<Long, Long> first = calls.ceilingEntry((long) random.nextInt(1 << random.nextInt(20)));
            if (first == null) {
                return;
            }
            Map.Entry<Long, Long> last = first;
            for (int more = random.nextInt(3); more > 0 && calls.higherEntry(last.getKey()) != null; more--) {
                last = calls.higherEntry(last.getKey());
            }
            long from = first.getKey();
            long to = last.getKey() + last.getValue();
            var range = model.subMap(from, to);
            assertThat(table.unmap(from * page, to * page - 1)).isEqualTo(range.size() * page);
            range.clear();
            calls.subMap(from, to).clear();
            if (random.nextBoolean()) {
                table.recycle();
            }
            checkAround(from, to - from);
        }

        private void checkAround(long firstPage, long pages) {
            for (long at : new long[] {firstPage - 1, firstPage, firstPage + pages / 2, firstPage + pages - 1, firstPage + pages}) {
                if (at >= 0) {
                    assertThat(table.translate(at * page + 7)).as("page 0x%x", at)
                            .isEqualTo(model.containsKey(at) ? model.get(at) + 7 : PagingDomain.UNMAPPED);
                }
            }
        }
    }
}
