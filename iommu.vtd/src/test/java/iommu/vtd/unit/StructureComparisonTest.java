package iommu.vtd.unit;

import static iommu.vtd.Ram.word;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.vtd.Ram;
import iommufd.api.dma.Pasid;
import iommufd.api.memory.MemoryMap;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Root, context, PASID and interrupt tables of random units against {@link NaiveStructures}: same reason, or same outcome. */
class StructureComparisonTest {
    private static final int SID = 0x0398;
    private static final int PROBES = 40_000;
    private static final VtdFeature[] OPTIONAL = {VtdFeature.NESTED, VtdFeature.DEVICE_TLB, VtdFeature.SUPERVISOR,
        VtdFeature.RID_PRIVILEGED, VtdFeature.PAGE_REQUESTS, VtdFeature.SNOOP_CONTROL, VtdFeature.PASS_THROUGH, VtdFeature.RID_PASID,
        VtdFeature.PASID, VtdFeature.SECOND_STAGE, VtdFeature.SECOND_STAGE_DIRTY, VtdFeature.FIRST_STAGE, VtdFeature.FIRST_STAGE_5_LEVELS,
        VtdFeature.EXTENDED_ACCESSED, VtdFeature.SCALABLE_COHERENT, VtdFeature.INTERRUPT_REMAPPING, VtdFeature.POSTED_INTERRUPTS};

    private final Ram ram = new Ram();
    private final long root = ram.frame();
    private final long contexts = ram.frame();
    private final long directory = ram.frame();
    private final long pasids = ram.frame();
    private final Set<Integer> reasons = new TreeSet<>();
    private Random random;

    /** Each of the optional features by chance, and what is left of them that has all it needs. */
    private VtdFeatures features() {
        Set<VtdFeature> some = EnumSet.copyOf(VtdFeatures.scalableMode().features());
        for (VtdFeature feature : OPTIONAL) {
            if (random.nextInt(6) == 0) {
                some.remove(feature);
            } else {
                some.add(feature);
            }
        }
        while (some.removeIf(each -> Arrays.stream(each.needed()).anyMatch(needed -> !some.contains(needed)))) { }
        if (!some.contains(VtdFeature.FIRST_STAGE) && !some.contains(VtdFeature.SECOND_STAGE)) {
            some.add(VtdFeature.FIRST_STAGE);
        }
        return new VtdFeatures(some, new int[] {39, 48, 57}[random.nextInt(3)], 8 + random.nextInt(13), 1,
                random.nextInt(3) == 0 ? 8 : 16, 18);
    }

    private long flipped(long word) {
        for (int flips = random.nextInt(4) == 0 ? 1 + random.nextInt(2) : 0; flips > 0; flips--) {
            word ^= 1L << random.nextInt(64);
        }
        return word;
    }

    private long table(long usual) {
        return random.nextInt(30) == 0 ? Ram.HOLE : usual;
    }

    private void write(long at, long... words) {
        for (int i = 0; i < words.length; i++) {
            word(at + i * 8L, words[i]);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void legacyTables(long seed) {
        random = new Random(seed);
        for (int probe = 0; probe < PROBES; probe++) {
            VtdFeatures features = features();
            write(root + 3 * 16, flipped(table(contexts) | 1), random.nextInt(40) == 0 ? flipped(0) : 0);
            write(contexts + (SID & 0xFF) * 16, flipped(table(directory) | random.nextInt(4) << 2 | 1),
                    flipped((long) random.nextInt(1 << 16) << 8 & 0xFFFF_FF00L | 1 + random.nextInt(3)));
            RequestKind kind = random.nextBoolean() ? RequestKind.UNTRANSLATED : RequestKind.TRANSLATION;
            RequesterContext context = new RequesterContext(features, features.reservedBits(), new KnownMemory(MemoryMap.HOST), SID,
                    Pasid.NONE, false);
            NaiveStructures naive = new NaiveStructures(features);
            long at = random.nextInt(50) == 0 ? Ram.HOLE : root;
            int expected = naive.legacy(at, SID, kind == RequestKind.TRANSLATION);
            int reason = context.resolve(new Translation(true, 0, at), kind);
            assertThat(reason).as("seed %d probe %d %s", seed, probe, features).isEqualTo(expected);
            if (reason == 0) {
                assertThat(List.of(context.type, context.domainId, context.secondStageTable, context.secondStageLevels))
                        .as("seed %d probe %d", seed, probe).isEqualTo(List.of(naive.type, naive.did, naive.secondTable, naive.levels));
            }
            reasons.add(reason);
        }
        assertThat(reasons).contains(0, 0x1, 0x2, 0x3, 0x8, 0x9, 0xA, 0xB, 0xD);
    }

    @ParameterizedTest
    @ValueSource(longs = {11, 12, 13, 14})
    void scalableTables(long seed) {
        random = new Random(seed);
        for (int probe = 0; probe < PROBES; probe++) {
            VtdFeatures features = features();
            int ridPasid = random.nextInt(3) == 0 ? random.nextInt(64) : 0;
            int pasid = random.nextInt(3) == 0 ? Pasid.NONE : random.nextInt(8) == 0 ? random.nextInt(1 << 20) : random.nextInt(64);
            write(root + 3 * 16, 0, flipped(table(contexts) | 1));
            write(contexts + (SID & 0x7F) * 32, flipped(table(directory) | random.nextInt(8) << 9 | (random.nextInt(4) == 0 ? 0 : 1 << 3)
                    | (features.has(VtdFeature.DEVICE_TLB) ? random.nextInt(2) << 2 : 0)
                    | (features.has(VtdFeature.PAGE_REQUESTS) ? random.nextInt(2) << 4 : 0) | 1),
                    flipped(ridPasid | (random.nextInt(4) == 0 ? 1 << 20 : 0)), random.nextInt(40) == 0 ? flipped(0) : 0, 0);
            for (int i = 0; i < 8; i++) {
                word(directory + i * 8, 0);
            }
            word(directory, flipped(table(pasids) | 1));
            pasidEntry(Math.max(pasid, 0) & 63, features);
            pasidEntry(ridPasid, features);
            RequestKind kind = new RequestKind[] {RequestKind.UNTRANSLATED, RequestKind.TRANSLATION, RequestKind.PAGE}[random.nextInt(3)];
            boolean privileged = random.nextInt(4) == 0;
            RequesterContext context = new RequesterContext(features, features.reservedBits(), new KnownMemory(MemoryMap.HOST), SID, pasid,
                    privileged);
            NaiveStructures naive = new NaiveStructures(features);
            int expected = naive.scalable(root, SID, pasid, privileged, kind == RequestKind.TRANSLATION, kind == RequestKind.PAGE);
            int reason = context.resolve(new Translation(true, 1, root), kind);
            assertThat(reason).as("seed %d probe %d %s PASID %d %s", seed, probe, kind, pasid, features).isEqualTo(expected);
            if (reason == 0) {
                List<Object> found = new ArrayList<>(List.of(context.type, context.domainId, context.secondStageTable, context.firstStageTable));
                assertThat(found).as("seed %d probe %d", seed, probe)
                        .isEqualTo(List.of(naive.type, naive.did, naive.secondTable, naive.firstTable));
            }
            reasons.add(reason);
        }
        assertThat(reasons).contains(0, 0x39, 0x3A, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x50, 0x51, 0x52, 0x58, 0x59, 0x5A,
                0x5B, 0x5D, 0x89);
    }

    private void pasidEntry(int index, VtdFeatures features) {
        boolean first = features.has(VtdFeature.FIRST_STAGE);
        boolean second = features.has(VtdFeature.SECOND_STAGE);
        write(pasids + index * 64L,
                flipped((second ? contexts | 1 + random.nextInt(3) << 2 : 0) | 1 + random.nextInt(4) << 6
                        | (features.has(VtdFeature.SECOND_STAGE_DIRTY) ? random.nextInt(2) << 9 : 0) | 1),
                flipped(random.nextInt(200) | (features.has(VtdFeature.SCALABLE_COHERENT) ? 1 << 23 : 0)),
                flipped(first ? contexts & 0x7F_FFFF_F000L | random.nextInt(2) << 2 | (features.has(VtdFeature.SUPERVISOR) ? random.nextInt(2) : 0) : 0),
                random.nextInt(40) == 0 ? flipped(0) : 0, 0, 0, 0, 0);
    }

    @ParameterizedTest
    @ValueSource(longs = {21, 22, 23})
    void interruptEntries(long seed) {
        random = new Random(seed);
        for (int round = 0; round < 40; round++) {
            VtdFeatures features = features().with(VtdFeature.INTERRUPT_REMAPPING, VtdFeature.EXTENDED_INTERRUPTS);
            MessageSink sink = (address, data) -> { };
            VtdUnit unit = new VtdUnit("v", features, MemoryMap.HOST, entry -> { }, sink, Optional.of(sink), 1_000_000_000);
            boolean extended = random.nextBoolean();
            unit.write(0xB8, 8, directory | (extended ? 1 << 11 : 0));
            unit.write(0x18, 4, 1 << 24);
            unit.write(0x18, 4, 1 << 25);
            NaiveStructures naive = new NaiveStructures(features);
            for (int probe = 0; probe < PROBES / 40; probe++) {
                boolean posted = random.nextInt(3) == 0;
                write(pasids, 0, 0, 0, 0, 0, 0, 0, 0);
                long destination = extended ? random.nextInt() & 0xFFFF_FFFFL : (long) random.nextInt(256) << 8;
                long low = flipped(posted ? 1 | 1 << 15 | (long) random.nextInt(256) << 16 | random.nextInt(2) << 14 | pasids << 32
                        : 1 | random.nextInt(64) << 2 | (long) random.nextInt(256) << 16 | destination << 32);
                long high = flipped((posted ? pasids & -1L << 32 : 0) | random.nextInt(4) << 16 | random.nextInt(12) % 4 << 18
                        | (random.nextBoolean() ? SID : random.nextInt(1 << 16)));
                write(directory, low, high);
                int expected = naive.interrupt(low, high, SID, extended);
                Optional<InterruptRemapper.Blocked> blocked = unit.interrupt(SID, 0xFEE0_0010L, 0);
                int reason = blocked.map(each -> each.reason().code()).orElse(0);
                if (reason != 0x27 || expected != 0) {   // flipped addresses of descriptors may lead nowhere
                    assertThat(reason).as("seed %d round %d probe %d: 0x%x 0x%x %s", seed, round, probe, high, low, features).isEqualTo(expected);
                }
                blocked.ifPresent(each -> assertThat(each.suppressed()).isEqualTo((low & 2) != 0));
                reasons.add(reason);
            }
        }
        assertThat(reasons).contains(0, 0x22, 0x24, 0x26);
    }
}
