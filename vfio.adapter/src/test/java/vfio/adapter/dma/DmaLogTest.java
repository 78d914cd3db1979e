package vfio.adapter.dma;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.BitSet;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a log has recorded, against a set of pages. */
class DmaLogTest {
    private static final long PAGE = 4096;

    private static BitSet take(DmaLog log, long from, long last) {
        BitSet pages = new BitSet();
        log.takeDirty(from, last, (iova, lastIova) -> pages.set((int) (iova / PAGE), (int) (lastIova / PAGE) + 1));
        return pages;
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void tellsExactlyWhatWasWrittenOnce(long seed) {
        Random random = new Random(seed);
        long[] starts = {0x10000, 0x400000, 0x1000000};
        long[] lasts = {0x4FFFF, 0x7FFFFF, 0x1000FFF};
        DmaLog log = DmaLog.of(starts, lasts, PAGE);
        BitSet inside = new BitSet();
        for (int i = 0; i < starts.length; i++) {
            inside.set((int) (starts[i] / PAGE), (int) (lasts[i] / PAGE) + 1);
        }
        BitSet model = new BitSet();
        for (int i = 0; i < 2000; i++) {
            long iova = random.nextInt(0x1100000);
            long length = 1 + random.nextInt(random.nextBoolean() ? 64 : 20_000);
            if (random.nextInt(4) > 0) {
                log.record(iova, length);
                model.set((int) (iova / PAGE), (int) ((iova + length - 1) / PAGE) + 1);
                model.and(inside);
            } else {
                long from = iova & -PAGE;
                long last = from + random.nextInt(200) * PAGE + PAGE - 1;
                BitSet expected = model.get(0, (int) (last / PAGE) + 1);
                expected.clear(0, (int) (from / PAGE));
                assertThat(take(log, from, last)).as("seed %d, step %d", seed, i).isEqualTo(expected);
                model.andNot(expected);
            }
        }
        assertThat(take(log, 0, Long.MAX_VALUE)).as("seed %d", seed).isEqualTo(model);
        assertThat(take(log, 0, Long.MAX_VALUE).isEmpty()).as("seed %d", seed).isTrue();
    }

    @Test
    void hugeRangesGetLargerPages() {
        DmaLog log = DmaLog.of(new long[] {0}, new long[] {-1L}, PAGE);
        assertThat(log.pageBytes()).isGreaterThan(PAGE);
        log.record(-1L, 1);
        boolean[] told = {false};
        log.takeDirty(-PAGE, -1L, (iova, last) -> told[0] = iova == -PAGE && last == -1L);
        assertThat(told[0]).isTrue();
    }

    @Test
    void aLogThatIsOffRecordsNothing() {
        DmaLog.OFF.record(0, 8);
        assertThat(DmaLog.OFF.isOn()).isFalse();
        assertThat(take(DmaLog.OFF, 0, Long.MAX_VALUE).isEmpty()).isTrue();
    }
}
