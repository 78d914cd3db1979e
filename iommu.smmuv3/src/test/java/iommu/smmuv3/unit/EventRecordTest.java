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

/** Every event, field by field (IHI 0070, §7.3). */
class EventRecordTest {
    private static final long IOVA = 0x12_3456_7abcL;
    private static final long PAGE = IOVA & ~0xfffL;
    private static final long READ = 1L << 35;
    private static final long S2 = 1L << 39;
    private static final long CLASS_TT = 1L << 40;
    private static final long CLASS_IN = 2L << 40;
    private static final long SSV = 1L << 11;
    private static final long STREAM = 3L << 32;

    private final BareSmmu smmu = new BareSmmu();

    @BeforeEach
    void start() {
        smmu.start();
    }

    @AfterEach
    void unback() {
        smmu.close();
    }

    private void refusedWith(HardwarePort port, boolean read, long... words) {
        DmaStatus status = read ? smmu.read(port, IOVA) : smmu.write(port, IOVA, 1);
        assertThat(status).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).containsExactly(words);
        assertThat(smmu.event()).as("a second event").isEmpty();
        assertThat(port.lastFault().orElseThrow().code()).isEqualTo((int) (words[0] & 0xff));
        assertThat(port.lastFault().orElseThrow().iova()).isEqualTo(IOVA);
        assertThat(smmu.raised).containsExactly(SmmuInterrupts.Line.EVENT_QUEUE);
        smmu.raised.clear();
    }

    private void silent(HardwarePort port) {
        assertThat(smmu.write(port, IOVA, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).isEmpty();
        assertThat(port.lastFault().orElseThrow()).isNotNull();
    }

    @Test
    void badStreamId() {
        long beyond = 1L << STREAMS_LG2;
        refusedWith(smmu.port((int) beyond), false, 0x02 | beyond << 32, 0, 0, 0);
        refusedWith(smmu.port((int) beyond, 0xabcde), true, 0x02 | SSV | 0xabcdeL << 12 | beyond << 32, 0, 0, 0);
        smmu.unit.write(CR0, 4, CR0_EVENTQEN | CR0_CMDQEN);
        smmu.unit.write(CR2, 4, 0);
        smmu.unit.write(CR0, 4, CR0_EVENTQEN | CR0_CMDQEN | CR0_SMMUEN);
        assertThat(smmu.write(smmu.port((int) beyond), IOVA, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).as("without RECINVSID").isEmpty();
    }

    @Test
    void streamTableEntryFetch() {
        smmu.unit.write(CR0, 4, CR0_EVENTQEN | CR0_CMDQEN);
        smmu.unit.write(STRTAB_BASE, 8, TestMemory.HOLE);
        smmu.unit.write(CR0, 4, CR0_EVENTQEN | CR0_CMDQEN | CR0_SMMUEN);
        refusedWith(smmu.port(3, 5), false, 0x03 | SSV | 5 << 12 | STREAM, 0, 0, TestMemory.HOLE + 3 * 64);
    }

    @Test
    void levelOneStreamTableFetch() {
        smmu.unit.write(CR0, 4, CR0_EVENTQEN | CR0_CMDQEN);
        smmu.unit.write(STRTAB_BASE, 8, TestMemory.HOLE);
        smmu.unit.write(STRTAB_BASE_CFG, 4, STRTAB_FMT_2LEVEL | 6 << STRTAB_SPLIT_SHIFT | 10);
        smmu.unit.write(CR0, 4, CR0_EVENTQEN | CR0_CMDQEN | CR0_SMMUEN);
        refusedWith(smmu.port(3 << 6), false, 0x03 | STREAM << 6, 0, 0, TestMemory.HOLE + 3 * 8);
    }

    @Test
    void badStreamTableEntry() {
        HardwarePort port = smmu.port(3);
        refusedWith(port, false, 0x04 | STREAM, 0, 0, 0);
        long context = smmu.context(CONTEXT, smmu.memory.page());
        long[][] illegal = {
            {STAGE1 | context, 1L << 27, 0, 0},                                 // S1STALLD without stalls
            {STAGE1 | context | 21L << 59, 0, 0, 0},                            // S1CDMax beyond SSIDSIZE
            {STAGE1 | 1L << 50, 0, 0, 0},                                       // S1ContextPtr beyond OAS
            {STAGE2, 0, STAGE2_FORM & ~(1L << 51), smmu.memory.page()},         // not AArch64
            {STAGE2, 0, STAGE2_FORM | 1L << 52, smmu.memory.page()},            // big-endian
            {STAGE2, 0, STAGE2_FORM | 1L << 57, smmu.memory.page()},            // stalls
            {STAGE2, 0, STAGE2_FORM | 3L << 46, smmu.memory.page()},            // reserved granule
            {STAGE2, 0, STAGE2_FORM & ~(0x3fL << 32) | 15L << 32, smmu.memory.page()},
            {STAGE2, 0, STAGE2_FORM & ~(0x3fL << 32) | 40L << 32, smmu.memory.page()},
            {STAGE2, 0, STAGE2_FORM & ~(3L << 38), smmu.memory.page()},         // level 2 cannot resolve 48 bits
            {STAGE2, 0, STAGE2_FORM | 3L << 38, smmu.memory.page()},            // reserved start level
            {STAGE2, 0, STAGE2_FORM & ~(7L << 48) | 1L << 48, 1L << 40},        // table beyond S2PS
        };
        for (long[] entry : illegal) {
            smmu.stream(3, entry);
            refusedWith(port, false, 0x04 | STREAM, 0, 0, 0);
        }
    }

    @Test
    void streamDisabled() {
        long contexts = smmu.memory.take(128, 128);
        smmu.stream(3, STAGE1 | contexts | 1L << 59, 0, 0, 0);
        refusedWith(smmu.port(3), false, 0x06 | STREAM, 0, 0, 0);
        smmu.stream(3, STAGE1 | contexts | 1L << 59, 2, 0, 0);
        refusedWith(smmu.port(3, 0), false, 0x06 | SSV | STREAM, 0, 0, 0);
    }

    @Test
    void badSubstreamId() {
        HardwarePort port = smmu.port(3, 9);
        long record = 0x08 | 9 << 12 | STREAM;   // no SSV: always valid
        smmu.stream(3, BYPASS, 0, 0, 0);
        refusedWith(port, true, record, 0, 0, 0);
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT, 0), 0, 0, 0);
        refusedWith(port, true, record, 0, 0, 0);
        smmu.stream(3, STAGE1 | smmu.memory.page() | 3L << 59, 0, 0, 0);
        refusedWith(port, true, record, 0, 0, 0);
        long top = smmu.memory.page();
        smmu.stream(3, STAGE1 | 1 << 4 | top | 10L << 59, 0, 0, 0);
        refusedWith(port, true, record, 0, 0, 0);
        PhysicalWords.set(top, 1L << 50 | 1);   // a leaf beyond OAS
        refusedWith(port, true, record, 0, 0, 0);
        smmu.stream(3, STAGE1 | 1 << 4 | smmu.memory.page() | 10L << 59, 2, 0, 0);
        refusedWith(smmu.port(3), true, 0x08 | STREAM, 0, 0, 0);
    }

    @Test
    void contextDescriptorFetch() {
        smmu.stream(3, STAGE1 | TestMemory.HOLE, 0, 0, 0);
        refusedWith(smmu.port(3), true, 0x09 | STREAM, 0, 0, TestMemory.HOLE);
        long top = smmu.memory.page();
        PhysicalWords.set(top + 8, TestMemory.HOLE | 1);
        smmu.stream(3, STAGE1 | 1 << 4 | top | 10L << 59, 0, 0, 0);
        refusedWith(smmu.port(3, 66), true, 0x09 | SSV | 66 << 12 | STREAM, 0, 0, TestMemory.HOLE + 2 * 64);
    }

    @Test
    void badContextDescriptor() {
        HardwarePort port = smmu.port(3);
        long ttb = smmu.memory.page();
        long[][] illegal = {
            {CONTEXT & ~(1L << 31), ttb},          // invalid
            {CONTEXT & ~(1L << 41), ttb},          // not AArch64
            {CONTEXT | 1L << 44, ttb},             // stalls
            {CONTEXT & ~(1L << 46), ttb},          // A = 0 with TERM_MODEL
            {CONTEXT | 1 << 15, ttb},              // big-endian
            {CONTEXT & ~0x3fL | 15, ttb},
            {CONTEXT & ~0x3fL | 40, ttb},
            {CONTEXT | 3 << 6, ttb},               // reserved TG0
            {CONTEXT & ~(1L << 30) | 16L << 16, ttb},   // TG1 = 0 is reserved
            {CONTEXT & ~(7L << 32), 1L << 33},     // TTB0 beyond IPS
        };
        for (long[] descriptor : illegal) {
            smmu.stream(3, STAGE1 | smmu.context(descriptor[0], descriptor[1]), 0, 0, 0);
            refusedWith(port, false, 0x0a | STREAM, 0, 0, 0);
        }
    }

    @Test
    void walkAbortOfStage1() {
        long table = smmu.stage1Stream(3, 1);
        long slot = table + (IOVA >>> 39 & 511) * 8;
        PhysicalWords.set(slot, TestMemory.HOLE | 3);
        long fetch = TestMemory.HOLE + (IOVA >>> 30 & 511) * 8;
        refusedWith(smmu.port(3), true, 0x0b | STREAM, READ | CLASS_TT, IOVA, fetch);
        refusedWith(smmu.port(3), false, 0x0b | STREAM, CLASS_TT, IOVA, fetch);
    }

    @Test
    void walkAbortOfStage2() {
        smmu.stream(3, STAGE2, 0, STAGE2_FORM, TestMemory.HOLE);
        refusedWith(smmu.port(3), true, 0x0b | STREAM, READ | S2 | CLASS_IN, IOVA, TestMemory.HOLE + (IOVA >>> 39 & 511) * 8);
    }

    @Test
    void translation() {
        smmu.stage1Stream(3, 1);
        refusedWith(smmu.port(3), true, 0x10 | STREAM, READ | CLASS_IN, IOVA, 0);
        smmu.stage2Stream(3, 1);
        refusedWith(smmu.port(3), false, 0x10 | STREAM, S2 | CLASS_IN, IOVA, PAGE);
        long contexts = smmu.memory.take(128, 128);
        TestMemory.words(contexts + 64, CONTEXT, smmu.memory.page());
        smmu.stream(3, STAGE1 | contexts | 1L << 59, 0, 0, 0);
        refusedWith(smmu.port(3, 1), false, 0x10 | SSV | 1 << 12 | STREAM, CLASS_IN, IOVA, 0);
    }

    @Test
    void addressSize() {
        long table = smmu.memory.page();
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT & ~(7L << 32) | 3L << 32, table), 0, 0, 0);
        smmu.map(table, IOVA, 1L << 42 | LEAF1);
        refusedWith(smmu.port(3), false, 0x11 | STREAM, CLASS_IN, IOVA, 0);
        table = smmu.memory.page();
        smmu.stream(3, STAGE2, 0, STAGE2_FORM & ~(7L << 48) | 3L << 48, table);
        smmu.map(table, IOVA, 1L << 42 | LEAF2);
        refusedWith(smmu.port(3), false, 0x11 | STREAM, S2 | CLASS_IN, IOVA, PAGE);
    }

    @Test
    void addressSizeOfABypass() {
        smmu.stream(3, BYPASS, 0, 0, 0);
        HardwarePort port = smmu.port(3);
        assertThat(smmu.write(port, 1L << 48, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).containsExactly(0x11 | STREAM, CLASS_IN, 1L << 48, 0);
    }

    @Test
    void accessFlag() {
        long page = smmu.memory.page();
        smmu.map(smmu.stage1Stream(3, 1), IOVA, page | LEAF1 & ~(1 << 10));
        refusedWith(smmu.port(3), true, 0x12 | STREAM, READ | CLASS_IN, IOVA, 0);
        smmu.map(smmu.stage2Stream(3, 1), IOVA, page | LEAF2 & ~(1 << 10));
        refusedWith(smmu.port(3), true, 0x12 | STREAM, READ | S2 | CLASS_IN, IOVA, PAGE);
    }

    @Test
    void permission() {
        long page = smmu.memory.page();
        smmu.map(smmu.stage1Stream(3, 1), IOVA, page | LEAF1 | 1 << 7);
        refusedWith(smmu.port(3), false, 0x13 | STREAM, CLASS_IN, IOVA, 0);
        smmu.map(smmu.stage2Stream(3, 1), IOVA, page | LEAF2 & ~(1 << 6));
        refusedWith(smmu.port(3), true, 0x13 | STREAM, READ | S2 | CLASS_IN, IOVA, PAGE);
    }

    @Test
    void translationFaultsAreRecordedOnlyIfTheStageSaysSo() {
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT & ~(1L << 45), smmu.memory.page()), 0, 0, 0);
        silent(smmu.port(3));
        smmu.stream(3, STAGE2, 0, STAGE2_FORM & ~(1L << 58), smmu.memory.page());
        silent(smmu.port(3));
    }

    @Test
    void anEntryThatAbortsDoesSoSilently() {
        for (long config = 0; config < 4; config++) {
            smmu.stream(3, 1 | config << 1, 0, 0, 0);
            silent(smmu.port(3));
        }
    }
}
