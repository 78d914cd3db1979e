package iommu.smmuv3.unit;

import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import iommu.smmuv3.format.ContextDescriptor;
import iommu.smmuv3.format.SmmuEvent;
import iommu.smmuv3.format.StreamTableEntry;
import iommufd.api.DmaAccess;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.MemoryMap;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * The unit's walks against {@link NaiveVmsa} on random tables: every bit that matters is random, and so are the parameters.
 */
class WalkPropertyTest {
    private static final int TABLES = 16;
    private static final long TABLE_BYTES = 1 << 16;
    private static final long REGION_BYTES = 2 * TABLES * TABLE_BYTES;
    private static final int ADDRESSES = 250;
    private static final int[] GRANULES_KIB = {4, 16, 64};
    private static final int[] SIZES = {32, 36, 40, 42, 44, 48, 52};
    private static final SmmuFeatures WIDE = features(52);
    private static final SmmuFeatures NARROW = features(48);

    private static final SmmuBus BUS = new SmmuBus(MemoryMap.HOST, SmmuMessages.ABORTED);

    private static SmmuFeatures features(int outputBits) {
        Set<SmmuFeature> all = EnumSet.allOf(SmmuFeature.class);
        return new SmmuFeatures(16, 20, 8, outputBits, 4, all);
    }

    private TestMemory memory;
    private final Map<Integer, Integer> outcomes = new HashMap<>();

    @BeforeEach
    void back() {
        memory = new TestMemory(2 << 20);
    }

    @AfterEach
    void unback() {
        memory.close();
    }

    @Test
    void stage1MatchesTheArchitecturesText() {
        for (long seed = 0; seed < 400; seed++) {
            new Round(seed).stage1(false);
        }
        assertEveryOutcomeHappened();
    }

    @Test
    void stage2MatchesTheArchitecturesText() {
        for (long seed = 1000; seed < 1400; seed++) {
            new Round(seed).stage2();
        }
        assertEveryOutcomeHappened();
    }

    @Test
    void bothStagesMatchTheArchitecturesText() {
        for (long seed = 2000; seed < 2400; seed++) {
            new Round(seed).stage1(true);
        }
        assertEveryOutcomeHappened();
    }

    private void assertEveryOutcomeHappened() {
        assertThat(outcomes.keySet()).contains(0, NaiveVmsa.TRANSLATION, NaiveVmsa.ADDRESS_SIZE, NaiveVmsa.ACCESS,
                NaiveVmsa.PERMISSION, NaiveVmsa.WALK_ABORT);
        assertThat(outcomes.get(0)).as("translations among %s", outcomes).isGreaterThan(200);
    }

    /** One set of tables. */
    private final class Round {
        private final long seed;
        private final SplittableRandom random;
        private final long region = TestMemory.BASE;
        private final SmmuFeatures features;
        private final boolean privileged;
        private final boolean fetches;
        private int marks;

        Round(long seed) {
            this.seed = seed;
            random = new SplittableRandom(seed);
            features = random.nextBoolean() ? WIDE : NARROW;
            privileged = random.nextBoolean();
            fetches = random.nextInt(3) == 0;
        }

        private NaiveVmsa.Access access(boolean write) {
            return new NaiveVmsa.Access(write, privileged, fetches);
        }

        private boolean often() {
            return random.nextInt(8) != 0;
        }

        private boolean seldom() {
            return random.nextInt(8) == 0;
        }

        /** Random descriptors that point back into the region often enough for walks to get somewhere. */
        private void fill(long from, long bytes, boolean second) {
            long[] page = new long[(int) (bytes >> 3)];
            for (int i = 0; i < page.length; i++) {
                page[i] = descriptor(second);
            }
            MemorySegment.copy(page, 0, HostMemory.WINDOW, ValueLayout.JAVA_LONG, from, page.length);
        }

        private long descriptor(boolean second) {
            long kind = seldom() ? random.nextInt(4) : random.nextInt(5) == 0 ? 1 : 3;
            long target;
            int choice = random.nextInt(20);
            if (choice == 0) {
                target = random.nextLong() & 0x0000_FFFF_FFFF_F000L;
            } else if (choice == 1) {
                target = TestMemory.HOLE;
            } else {
                target = region + random.nextInt(2 * TABLES) * TABLE_BYTES;
            }
            long attributes = random.nextLong() & ~(0x0000_FFFF_FFFF_F000L | 3);
            if (often()) {
                attributes |= 1 << 10 | 1 << 6;
            }
            if (often()) {
                attributes &= ~(15L << 59);
            }
            if (often()) {
                attributes &= ~(3L << 53);
            }
            if (!often()) {
                target |= random.nextInt(16) << 12;   // bits 51:48 in 64 KiB descriptors
            }
            if (second && often()) {
                attributes |= 3 << 4;
            }
            return kind | target | attributes;
        }

        private NaiveVmsa.Stage stage(boolean second, long table) {
            int granuleKib = GRANULES_KIB[random.nextInt(3)];
            boolean lpa = features == WIDE;
            int outputBits = SIZES[often() ? lpa ? 6 : 5 : 4 + random.nextInt(2)];
            boolean ha = random.nextBoolean();
            int smallest = granuleKib == 64 && (lpa || !second) ? 12 : 16;
            int largest = granuleKib == 64 ? 47 : 48;
            int txsz;
            int sl0 = 0;
            if (second) {
                do {
                    txsz = smallest + random.nextInt(largest - smallest + 1);
                    sl0 = random.nextInt(granuleKib == 4 ? 4 : 3);
                } while (!consistent(granuleKib, 64 - txsz, sl0));
            } else {
                txsz = smallest + random.nextInt(largest - smallest + 1);
            }
            return new NaiveVmsa.Stage(second, table, txsz, granuleKib, sl0, outputBits, ha, random.nextBoolean(), seldom(),
                    seldom(), seldom(), seldom(), !second && seldom(), lpa, random.nextInt(30) == 0);
        }

        /** A start table has from 2 entries up to 16 concatenated tables. */
        private static boolean consistent(int granuleKib, int inputBits, int sl0) {
            int grain = Integer.numberOfTrailingZeros(granuleKib) + 10;
            int startLevel = granuleKib == 4 ? sl0 == 3 ? 3 : 2 - sl0 : 3 - sl0;
            int resolvedByStart = inputBits - grain - (3 - startLevel) * (grain - 3);
            return startLevel >= 0 && resolvedByStart >= 1 && resolvedByStart <= grain - 3 + 4
                    && resolvedByStart + 3 <= 16;
        }

        private long input(int inputBits) {
            long address = random.nextLong();
            return seldom() ? address : address & (1L << inputBits) - 1;
        }

        private long word2(NaiveVmsa.Stage stage) {
            return (long) stage.txsz() << 32 | (long) stage.sl0() << 38 | granuleField(stage) << 46 | sizeField(stage) << 48
                    | StreamTableEntry.S2AA64 | StreamTableEntry.S2R | (stage.affd() ? StreamTableEntry.S2AFFD : 0)
                    | (stage.ha() ? StreamTableEntry.S2HA : 0) | (stage.hd() ? StreamTableEntry.S2HD : 0);
        }

        private long granuleField(NaiveVmsa.Stage stage) {
            return switch (stage.granuleKib()) {
                case 4 -> 0;
                case 64 -> 1;
                default -> 2;
            };
        }

        private long sizeField(NaiveVmsa.Stage stage) {
            for (int i = 0; ; i++) {
                if (SIZES[i] == stage.outputBits()) {
                    return i;
                }
            }
        }

        void stage2() {
            fill(region, REGION_BYTES, true);
            NaiveVmsa.Stage stage = stage(true, region);
            FaultNote note = new FaultNote(-1);
            StageTwo real = new StageTwo(note, BUS, features, slot -> marks++);
            assertThat(real.configure(word2(stage), stage.ttb())).as("seed %d: %s", seed, stage).isTrue();
            real.attributes(privileged, fetches);
            NaiveVmsa naive = new NaiveVmsa(region, snapshot());
            for (int i = 0; i < ADDRESSES; i++) {
                long input = input(64 - stage.txsz());
                boolean write = random.nextBoolean();
                NaiveVmsa.Outcome expected = naive.translate(stage, null, input, access(write), SmmuEvent.CLASS_IN);
                long output = real.walk(input, write ? DmaAccess.WRITE_BIT : DmaAccess.READ_BIT, SmmuEvent.CLASS_IN);
                compare(expected, output, note, real.pageLg2, real.rights, stage + " at 0x" + Long.toHexString(input));
            }
            compareMemory(naive);
        }

        void stage1(boolean nested) {
            fill(region, REGION_BYTES / 2, false);
            fill(region + REGION_BYTES / 2, REGION_BYTES / 2, nested);
            NaiveVmsa.Stage first = stage(false, region);
            NaiveVmsa.Stage second = nested ? identity(stage(true, region + REGION_BYTES / 2)) : null;
            FaultNote note = new FaultNote(-1);
            StageTwo below = new StageTwo(note, BUS, features, slot -> marks++);
            StageOne real = new StageOne(note, BUS, features, slot -> marks++, below);
            real.attributes(privileged, fetches);
            below.attributes(privileged, fetches);
            if (nested) {
                assertThat(below.configure(word2(second), second.ttb())).as("seed %d: %s", seed, second).isTrue();
            }
            boolean high = !first.oneRange() && random.nextBoolean();
            long word0 = high
                    ? (long) first.txsz() << 16 | granule1Field(first) << 22 | ContextDescriptor.EPD0
                    : first.txsz() | granuleField(first) << 6 | ContextDescriptor.EPD1;
            word0 |= sizeField(first) << 32 | ContextDescriptor.VALID | ContextDescriptor.AA64 | ContextDescriptor.A
                    | ContextDescriptor.R | (first.ha() ? ContextDescriptor.HA : 0) | (first.hd() ? ContextDescriptor.HD : 0)
                    | (first.affd() ? ContextDescriptor.AFFD : 0) | (first.wxn() ? ContextDescriptor.WXN : 0)
                    | (first.pan() ? ContextDescriptor.PAN : 0);
            long halves = first.ttb() | (first.had() ? ContextDescriptor.HAD : 0) | (first.e0pd() ? ContextDescriptor.E0PD : 0);
            Regime regime = first.oneRange() ? Regime.EL2 : random.nextBoolean() ? Regime.EL1 : Regime.EL2_E2H;
            assertThat(real.configure(word0, halves, halves, nested, regime, false)).as("seed %d: %s", seed, first).isTrue();
            NaiveVmsa naive = new NaiveVmsa(region, snapshot());
            long sign = high ? -1L << 64 - first.txsz() : 0;
            for (int i = 0; i < ADDRESSES; i++) {
                long input = random.nextLong() & (1L << 64 - first.txsz()) - 1;
                boolean write = random.nextBoolean();
                NaiveVmsa.Outcome expected = naive.translate(first, second, input, access(write), SmmuEvent.CLASS_IN);
                long output = real.walk(input | sign, write ? DmaAccess.WRITE_BIT : DmaAccess.READ_BIT);
                compare(expected, output, note, real.pageLg2, real.rights, first + " over " + second + " at 0x" + Long.toHexString(input));
            }
            compareMemory(naive);
        }

        private long granule1Field(NaiveVmsa.Stage stage) {
            return switch (stage.granuleKib()) {
                case 16 -> 1;
                case 4 -> 2;
                default -> 3;
            };
        }

        /** A second stage that leads first-stage tables back to the region often enough: a flat map, with a few holes. */
        private NaiveVmsa.Stage identity(NaiveVmsa.Stage like) {
            NaiveVmsa.Stage flat = new NaiveVmsa.Stage(true, region + REGION_BYTES / 2, 16, 4, 2, 48, like.ha(), like.hd(), like.affd(),
                    false, false, false, false, like.lpa(), false);
            long top = region + REGION_BYTES / 2;
            long next = top + 4096;
            long[] tables = {top, next, next + 4096, next + 8192};
            for (int level = 0; level < 3; level++) {
                int shift = 39 - 9 * level;
                PhysicalWords.set(tables[level] + (region >>> shift & 511) * 8, tables[level + 1] | 3);
            }
            for (long page = 0; page < 512; page++) {
                long attributes = 1 << 6 | 3 << 4 | (often() ? 1 << 10 : 0) | (random.nextBoolean() ? 1 << 7 : 0)
                        | (random.nextBoolean() ? 1L << 51 : 0) | (random.nextInt(40) == 0 ? 0 : 3);
                PhysicalWords.set(tables[3] + page * 8, (region & ~0x1f_ffffL) + page * 4096 | attributes);
            }
            return flat;
        }

        private long[] snapshot() {
            return HostMemory.WINDOW.asSlice(region, REGION_BYTES).toArray(ValueLayout.JAVA_LONG);
        }

        private void compare(NaiveVmsa.Outcome expected, long output, FaultNote note, int pageLg2, int rights, String what) {
            outcomes.merge(expected.event(), 1, Integer::sum);
            String as = "seed %d, %s".formatted(seed, what);
            if (expected.event() == 0) {
                assertThat(output).as(as).isEqualTo(expected.address());
                assertThat(pageLg2).as(as).isEqualTo(expected.pageLg2());
                assertThat(rights).as(as).isEqualTo((expected.readable() ? DmaAccess.READ_BIT : 0)
                        | (expected.writable() ? DmaAccess.WRITE_BIT : 0));
                return;
            }
            assertThat(output).as(as).isNegative();
            assertThat(note.event().number()).as(as).isEqualTo(expected.event());
            long word1 = note.word1(false);
            assertThat((word1 & SmmuEvent.STAGE2) != 0).as(as).isEqualTo(expected.stage2());
            assertThat((int) (word1 >>> SmmuEvent.CLASS_SHIFT) & 3).as(as).isEqualTo(expected.eventClass());
            assertThat(note.word3()).as(as).isEqualTo(expected.address() & SmmuEvent.FETCH_ADDRESS);
        }

        private void compareMemory(NaiveVmsa naive) {
            assertThat(marks).as("dirty marks, seed %d", seed).isEqualTo(naive.dirtyMarks);
            assertThat(Arrays.mismatch(snapshot(), naive.words())).as("first word that differs afterwards, seed %d", seed).isEqualTo(-1);
        }
    }
}
