package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;
import static iommu.smmuv3.unit.BareSmmu.*;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Address translation registers (IHI 0070, chapter 9). */
class AddressTranslationTest {
    private static final long IOVA = 0x12_3456_7000L;
    private static final long STAGE1_OF = 1 << 10;
    private static final long STAGE2_OF = 2 << 10;
    private static final long BOTH_OF = 3 << 10;
    private static final long READ = 1 << 8;
    private static final long INHIBIT = 1 << 6;

    private final BareSmmu smmu = new BareSmmu(4, with(SmmuFeature.ATOS)).start();

    @AfterEach
    void end() {
        smmu.close();
    }

    private long ask(long who, long what) {
        smmu.unit.write(GATOS_SID, 8, who);
        smmu.unit.write(GATOS_ADDR, 8, what);
        smmu.unit.write(GATOS_CTRL, 4, 1);
        assertThat(smmu.get(GATOS_CTRL)).as("done").isZero();
        return smmu.unit.read(GATOS_PAR, 8);
    }

    private static long failure(int code, int reason, long address) {
        return address | code << 4 | reason << 1 | 1;
    }

    private long stage1Context(long word0, long table) {
        long context = smmu.memory.take(64, 64);
        TestMemory.words(context, word0, table, 0, 0x00_04_44_ffL);   // MAIR: write-back, non-cacheable, nGnRE, nGnRnE
        return context;
    }

    @Test
    void stage1WithItsAttributes() {
        long table = smmu.memory.page();
        smmu.stream(3, STAGE1 | stage1Context(CONTEXT, table), 0, 0, 0);
        long page = smmu.memory.page();
        smmu.map(table, IOVA, page | LEAF1 | 3 << 8);
        assertThat(ask(3, IOVA | STAGE1_OF | READ)).isEqualTo(0xffL << 56 | page | 3 << 8);
        smmu.map(table, IOVA, page | LEAF1 | 1 << 2);
        assertThat(ask(3, IOVA | STAGE1_OF | READ)).as("non-cacheable is outer shareable").isEqualTo(0x44L << 56 | page | 2 << 8);
        smmu.map(table, IOVA, page | LEAF1 | 2 << 2 | 3 << 8);
        assertThat(ask(3, IOVA | STAGE1_OF)).as("device").isEqualTo(0x04L << 56 | page | 2 << 8);
        smmu.map(table, 1L << 30, TestMemory.BASE | LEAF1 & ~2, 1);
        assertThat(ask(3, 1L << 30 | STAGE1_OF)).as("2 MiB").isEqualTo(0xffL << 56 | TestMemory.BASE | 1 << 20 | 1 << 11);
        assertThat(smmu.event()).isEmpty();
    }

    @Test
    void stage2AndBoth() {
        long second = smmu.memory.page();
        for (long block = 0; block < 16L << 20; block += 2L << 20) {
            smmu.map(second, TestMemory.BASE + block, TestMemory.BASE + block | LEAF2 & ~2, 1);
        }
        long table = smmu.memory.page();
        long page = smmu.memory.page();
        smmu.map(table, IOVA, 0x8000 | LEAF1 | 3 << 8);
        smmu.map(second, 0x8000, page | LEAF2 & ~(0xfL << 2) | 5 << 2);   // non-cacheable
        smmu.stream(3, NESTED | stage1Context(CONTEXT, table), 0, STAGE2_FORM | 7, second);
        assertThat(ask(3, IOVA | STAGE1_OF)).isEqualTo(0xffL << 56 | 0x8000 | 3 << 8);
        assertThat(ask(3, 0x8000 | STAGE2_OF)).isEqualTo(0x44L << 56 | page | 2 << 8);
        assertThat(ask(3, IOVA | BOTH_OF)).as("the stronger of both").isEqualTo(0x44L << 56 | page | 2 << 8);
        smmu.map(second, 0x8000, page | LEAF2 & ~(0xfL << 2) | 1 << 2);
        assertThat(ask(3, IOVA | BOTH_OF)).as("device wins").isEqualTo(0x04L << 56 | page | 2 << 8);
        smmu.map(second, 0x8000, 0);
        assertThat(ask(3, IOVA | BOTH_OF)).isEqualTo(failure(0x10, 3, 0x8000));
        assertThat(ask(3, 0x8000 | STAGE2_OF)).as("who asks for stage 2 knows the address").isEqualTo(failure(0x10, 3, 0));
        PhysicalWords.set(table + (IOVA >>> 39 & 511) * 8, 0x9000 | 3);
        assertThat(ask(3, IOVA | BOTH_OF)).as("walking stage 1").isEqualTo(failure(0x10, 2, 0x9000));
        assertThat(ask(3, IOVA | STAGE1_OF)).as("who asks for stage 1 learns nothing of stage 2").isEqualTo(failure(0x0b, 0, 0));
        smmu.stream(3, NESTED | 0xa000, 0, STAGE2_FORM | 7, second);
        assertThat(ask(3, IOVA | BOTH_OF)).as("fetching the context").isEqualTo(failure(0x10, 1, 0xa000));
        assertThat(ask(3, IOVA | STAGE1_OF)).isEqualTo(failure(0x09, 0, 0));
    }

    @Test
    void requestsThatAreWrongInThemselves() {
        smmu.stage1Stream(3, 1);
        assertThat(ask(3, IOVA)).as("type 0").isEqualTo(failure(0xff, 0, 0));
        assertThat(ask(3 | GATOS_SID_SSV, IOVA | STAGE2_OF)).as("a substream of stage 2").isEqualTo(failure(0xff, 0, 0));
        assertThat(ask(3, IOVA | STAGE2_OF)).isEqualTo(failure(0xfe, 0, 0));
        assertThat(ask(3, IOVA | BOTH_OF)).isEqualTo(failure(0xfe, 0, 0));
        smmu.stream(3, BYPASS, 0, 0, 0);
        assertThat(ask(3, IOVA | STAGE1_OF)).isEqualTo(failure(0xfe, 0, 0));
        assertThat(ask(4, IOVA | STAGE1_OF)).isEqualTo(failure(0x04, 0, 0));
        assertThat(ask(1 << 10, IOVA | STAGE1_OF)).isEqualTo(failure(0x02, 0, 0));
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT & ~(1L << 31), 0), 0, 0, 0);
        assertThat(ask(3, IOVA | STAGE1_OF)).isEqualTo(failure(0x0a, 0, 0));
        assertThat(ask(3 | 5L << 32 | GATOS_SID_SSV, IOVA | STAGE1_OF)).isEqualTo(failure(0x08, 0, 0));
        assertThat(smmu.event()).as("never an event").isEmpty();
    }

    @Test
    void theRequestsOwnAttributesCount() {
        long table = smmu.memory.page();
        smmu.stream(3, STAGE1 | stage1Context(CONTEXT, table), 0, 0, 0);
        long page = smmu.memory.page();
        smmu.map(table, IOVA, page | LEAF1 & ~(1 << 6) | 1 << 7 | 1L << 54);   // privileged, read-only, UXN
        assertThat(ask(3, IOVA | STAGE1_OF | READ)).isEqualTo(failure(0x13, 0, 0));
        assertThat(ask(3, IOVA | STAGE1_OF | READ | 1 << 9) & 1).as("privileged").isZero();
        assertThat(ask(3, IOVA | STAGE1_OF | 1 << 9)).as("a write").isEqualTo(failure(0x13, 0, 0));
        assertThat(ask(3, IOVA | STAGE1_OF | READ | 1 << 7)).as("a fetch").isEqualTo(failure(0x13, 0, 0));
        assertThat(ask(3, IOVA | STAGE1_OF | READ | 1 << 7 | 1 << 9) & 1).as("a privileged fetch").isZero();
    }

    @Test
    void updatesCanBeInhibited() {
        long table = smmu.memory.page();
        smmu.stream(3, STAGE1 | stage1Context(CONTEXT | 3L << 42, table), 0, 0, 0);
        long clean = smmu.memory.page() | LEAF1 & ~(1 << 10) | 1 << 7 | 1L << 51;
        long slot = smmu.map(table, IOVA, clean);
        assertThat(ask(3, IOVA | STAGE1_OF | INHIBIT) & 1).as("writable all the same").isZero();
        assertThat(PhysicalWords.get(slot)).isEqualTo(clean);
        assertThat(ask(3, IOVA | STAGE1_OF) & 1).isZero();
        assertThat(PhysicalWords.get(slot)).isEqualTo((clean | 1 << 10) & ~(1L << 7));
    }

    @Test
    void nothingRunsWhileTheUnitIsOffOrHasNoSuchRegisters() {
        smmu.unit.write(CR0, 4, 0);
        smmu.unit.write(GATOS_ADDR, 8, IOVA | STAGE1_OF);
        smmu.unit.write(GATOS_CTRL, 4, 1);
        assertThat(smmu.unit.read(GATOS_PAR, 8)).isZero();
        SmmuUnit without = new SmmuUnit("without", SmmuFeatures.DEFAULT, SmmuInterrupts.NONE, entry -> { });
        without.write(GATOS_SID, 8, 3);
        assertThat(without.read(GATOS_SID, 8)).isZero();
    }
}
