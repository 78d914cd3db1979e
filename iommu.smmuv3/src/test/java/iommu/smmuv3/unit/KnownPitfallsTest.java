package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;
import static iommu.smmuv3.unit.BareSmmu.*;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.HardwarePort;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Defects other SMMUv3 models had; each test would fail on theirs. The numbers are those of the project's list. */
class KnownPitfallsTest {
    private static final long S2 = 1L << 39;
    private static final long CLASS_CD = 0;
    private static final long CLASS_TT = 1L << 40;
    private static final long CLASS_IN = 2L << 40;
    private static final long STREAM = 3L << 32;
    /** How far intermediate addresses lie above physical ones in nested tests. */
    private static final long IPA_SHIFT = 1L << 40;

    private final BareSmmu smmu = new BareSmmu();

    @BeforeEach
    void start() {
        smmu.start();
    }

    @AfterEach
    void unback() {
        smmu.close();
    }

    private void lands(HardwarePort port, long iova, long page) {
        assertThat(smmu.write(port, iova, iova | 1)).as("0x%x: %s", iova, port.lastFault()).isEqualTo(DmaStatus.DONE);
        assertThat(PhysicalWords.get(page)).isEqualTo(iova | 1);
    }

    private long[] eventOf(HardwarePort port, long iova) {
        assertThat(smmu.write(port, iova, 1)).isEqualTo(DmaStatus.FAULTED);
        return smmu.event();
    }

    @Test
    void pitfall14AFullEventQueueIsAnOverflowNotAnAbort() {
        HardwarePort port = smmu.port(3);
        for (int i = 0; i <= 1 << smmu.queueLg2; i++) {
            smmu.write(port, 0, 1);
        }
        assertThat(smmu.get(EVENTQ_PROD) & EVENTQ_OVERFLOW).isNotZero();
        assertThat(smmu.get(GERROR)).isZero();
    }

    @Test
    void pitfall14AnAbortOfTheEventQueueIsNoOverflow() {
        smmu.unit.write(CR0, 4, CR0_SMMUEN | CR0_CMDQEN);
        smmu.unit.write(EVENTQ_BASE, 8, TestMemory.HOLE | 4);
        smmu.unit.write(CR0, 4, CR0_SMMUEN | CR0_CMDQEN | CR0_EVENTQEN);
        smmu.write(smmu.port(3), 0, 1);
        assertThat(smmu.get(GERROR)).isEqualTo(GERROR_EVENTQ_ABT_ERR);
        assertThat(smmu.get(EVENTQ_PROD)).isZero();
    }

    @Test
    void pitfall15FullAndEmptyDifferInTheWrapBit() {
        for (int i = 0; i < 16; i++) {
            smmu.put(0x30, 0);
        }
        smmu.ring();
        assertThat(smmu.get(CMDQ_CONS)).as("index 0 again, but 16 commands were there").isEqualTo(16);
    }

    @Test
    void pitfall15CompletionSignal3IsIllegalAndConsStaysOnIt() {
        smmu.put(0x46, 0);
        smmu.put(0x46 | 3 << 12, 0);
        smmu.ring();
        assertThat(smmu.get(CMDQ_CONS)).isEqualTo(1 | 1 << 24);
        assertThat(smmu.get(GERROR)).isEqualTo(GERROR_CMDQ_ERR);
    }

    @Test
    void pitfall15ConsIsWritableWhileTheQueueIsOff() {
        smmu.unit.write(CR0, 4, 0);
        smmu.unit.write(CMDQ_CONS, 4, 0x13);
        assertThat(smmu.get(CMDQ_CONS)).isEqualTo(0x13);
    }

    @Test
    void pitfall16AbortIsSilentAndInvalidIsNot() {
        smmu.stream(3, ABORT, 0, 0, 0);
        assertThat(eventOf(smmu.port(3), 0)).isEmpty();
        smmu.stream(3, 0, 0, 0, 0);
        smmu.command(0x03 | STREAM, 0);
        assertThat(eventOf(smmu.port(3), 0)).containsExactly(0x04 | STREAM, 0, 0, 0);
    }

    @Test
    void pitfall17ALevelHintDoesNotNarrowWhatALookUpMustFind() {
        long table = smmu.stage1Stream(3, 1);
        long page = smmu.memory.page();
        long slot = smmu.map(table, 0x7000, page | LEAF1);
        HardwarePort port = smmu.port(3);
        lands(port, 0x7000, page);
        PhysicalWords.set(slot, 0);
        smmu.command(0x12 | 1L << 48 | 6 << 12, 0x1000 | 1 << 10 | 3 << 8);   // 7 pages, odd start, hint level 3
        assertThat(smmu.write(port, 0x7000, 1)).isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void pitfall17TheRangesGranuleIs2TgPlus10() {
        long table = smmu.stage1Stream(3, 1);
        long page = smmu.memory.page();
        long slot = smmu.map(table, 0x1_f000, page | LEAF1);
        HardwarePort port = smmu.port(3);
        lands(port, 0x1_f000, page);
        PhysicalWords.set(slot, 0);
        smmu.command(0x12 | 1L << 48 | 1 << 12, 3 << 10);   // 2 granules of 64 KiB from 0
        assertThat(smmu.write(port, 0x1_f000, 1)).isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void pitfall18NhCommandsMatchTheVmidOfAStageOneStream() {
        long table = smmu.memory.page();
        long page = smmu.memory.page();
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT | 1L << 48, table), 0, 5, 0);   // S2VMID 5
        long slot = smmu.map(table, 0x1000, page | LEAF1);
        HardwarePort port = smmu.port(3);
        lands(port, 0x1000, page);
        PhysicalWords.set(slot, 0);
        smmu.command(0x13, 0x1000);
        smmu.command(0x11 | 1L << 48, 0);
        assertThat(smmu.write(port, 0x1000, 1)).as("another VMID's").isEqualTo(DmaStatus.DONE);
        smmu.command(0x13 | 5L << 32 | 99L << 48, 0x1000);
        assertThat(smmu.write(port, 0x1000, 1)).as("VAA has no ASID").isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void pitfall19TheUpperTableNeedsSignExtendedAddresses() {
        long table = smmu.memory.page();
        long page = smmu.memory.page();
        long context = smmu.memory.take(64, 64);
        long word0 = CONTEXT & ~(1L << 30) | 1 << 14 | 16L << 16 | 2L << 22;   // EPD0; T1SZ 16, TG1 2 = 4K
        TestMemory.words(context, word0, 0, table);
        smmu.stream(3, STAGE1 | context, 0, 0, 0);
        long iova = 0xffff_8000_1234_5000L;
        smmu.map(table, iova & 0xffff_ffff_ffffL, page | LEAF1);
        HardwarePort port = smmu.port(3);
        lands(port, iova, page);
        long truncated = iova & 0xffff_ffff_ffffL;
        assertThat(eventOf(port, truncated)).containsExactly(0x10 | STREAM, CLASS_IN, truncated, 0);
        long other = iova & ~(1L << 60);
        assertThat(eventOf(port, other)).containsExactly(0x10 | STREAM, CLASS_IN, other, 0);
        smmu.command(0x12, iova);
        lands(port, iova, page);
    }

    @Test
    void pitfall19WithTbiTheTopByteIsIgnoredAlsoByInvalidation() {
        long table = smmu.memory.page();
        long page = smmu.memory.page();
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT | 1L << 38, table), 0, 0, 0);
        long slot = smmu.map(table, 0x5000, page | LEAF1);
        HardwarePort port = smmu.port(3);
        long tagged = 0xab00_0000_0000_5000L;
        lands(port, tagged, page);
        lands(port, 0x5000, page);
        PhysicalWords.set(slot, 0);
        smmu.command(0x12, 0x5000);
        assertThat(eventOf(port, tagged)).as("the address as it came in").containsExactly(0x10 | STREAM, CLASS_IN, tagged, 0);
        assertThat(smmu.write(port, 0xab01_0000_0000_5000L, 1)).as("bits 55:48 count").isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void pitfall19Tg0AndTg1AreEncodedDifferently() {
        for (int granuleLg2 : new int[] {12, 14, 16}) {
            int bytes = 1 << granuleLg2;
            long leaves = smmu.memory.take(bytes, bytes);
            long page = smmu.memory.take(bytes, bytes);
            // An input of one level: 2^(2 granule - 3) bytes, at least 25 bits.
            long top = smmu.memory.take(bytes, bytes);
            TestMemory.words(top, leaves | 3);
            TestMemory.words(leaves, page | LEAF1);
            int levels = granuleLg2 == 16 ? 1 : 2;
            long first = levels == 1 ? leaves : top;
            long size = 64 - (granuleLg2 + levels * (granuleLg2 - 3));
            long tg0 = granuleLg2 == 12 ? 0 : granuleLg2 == 14 ? 2 : 1;
            long tg1 = granuleLg2 == 12 ? 2 : granuleLg2 == 14 ? 1 : 3;
            long context = smmu.memory.take(64, 64);
            TestMemory.words(context, CONTEXT & ~(1L << 30 | 0x3f) | size | tg0 << 6 | size << 16 | tg1 << 22, first, first);
            smmu.stream(3, STAGE1 | context, 0, 0, 0);
            smmu.command(0x03 | STREAM, 0);
            HardwarePort port = smmu.port(3);
            lands(port, 0x18, page + 0x18);
            lands(port, (-1L << 64 - size) + 0x20, page + 0x20);
        }
    }

    /** A nested stream whose context and tables are at {@link #IPA_SHIFT} above their place. @return its second stage */
    private long nested(long table, long context) {
        long second = smmu.memory.page();
        smmu.map(second, context + IPA_SHIFT, context & ~0xfffL | LEAF2);
        smmu.map(second, table + IPA_SHIFT, table | LEAF2);
        smmu.stream(3, NESTED | context + IPA_SHIFT, 0, STAGE2_FORM | 7, second);
        return second;
    }

    @Test
    void pitfall20ContextAndTablesOfANestedStreamAreIntermediateAddresses() {
        long table = smmu.memory.page();
        long context = smmu.context(CONTEXT, table + IPA_SHIFT);
        long second = nested(table, context);
        HardwarePort port = smmu.port(3);
        long below = smmu.memory.page();
        PhysicalWords.set(table, below + IPA_SHIFT | 3);
        assertThat(eventOf(port, 0x1000)).as("walking stage 1")
                .containsExactly(0x10 | STREAM, S2 | CLASS_TT, 0x1000, below + IPA_SHIFT);
        smmu.map(second, context + IPA_SHIFT, 0);
        smmu.command(0x03 | STREAM, 0);
        assertThat(eventOf(port, 0x1000)).as("fetching the context")
                .containsExactly(0x10 | STREAM, S2 | CLASS_CD, 0x1000, context + IPA_SHIFT & ~0xfffL);
    }

    @Test
    void pitfall20TheOutputOfStage1IsCheckedAgainstIpsBeforeStage2() {
        long table = smmu.memory.page();
        long context = smmu.context(CONTEXT & ~(7L << 32) | 3L << 32, table + IPA_SHIFT);   // IPS 42 bits
        long second = nested(table, context);
        PhysicalWords.set(table, 1L << 43 | LEAF1);   // as a table of the next level
        assertThat(eventOf(smmu.port(3), 0x1000)).containsExactly(0x11 | STREAM, CLASS_IN, 0x1000, 0);
        assertThat(second).isPositive();
    }

    @Test
    void pitfall20ACombinedEntryIsOfTheSmallerPage() {
        long second = smmu.memory.page();
        for (long block = 0; block < 16L << 20; block += 2L << 20) {
            smmu.map(second, TestMemory.BASE + block, TestMemory.BASE + block | LEAF2 & ~2, 1);
        }
        long table = smmu.memory.page();
        smmu.stream(3, NESTED | smmu.context(CONTEXT, table), 0, STAGE2_FORM | 7, second);
        smmu.map(table, 0x20_0000, 0x4000_0000 | LEAF1 & ~2, 1);   // 2 MiB over pages of 4 KiB
        long first = smmu.memory.page();
        long other = smmu.memory.take(8192, 4096) + 4096;
        smmu.map(second, 0x4000_0000, first | LEAF2);
        smmu.map(second, 0x4000_1000, other | LEAF2);
        HardwarePort port = smmu.port(3);
        lands(port, 0x20_0000, first);
        lands(port, 0x20_1000, other);
        // The first stage's page is 2 MiB: an address anywhere in it drops both.
        smmu.map(table, 0x20_0000, 0, 1);
        smmu.command(0x12 | 7L << 32, 0x3f_f000);
        assertThat(smmu.write(port, 0x20_0000, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.write(port, 0x20_1000, 1)).isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void pitfall20AReadOnlyTablePageStopsItsAccessFlagUpdate() {
        long page = smmu.memory.page();
        long second = smmu.memory.page();
        for (long block = 0; block < 2L << 20; block += 4096) {
            smmu.map(second, TestMemory.BASE + block, TestMemory.BASE + block | LEAF2);
        }
        long table = smmu.memory.page();
        smmu.map(second, table, table | LEAF2);
        smmu.stream(3, NESTED | smmu.context(CONTEXT | 1L << 43, table), 0, STAGE2_FORM | 7, second);
        long slot = smmu.map(table, 0x1000, page | LEAF1 & ~(1 << 10));
        for (long block = 0; block < 4L << 20; block += 4096) {
            smmu.map(second, TestMemory.BASE + block, TestMemory.BASE + block | LEAF2);
        }
        smmu.map(second, slot & ~0xfffL, slot & ~0xfffL | LEAF2 & ~(1 << 7));
        assertThat(eventOf(smmu.port(3), 0x1000)).as("TTRnW says write")
                .containsExactly(0x13 | STREAM, S2 | CLASS_TT, 0x1000, slot & ~0xfffL);
    }

    @Test
    void pitfall21TheStreamTablesBaseIsAlignedToItsSize() {
        smmu.stream(3, BYPASS, 0, 0, 0);
        smmu.unit.write(CR0, 4, CR0_CMDQEN | CR0_EVENTQEN);
        smmu.unit.write(STRTAB_BASE, 8, smmu.streamTable | 0x840);
        smmu.unit.write(CR0, 4, CR0_SMMUEN | CR0_CMDQEN | CR0_EVENTQEN);
        long page = smmu.memory.page();
        lands(smmu.port(3), page, page);
    }

    @Test
    void pitfall21AStreamBeyondLog2SizeHasNoEntryThoughMemoryIsThere() {
        int beyond = 1 << STREAMS_LG2;
        assertThat(smmu.write(smmu.port(beyond), 0x1000, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).containsExactly(0x02 | (long) beyond << 32, 0, 0, 0);
    }

    @Test
    void pitfall21ASpanLargerThanTheSplitIsOutOfRange() {
        long top = smmu.memory.page();
        long leaf = smmu.memory.page();
        PhysicalWords.set(leaf + 3 * 64, BYPASS);
        smmu.unit.write(CR0, 4, CR0_CMDQEN | CR0_EVENTQEN);
        smmu.unit.write(STRTAB_BASE, 8, top);
        smmu.unit.write(STRTAB_BASE_CFG, 4, STRTAB_FMT_2LEVEL | 6 << STRTAB_SPLIT_SHIFT | 8);
        smmu.unit.write(CR0, 4, CR0_SMMUEN | CR0_CMDQEN | CR0_EVENTQEN);
        long page = smmu.memory.page();
        HardwarePort port = smmu.port(3);
        for (int span : new int[] {0, 8, 0x17, 0x1f}) {
            PhysicalWords.set(top, leaf | span);
            assertThat(eventOf(port, page)).as("span %d", span).containsExactly(0x02 | STREAM, 0, 0, 0);
        }
        PhysicalWords.set(top, leaf | 7);
        lands(port, page, page);
    }

    @Test
    void pitfall21CfgiAllCoversStreamsWithTheTopBitSet() {
        SmmuUnit wide = new SmmuUnit("wide", new SmmuFeatures(32, 0, 4), SmmuInterrupts.NONE, entry -> { });
        long top = smmu.memory.page();
        long leaf = smmu.memory.page();
        PhysicalWords.set(leaf + 63 * 64, BYPASS);
        // The first level of 2^32 streams would be 512 MiB: only its last descriptor is put into memory.
        long virtualTop = TestMemory.BASE;
        assertThat(top).isGreaterThan(virtualTop);
        long slot = virtualTop + ((1L << 26) - 1) * 8;
        iommufd.api.memory.HostMemory.backAnonymous(slot & -(2L << 20), 2L << 20, false);
        try {
            PhysicalWords.set(slot, leaf | 7);
            wide.write(STRTAB_BASE, 8, virtualTop);
            wide.write(STRTAB_BASE_CFG, 4, STRTAB_FMT_2LEVEL | 6 << STRTAB_SPLIT_SHIFT | 32);
            wide.write(CMDQ_BASE, 8, smmu.commandQueue | 4);
            wide.write(CR0, 4, CR0_SMMUEN | CR0_CMDQEN);
            HardwarePort port = wide.openPort(new iommufd.api.dma.RequesterId(-1), -1);
            long page = smmu.memory.page();
            lands(port, page, page);
            PhysicalWords.set(leaf + 63 * 64, ABORT);
            TestMemory.words(smmu.commandQueue, 0x04, 31);
            wide.write(CMDQ_PROD, 4, 1);
            assertThat(smmu.write(port, page, 1)).isEqualTo(DmaStatus.FAULTED);
        } finally {
            iommufd.api.memory.HostMemory.unback(slot & -(2L << 20), 2L << 20);
        }
    }

    @Test
    void pitfall22AffdTurnsTheAccessFlagFaultOff() {
        long page = smmu.memory.page();
        long table = smmu.memory.page();
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT | 1L << 35, table), 0, 0, 0);
        long slot = smmu.map(table, 0x1000, page | LEAF1 & ~(1 << 10));
        lands(smmu.port(3), 0x1000, page);
        assertThat(PhysicalWords.get(slot)).as("untouched").isEqualTo(page | LEAF1 & ~(1 << 10));
    }

    @Test
    void pitfall22S1dssTerminatesPassesOrTakesContext0() {
        long contexts = smmu.memory.take(128, 128);
        long table = smmu.memory.page();
        long page = smmu.memory.page();
        smmu.map(table, 0x1000, page | LEAF1);
        TestMemory.words(contexts, CONTEXT, table);
        long entry = STAGE1 | contexts | 1L << 59;
        HardwarePort port = smmu.port(3);
        for (long terminates : new long[] {0, 3}) {
            smmu.stream(3, entry, terminates, 0, 0);
            smmu.command(0x03 | STREAM, 0);
            assertThat(eventOf(port, 0x1000)).containsExactly(0x06 | STREAM, 0, 0, 0);
        }
        smmu.stream(3, entry, 1, 0, 0);
        smmu.command(0x03 | STREAM, 0);
        lands(port, page, page);
        smmu.stream(3, entry, 2, 0, 0);
        smmu.command(0x03 | STREAM, 0);
        lands(port, 0x1000, page);
    }

    @Test
    void pitfall22FetchAddressesAreInTheLastWord() {
        smmu.stream(3, STAGE1 | TestMemory.HOLE, 0, 0, 0);
        assertThat(eventOf(smmu.port(3), 0x1000)).containsExactly(0x09 | STREAM, 0, 0, TestMemory.HOLE);
    }
}
