package iommu.smmuv3.unit;

import static iommu.smmuv3.unit.BareSmmu.*;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.HardwarePort;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What each command drops: every cached page's table entry is changed, one command is carried out, and one write per page shows
 * where it lands.
 */
class InvalidationScopeTest {
    private static final long FIRST = 0x10_0000;
    private static final long SECOND = 0x10_1000;
    private static final int VMID = 7;

    private final BareSmmu smmu = new BareSmmu();
    private final List<Cached> pages = new ArrayList<>();
    private long stage1OfA;

    @BeforeEach
    void start() {
        smmu.start();
    }

    @AfterEach
    void unback() {
        smmu.close();
    }

    /** A page whose translation is cached, with the old target, the new one, and where its leaf stands. */
    private record Cached(String name, HardwarePort port, long iova, long oldPage, long newPage, long slot, long newLeaf) {}

    private void cache(String name, HardwarePort port, long table, long iova, long attributes) {
        long oldPage = smmu.memory.page();
        long newPage = smmu.memory.page();
        add(name, port, iova, oldPage, newPage, smmu.map(table, iova, oldPage | attributes), newPage | attributes);
    }

    private void add(String name, HardwarePort port, long iova, long oldPage, long newPage, long slot, long newLeaf) {
        assertThat(smmu.write(port, iova, 1)).as("%s: %s", name, port.lastFault()).isEqualTo(DmaStatus.DONE);
        assertThat(PhysicalWords.get(oldPage)).isEqualTo(1);
        pages.add(new Cached(name, port, iova, oldPage, newPage, slot, newLeaf));
    }

    /** A and B: stage 1, ASIDs 1 and 2. C: stage 2 of a VMID. N: both stages, that VMID, ASID 1. S: substream 5, ASID 1. */
    private void cacheEverything() {
        stage1OfA = smmu.stage1Stream(1, 1);
        HardwarePort a = smmu.port(1);
        cache("A1", a, stage1OfA, FIRST, LEAF1);
        cache("A2", a, stage1OfA, SECOND, LEAF1);
        cache("B1", smmu.port(2), smmu.stage1Stream(2, 2), FIRST, LEAF1);
        HardwarePort c = smmu.port(3);
        long stage2 = smmu.stage2Stream(3, VMID);
        cache("C1", c, stage2, FIRST, LEAF2);
        cache("C2", c, stage2, SECOND, LEAF2);
        long contexts = smmu.memory.take(64 * 8, 4096);
        long table = smmu.memory.page();
        TestMemory.words(contexts + 5 * 64, CONTEXT | 1L << 48, table);
        smmu.stream(5, STAGE1 | contexts | 3L << 59, 0, 0, 0);
        cache("S1", smmu.port(5, 5), table, FIRST, LEAF1);
        cacheNested();
    }

    /** The second stage maps everything below 16 MiB of the test's memory to itself, in one block per 2 MiB. */
    private void cacheNested() {
        long second = smmu.memory.page();
        for (long block = 0; block < 16L << 20; block += 2L << 20) {
            smmu.map(second, TestMemory.BASE + block, TestMemory.BASE + block | LEAF2 & ~2, 1);
        }
        long table = smmu.memory.page();
        smmu.stream(4, NESTED | smmu.context(CONTEXT | 1L << 48, table), 0, STAGE2_FORM | VMID, second);
        cache("N1", smmu.port(4), table, FIRST, LEAF1);
    }

    /** Names of the pages whose next write lands where the table says now. */
    private Set<String> droppedBy(long word0, long word1) {
        pages.forEach(page -> PhysicalWords.set(page.slot(), page.newLeaf()));
        smmu.command(word0, word1);
        assertThat(smmu.unit.read(0x9c, 4) & 0xff).as("consumed").isEqualTo(smmu.producer());
        Set<String> dropped = new TreeSet<>();
        for (Cached page : pages) {
            assertThat(smmu.write(page.port(), page.iova(), 2)).isEqualTo(DmaStatus.DONE);
            boolean atNew = PhysicalWords.get(page.newPage()) == 2;
            assertThat(PhysicalWords.get(page.oldPage())).isEqualTo(atNew ? 1 : 2);
            if (atNew) {
                dropped.add(page.name());
            }
        }
        return dropped;
    }

    private static long tlbi(int opcode, int vmid, int asid) {
        return opcode | (long) vmid << 32 | (long) asid << 48;
    }

    @Test
    void nothingIsDroppedBySync() {
        cacheEverything();
        assertThat(droppedBy(0x46, 0)).isEmpty();
    }

    @Test
    void nothingIsDroppedByPrefetch() {
        cacheEverything();
        assertThat(droppedBy(0x01 | 1L << 32, 0)).isEmpty();
    }

    @Test
    void nhAllDropsStage1OfItsVmid() {
        cacheEverything();
        assertThat(droppedBy(tlbi(0x10, 0, 0), 0)).containsExactly("A1", "A2", "B1", "S1");
    }

    @Test
    void nhAllOfAVmidDropsCombinedEntries() {
        cacheEverything();
        assertThat(droppedBy(tlbi(0x10, VMID, 0), 0)).containsExactly("N1");
    }

    @Test
    void nhAsidDropsItsAsidUnderItsVmid() {
        cacheEverything();
        assertThat(droppedBy(tlbi(0x11, 0, 1), 0)).containsExactly("A1", "A2", "S1");
    }

    @Test
    void nhVaDropsOnePageOfItsAsid() {
        cacheEverything();
        assertThat(droppedBy(tlbi(0x12, 0, 1), FIRST | 1)).containsExactly("A1", "S1");
    }

    @Test
    void nhVaDropsGlobalPagesOfOtherAsids() {
        cacheEverything();
        cache("G1", smmu.port(6), smmu.stage1Stream(6, 3), FIRST, LEAF1 & ~(1 << 11));
        assertThat(droppedBy(tlbi(0x12, 0, 1), FIRST)).containsExactly("A1", "G1", "S1");
    }

    @Test
    void nhVaOfAVmid() {
        cacheEverything();
        assertThat(droppedBy(tlbi(0x12, VMID, 1), FIRST)).containsExactly("N1");
    }

    @Test
    void nhVaaDropsOnePageOfEveryAsid() {
        cacheEverything();
        assertThat(droppedBy(tlbi(0x13, 0, 0xffff), FIRST)).containsExactly("A1", "B1", "S1");
    }

    @Test
    void s12VmallDropsEverythingOfItsVmid() {
        cacheEverything();
        assertThat(droppedBy(tlbi(0x28, VMID, 0), 0)).containsExactly("C1", "C2", "N1");
    }

    @Test
    void s2IpaDropsOnePageOfItsVmidAndWhatMayStandOnIt() {
        cacheEverything();
        assertThat(droppedBy(tlbi(0x2a, VMID, 0), SECOND)).containsExactly("C2", "N1");
    }

    @Test
    void nsnhAllDropsEverything() {
        cacheEverything();
        assertThat(droppedBy(0x30, 0)).containsExactly("A1", "A2", "B1", "C1", "C2", "N1", "S1");
    }

    @Test
    void aRangeDropsItsPages() {
        cacheEverything();
        long twoPages = 1L << 12;   // NUM 1, SCALE 0
        assertThat(droppedBy(tlbi(0x12, 0, 1) | twoPages, FIRST | 1 << 10)).containsExactly("A1", "A2", "S1");
    }

    @Test
    void aRangeEndsWhereItSays() {
        cacheEverything();
        long scale3 = 3L << 20;   // 8 pages from 0xf9000: ends with FIRST
        assertThat(droppedBy(tlbi(0x12, 0, 1) | scale3, FIRST - 7 * 4096 | 1 << 10)).containsExactly("A1", "S1");
    }

    @Test
    void cfgiSteDropsItsStream() {
        cacheEverything();
        assertThat(droppedBy(0x03 | 1L << 32, 1)).containsExactly("A1", "A2");
    }

    @Test
    void cfgiSteRangeIsAlignedToItsSize() {
        cacheEverything();
        assertThat(droppedBy(0x04 | 3L << 32, 0)).as("streams 2 and 3").containsExactly("B1", "C1", "C2");
    }

    @Test
    void cfgiAllDropsAllConfiguration() {
        cacheEverything();
        assertThat(droppedBy(0x04 | 3L << 32, 31)).containsExactly("A1", "A2", "B1", "C1", "C2", "N1", "S1");
    }

    @Test
    void cfgiCdLeavesOtherSubstreams() {
        cacheEverything();
        assertThat(droppedBy(0x05 | 4L << 12 | 5L << 32, 1)).isEmpty();
    }

    @Test
    void cfgiCdDropsOneSubstream() {
        cacheEverything();
        assertThat(droppedBy(0x05 | 5L << 12 | 5L << 32, 1)).containsExactly("S1");
    }

    @Test
    void cfgiCdAllDropsTheSubstreamsOfItsStream() {
        cacheEverything();
        assertThat(droppedBy(0x06 | 5L << 32, 0)).containsExactly("S1");
    }

    @Test
    void configurationIsCachedUntilItIsInvalidated() {
        long table = smmu.stage1Stream(1, 1);
        long page = smmu.memory.page();
        smmu.map(table, FIRST, page | LEAF1);
        smmu.map(table, SECOND, page | LEAF1);
        HardwarePort port = smmu.port(1);
        smmu.write(port, FIRST, 1);
        smmu.stream(1, ABORT);
        assertThat(smmu.write(port, SECOND, 1)).as("a walk with the cached entry").isEqualTo(DmaStatus.DONE);
        smmu.command(0x03 | 1L << 32, 1);
        assertThat(smmu.write(port, FIRST, 1)).isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void anAddressAnywhereInABlockDropsAllOfIt() {
        long table = smmu.stage1Stream(1, 1);
        long block = LEAF1 & ~2;
        HardwarePort port = smmu.port(1);
        long oldPage = smmu.memory.page();
        long inside = oldPage & 0x3fff_ffff;
        long slot = smmu.map(table, 0x8000_0000L, oldPage & ~0x3fff_ffffL | block, 2);
        add("1G", port, 0x8000_0000L + inside, oldPage, oldPage + 0x20_0000, slot, (oldPage & ~0x3fff_ffffL) | block);
        pages.clear();
        PhysicalWords.set(slot, 0);
        assertThat(smmu.write(port, 0x8000_0000L + inside, 2)).as("cached").isEqualTo(DmaStatus.DONE);
        smmu.command(tlbi(0x12, 0, 1), 0x8000_0000L + (inside + (512 << 20) & 0x3fff_f000));
        assertThat(smmu.write(port, 0x8000_0000L + inside, 3)).isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void anAddressAnywhereInA64KPageDropsAllOfIt() {
        long top = smmu.memory.take(1 << 16, 1 << 16);
        long middle = smmu.memory.take(1 << 16, 1 << 16);
        long leaves = smmu.memory.take(1 << 16, 1 << 16);
        long page = smmu.memory.take(1 << 16, 1 << 16);
        TestMemory.words(top, middle | 3);
        TestMemory.words(middle, leaves | 3);
        TestMemory.words(leaves + 8, page | LEAF1);
        smmu.stream(1, STAGE1 | smmu.context(CONTEXT | 1 << 6 | 1L << 48, top), 0, 0, 0);
        HardwarePort port = smmu.port(1);
        assertThat(smmu.write(port, 0x1_3000, 1)).isEqualTo(DmaStatus.DONE);
        assertThat(PhysicalWords.get(page + 0x3000)).isEqualTo(1);
        TestMemory.words(leaves + 8, 0);
        smmu.command(tlbi(0x12, 0, 1), 0x2_0000);
        assertThat(smmu.write(port, 0x1_3000, 1)).as("the page before").isEqualTo(DmaStatus.DONE);
        smmu.command(tlbi(0x12, 0, 1), 0x1_c000);
        assertThat(smmu.write(port, 0x1_3000, 1)).isEqualTo(DmaStatus.FAULTED);
    }
}
