package iommu.vtd.unit;

import static org.assertj.core.api.Assertions.assertThat;

import iommu.vtd.Ram;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.MemoryMap;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The unit's walks against {@link NaiveWalk} on random tables: same address or same reason, same marks. */
class WalkComparisonTest {
    private static final ReservedBits RESERVED = VtdFeatures.scalableMode().withNested().reservedBits();
    private static final int TABLES = 12;
    private static final int[] INDEXES = {0, 1, 2, 255, 256, 511};
    private static final int WORLDS = 60;
    private static final int PROBES = 120;

    private final Ram ram = new Ram();
    private final KnownMemory memory = new KnownMemory(MemoryMap.HOST);
    private final long[] tables = new long[TABLES];
    private Random random;
    /** What to add to a host address to get the one on the bus. */
    private long busOffset;
    private int hits;

    private void build(long seed, boolean first, boolean pointersAreGuest) {
        random = new Random(seed);
        for (int i = 0; i < TABLES; i++) {
            tables[i] = tables[i] == 0 ? ram.frame() : tables[i];
            Ram.bytes(tables[i], 4096).fill((byte) 0);
        }
        for (long table : tables) {
            for (int index : INDEXES) {
                Ram.word(table + index * 8L, first ? firstEntry(pointersAreGuest) : secondEntry());
            }
        }
    }

    private long target() {
        return switch (random.nextInt(20)) {
            case 0 -> Ram.HOLE + random.nextInt(16) * 4096L;
            case 1 -> Ram.BASE + random.nextLong(Ram.BYTES >>> 12 << 12) & -4096;
            case 2 -> Ram.BASE;   // aligned for every leaf
            default -> tables[random.nextInt(TABLES)];
        } + busOffset;
    }

    private long secondEntry() {
        if (random.nextInt(12) == 0) {
            return random.nextLong() & ~3L;
        }
        long entry = target() | (random.nextInt(6) == 0 ? 1 + random.nextInt(2) : 3);
        entry |= (long) random.nextInt(32) << 2 & 0x7C | (long) random.nextInt(8) << 8 & 0x700 | (random.nextLong() & 0x9FF0_0000_0000_0000L);
        if (random.nextInt(5) == 0) {
            entry |= 1 << 7;
            if (random.nextInt(4) != 0) {
                entry = entry & ~0x3FFF_F000L;
            }
        }
        if (random.nextInt(20) == 0) {
            entry |= 1L << new int[] {11, 46, 51, 62, 7}[random.nextInt(5)];
        }
        return entry;
    }

    private long firstEntry(boolean pointersAreGuest) {
        if (random.nextInt(12) == 0) {
            return random.nextLong() & ~1L;
        }
        long page = pointersAreGuest ? guestTarget() : target();
        long entry = page | 5 | (random.nextInt(6) == 0 ? 0 : 2) | random.nextLong() & 0xFFF0_0000_0000_0F78L;
        if (random.nextInt(25) == 0) {
            entry &= ~4L;
        }
        if (random.nextInt(5) == 0) {
            entry |= 1 << 7 | (long) random.nextInt(2) << 12;
            if (random.nextInt(4) != 0) {
                entry &= ~0x3FFF_E000L;
            }
        }
        if (random.nextInt(25) == 0) {
            entry |= 1L << new int[] {46, 51, 7}[random.nextInt(3)];
        }
        return entry;
    }

    private long guestTarget() {
        return random.nextInt(12) == 0 ? random.nextLong() & 0x7FF_FFFF_F000L : (long) random.nextInt(4) << 12;
    }

    private long address(int levels, boolean first) {
        long address = random.nextInt(4096);
        for (int level = 0; level < levels; level++) {
            address |= (long) INDEXES[random.nextInt(INDEXES.length)] << 12 + 9 * level;
        }
        if (first) {
            int unused = 64 - 12 - 9 * levels;
            return random.nextInt(16) == 0 ? address : address << unused >> unused;
        }
        return address;
    }

    private long[] snapshot() {
        long[] words = new long[TABLES * 512];
        for (int i = 0; i < TABLES; i++) {
            MemorySegment.copy(HostMemory.WINDOW, ValueLayout.JAVA_LONG, tables[i], words, i * 512, 512);
        }
        return words;
    }

    /** Marks after a success are exactly those of the naive walk; a refused request may at most leave accessed bits. */
    private void assertMarks(long[] before, NaiveWalk naive, boolean success, long accessedBits, String what) {
        long[] after = snapshot();
        if (success) {
            long[] expected = before.clone();
            for (Map.Entry<Long, Long> write : naive.writes.entrySet()) {
                for (int i = 0; i < TABLES; i++) {
                    long inside = write.getKey() - tables[i];
                    if (inside >= 0 && inside < 4096) {
                        expected[i * 512 + (int) inside / 8] = write.getValue();
                    }
                }
            }
            assertThat(after).as(what).isEqualTo(expected);
            return;
        }
        if (!Arrays.equals(before, after)) {
            for (int i = 0; i < after.length; i++) {
                assertThat((after[i] ^ before[i]) & ~accessedBits).as(what).isZero();
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"3,false,false", "4,false,false", "5,false,false", "4,true,false", "3,true,true", "4,true,true", "5,true,true"})
    void secondStageFollowsTheSpecification(int levels, boolean scalable, boolean marks) {
        SecondStageWalk walk = new SecondStageWalk(memory, slot -> { }, RESERVED);
        for (int world = 0; world < WORLDS; world++) {
            long seed = world * 31L + levels;
            build(seed, false, false);
            for (int probe = 0; probe < PROBES; probe++) {
                long address = address(levels, false);
                boolean write = random.nextBoolean();
                long root = random.nextInt(30) == 0 ? Ram.HOLE : tables[random.nextInt(TABLES)];
                walk.configure(root, levels, scalable, marks, true);
                NaiveWalk naive = new NaiveWalk(scalable, marks);
                long expected = naive.second(root, levels, address, !write, write);
                long[] before = snapshot();
                long actual = walk.translate(address, write ? 2 : 1);
                String what = "seed %d probe %d address 0x%x %s".formatted(seed, probe, address, write ? "write" : "read");
                assertThat(actual).as(what).isEqualTo(expected);
                assertMarks(before, naive, expected >= 0, 1L << 8, what);
                if (expected >= 0) {
                    hits++;
                    assertThat(walk.leafLg2).as(what).isEqualTo(naive.leafBits);
                    long leafDirty = marks && !write ? walk.cacheable & 2 : 0;
                    assertThat(walk.allowed).as(what).isEqualTo((naive.readable ? 1 : 0) | (naive.writable ? 2 : 0));
                    if (leafDirty != 0) {
                        assertThat(naive.writes.values()).as(what).anyMatch(entry -> (entry & 1L << 9) != 0);
                    }
                }
            }
        }
        assertThat(hits).as("successful walks").isGreaterThan(WORLDS * 5);
    }

    @ParameterizedTest
    @CsvSource({"4,false", "5,false", "4,true", "5,true"})
    void firstStageFollowsTheSpecification(int levels, boolean extendedAccessed) {
        FirstStageWalk walk = new FirstStageWalk(memory, slot -> { }, new SecondStageWalk(memory, slot -> { }, RESERVED), RESERVED);
        for (int world = 0; world < WORLDS; world++) {
            long seed = world * 37L + levels;
            build(seed, true, false);
            for (int probe = 0; probe < PROBES; probe++) {
                long address = address(levels, true);
                boolean write = random.nextBoolean();
                long root = random.nextInt(30) == 0 ? Ram.HOLE : tables[random.nextInt(TABLES)];
                walk.configure(root, levels, false, extendedAccessed, true);
                NaiveWalk naive = new NaiveWalk(true, false);
                long expected = naive.first(root, levels, address, write, extendedAccessed, 0, 0);
                long[] before = snapshot();
                String what = "seed %d probe %d address 0x%x %s".formatted(seed, probe, address, write ? "write" : "read");
                assertThat(walk.translate(address, write ? 2 : 1)).as(what).isEqualTo(expected);
                assertMarks(before, naive, expected >= 0, 1L << 5 | 1L << 10, what);
                hits += expected >= 0 ? 1 : 0;
            }
        }
        assertThat(hits).as("successful walks").isGreaterThan(WORLDS * 5);
    }

    /** Legacy and scalable mode without some features, and in a guest whose memory lies elsewhere in the host's. */
    @ParameterizedTest
    @CsvSource({"3,false,SNOOP_CONTROL,30,0", "4,true,SNOOP_CONTROL,30,0", "4,true,SECOND_STAGE_1G,21,0", "4,false,SECOND_STAGE_2M,12,0",
        "4,true,,30,0x1000000000", "3,false,,30,0x1000000000", "5,true,SECOND_STAGE_1G,21,-0x1000000000"})
    void secondStageOfOtherUnitsAndGuests(int levels, boolean scalable, VtdFeature lacking, int largestLeaf, String offset) {
        VtdFeatures all = VtdFeatures.scalableMode();
        VtdFeatures features = lacking == null ? all : lacking == VtdFeature.SECOND_STAGE_2M
                ? all.without(lacking, VtdFeature.SECOND_STAGE_1G) : all.without(lacking);
        busOffset = Long.decode(offset);
        SecondStageWalk walk = new SecondStageWalk(memoryOf(busOffset), slot -> { }, features.reservedBits());
        for (int world = 0; world < WORLDS; world++) {
            long seed = world * 43L + levels;
            build(seed, false, false);
            for (int probe = 0; probe < PROBES; probe++) {
                long address = address(levels, false);
                boolean write = random.nextBoolean();
                long root = tables[random.nextInt(TABLES)] + busOffset;
                walk.configure(root, levels, scalable, false, true);
                NaiveWalk naive = new NaiveWalk(scalable, false);
                naive.busOffset = busOffset;
                naive.snoopControl = lacking != VtdFeature.SNOOP_CONTROL;
                naive.largestSecondLeaf = largestLeaf;
                long expected = naive.second(root, levels, address, !write, write);
                String what = "seed %d probe %d address 0x%x %s".formatted(seed, probe, address, write ? "write" : "read");
                assertThat(walk.translate(address, write ? 2 : 1)).as(what).isEqualTo(expected);
                hits += expected >= 0 ? 1 : 0;
            }
        }
        assertThat(hits).as("successful walks").isGreaterThan(WORLDS * 5);
    }

    private static KnownMemory memoryOf(long busOffset) {
        return new KnownMemory(busOffset == 0 ? MemoryMap.HOST
                : MemoryMap.of(List.of(new MemoryMap.Range(Ram.BASE + busOffset, Ram.BYTES, Ram.BASE))));
    }

    @ParameterizedTest
    @CsvSource({"4,true,false,30,0", "5,true,true,30,0", "4,false,false,21,0", "4,true,true,30,0x1000000000", "5,false,false,30,-0x1000000000"})
    void firstStageOfPrivilegedRequestsAndGuests(int levels, boolean supervisor, boolean writeProtect, int largestLeaf, String offset) {
        VtdFeatures all = VtdFeatures.scalableMode().with(VtdFeature.SUPERVISOR);
        ReservedBits reserved = (largestLeaf == 30 ? all : all.without(VtdFeature.FIRST_STAGE_1G)).reservedBits();
        busOffset = Long.decode(offset);
        KnownMemory known = memoryOf(busOffset);
        FirstStageWalk walk = new FirstStageWalk(known, slot -> { }, new SecondStageWalk(known, slot -> { }, reserved), reserved);
        walk.privilege(supervisor, writeProtect);
        for (int world = 0; world < WORLDS; world++) {
            long seed = world * 47L + levels;
            build(seed, true, false);
            for (int probe = 0; probe < PROBES; probe++) {
                long address = address(levels, true);
                boolean write = random.nextBoolean();
                long root = tables[random.nextInt(TABLES)] + busOffset;
                walk.configure(root, levels, false, false, true);
                NaiveWalk naive = new NaiveWalk(true, false);
                naive.busOffset = busOffset;
                naive.supervisor = supervisor;
                naive.writeProtect = writeProtect;
                naive.largestFirstLeaf = largestLeaf;
                long expected = naive.first(root, levels, address, write, false, 0, 0);
                long[] before = snapshot();
                String what = "seed %d probe %d address 0x%x %s".formatted(seed, probe, address, write ? "write" : "read");
                assertThat(walk.translate(address, write ? 2 : 1)).as(what).isEqualTo(expected);
                assertMarks(before, naive, expected >= 0, 1L << 5, what);
                hits += expected >= 0 ? 1 : 0;
            }
        }
        assertThat(hits).as("successful walks").isGreaterThan(WORLDS * 5);
    }

    @ParameterizedTest
    @CsvSource({"4,4,false,true", "4,3,false,true", "5,4,false,true", "4,4,true,true", "4,3,true,true", "4,4,false,false", "5,3,true,false",
        "4,3,true,false"})
    void nestedWalkFollowsTheSpecification(int levels, int secondLevels, boolean marks, boolean forgetsEachTime) {
        SecondStageWalk second = new SecondStageWalk(memory, slot -> { }, RESERVED);
        FirstStageWalk walk = new FirstStageWalk(memory, slot -> { }, second, RESERVED);
        long secondRoot = ram.frame();
        List<Long> secondTables = new ArrayList<>();
        for (int world = 0; world < WORLDS; world++) {
            long seed = world * 41L + levels;
            build(seed, true, true);
            Ram.bytes(secondRoot, 4096).fill((byte) 0);
            secondTables.forEach(table -> Ram.bytes(table, 4096).fill((byte) 0));
            guestMemory(secondRoot, secondLevels, secondTables);
            for (int probe = 0; probe < PROBES; probe++) {
                long address = address(levels, true);
                boolean write = random.nextBoolean();
                if (forgetsEachTime || probe == 0) {
                    walk.configure(0, levels, true, false, true);   // forgets where tables are
                }
                second.configure(secondRoot, secondLevels, true, marks, true);
                NaiveWalk naive = new NaiveWalk(true, marks);
                long expected = naive.first(0, levels, address, write, false, secondRoot, secondLevels);
                long[] before = snapshot();
                String what = "seed %d probe %d address 0x%x %s".formatted(seed, probe, address, write ? "write" : "read");
                assertThat(walk.translate(address, write ? 2 : 1)).as(what).isEqualTo(expected);
                assertMarks(before, naive, expected >= 0, 1L << 5, what);
                if (expected >= 0) {
                    hits++;
                    naive.writes.forEach((slot, entry) -> assertThat(Ram.word(slot)).as(what).isEqualTo(entry));
                }
            }
        }
        assertThat(hits).as("successful walks").isGreaterThan(WORLDS * 3);
    }

    /** Guest pages 0 to 3 are four of the tables, with random permissions; everything else is absent. */
    private void guestMemory(long root, int levels, List<Long> spare) {
        long table = root;
        for (int level = levels; level > 1; level--) {
            int depth = levels - level;
            if (spare.size() <= depth) {
                spare.add(ram.frame());
            }
            Ram.word(table, spare.get(depth) | 3);
            table = spare.get(depth);
        }
        for (int page = 0; page < 4; page++) {
            int access = random.nextInt(6) == 0 ? random.nextInt(3) : 3;
            Ram.word(table + page * 8L, tables[page] | access);
        }
    }
}
