package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;
import static iommu.smmuv3.unit.BareSmmu.*;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.HardwarePort;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What a unit lacks it does not do, and does not advertise. */
class FeatureTest {
    private static final long STREAM = 3L << 32;
    private static final long IOVA = 0x1000;

    private BareSmmu smmu;

    @AfterEach
    void end() {
        smmu.close();
    }

    private void without(int outputBits, int substreamIdBits, SmmuFeature... absent) {
        Set<SmmuFeature> features = EnumSet.copyOf(SmmuFeatures.HOST);
        for (SmmuFeature feature : absent) {
            features.remove(feature);
        }
        smmu = new BareSmmu(4, new SmmuFeatures(6, substreamIdBits, 8, outputBits, 1, features)).start();
    }

    private void without(SmmuFeature... absent) {
        without(48, 20, absent);
    }

    private void refused(int event) {
        assertThat(smmu.write(smmu.port(3), IOVA, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).as("event 0x%x", event).containsExactly(event | STREAM, 0, 0, 0);
    }

    private void illegal(long word0, long word1) {
        int at = smmu.producer();
        smmu.put(word0, word1);
        smmu.ring();
        assertThat(smmu.get(CMDQ_CONS)).as("0x%x", word0).isEqualTo(at | 1 << 24);
        TestMemory.words(smmu.commandQueue + (at & 15) * 16L, 0x46, 0);
        smmu.unit.write(GERRORN, 4, smmu.get(GERROR));
        assertThat(smmu.get(CMDQ_CONS)).isEqualTo(smmu.producer());
    }

    @Test
    void withoutStage1() {
        without(SmmuFeature.STAGE1);
        assertThat(smmu.get(IDR0) & 3).isEqualTo(1);
        assertThat(smmu.get(IDR3) & IDR3_HAD).isZero();
        smmu.stage1Stream(3, 1);
        refused(0x04);
        for (long opcode : new long[] {0x05, 0x06, 0x10, 0x11, 0x12, 0x13}) {
            illegal(opcode, 0);
        }
        long page = smmu.memory.page();
        smmu.map(smmu.stage2Stream(3, 1), IOVA, page | LEAF2);
        assertThat(smmu.write(smmu.port(3), IOVA, 1)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void withoutStage2() {
        without(SmmuFeature.STAGE2);
        assertThat(smmu.get(IDR0) & 3).isEqualTo(2);
        assertThat(smmu.get(IDR3) & IDR3_XNX).isZero();
        smmu.stage2Stream(3, 1);
        refused(0x04);
        illegal(0x28, 0);
        illegal(0x2a, 0);
        long table = smmu.memory.page();
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT, table), 0, 7, 0);
        long slot = smmu.map(table, IOVA, smmu.memory.page() | LEAF1);
        HardwarePort port = smmu.port(3);
        assertThat(smmu.write(port, IOVA, 1)).isEqualTo(DmaStatus.DONE);
        PhysicalWords.set(slot, 0);
        smmu.command(0x10, 0);
        assertThat(smmu.write(port, IOVA, 1)).as("there are no VMIDs").isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void withoutAGranule() {
        without(SmmuFeature.GRANULE_16K);
        assertThat(smmu.get(IDR5) & IDR5_GRAN16K).isZero();
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT | 2 << 6, smmu.memory.page()), 0, 0, 0);
        refused(0x0a);
        smmu.stream(3, STAGE2, 0, STAGE2_FORM | 2L << 46, smmu.memory.page());
        refused(0x04);
    }

    @Test
    void withoutUpdatesByHardware() {
        without(SmmuFeature.HTTU_DIRTY);
        assertThat(smmu.get(IDR0) >>> 6 & 3).isEqualTo(1);
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT | 3L << 42, smmu.memory.page()), 0, 0, 0);
        refused(0x0a);
        smmu.stream(3, STAGE2, 0, STAGE2_FORM | 3L << 55, smmu.memory.page());
        refused(0x04);
        smmu.close();
        without(SmmuFeature.HTTU_DIRTY, SmmuFeature.HTTU_ACCESS);
        assertThat(smmu.get(IDR0) >>> 6 & 3).isZero();
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT | 1L << 43, smmu.memory.page()), 0, 0, 0);
        refused(0x0a);
        smmu.stream(3, STAGE2, 0, STAGE2_FORM | 1L << 56, smmu.memory.page());
        refused(0x04);
    }

    @Test
    void withoutTwoLevelTables() {
        without(SmmuFeature.CONTEXT_TABLE_2LEVEL, SmmuFeature.STREAM_TABLE_2LEVEL);
        assertThat(smmu.get(IDR0) & (IDR0_CD2L | IDR0_ST_LEVEL_2)).isZero();
        smmu.stream(3, STAGE1 | smmu.memory.page() | 1 << 4 | 8L << 59, 2, 0, 0);
        refused(0x04);
        smmu.unit.write(CR0, 4, CR0_CMDQEN | CR0_EVENTQEN);
        smmu.unit.write(STRTAB_BASE_CFG, 4, STRTAB_FMT_2LEVEL | 6 << 6 | 6);
        smmu.unit.write(CR0, 4, CR0_SMMUEN | CR0_CMDQEN | CR0_EVENTQEN);
        smmu.stream(3, BYPASS, 0, 0, 0);
        long page = smmu.memory.page();
        assertThat(smmu.write(smmu.port(3), page, 1)).as("linear all the same").isEqualTo(DmaStatus.DONE);
    }

    @Test
    void with8BitIds() {
        without(SmmuFeature.ASID16, SmmuFeature.VMID16);
        smmu.stage1Stream(3, 0x100);
        refused(0x0a);
        smmu.stage2Stream(3, 0x100);
        refused(0x04);
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT, smmu.memory.page()), 0, 0x100, 0);
        refused(0x04);
    }

    @Test
    void withoutSubstreams() {
        without(48, 0);
        long table = smmu.memory.page();
        long page = smmu.memory.page();
        smmu.map(table, IOVA, page | LEAF1);
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT, table) | 5L << 59, 0, 0, 0);
        assertThat(smmu.write(smmu.port(3), IOVA, 1)).as("S1CDMax and S1DSS are ignored").isEqualTo(DmaStatus.DONE);
        assertThat(smmu.write(smmu.port(3, 1), IOVA, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).containsExactly(0x08 | 1 << 12 | STREAM, 0, 0, 0);
    }

    @Test
    void withoutMessages() {
        without(SmmuFeature.MSI);
        assertThat(smmu.get(IDR0) & IDR0_MSI).isZero();
        smmu.unit.write(IRQ_CTRL, 4, 0);
        long page = smmu.memory.page();
        smmu.unit.write(EVENTQ_IRQ_CFG0, 8, page);
        assertThat(smmu.unit.read(EVENTQ_IRQ_CFG0, 8)).isZero();
        smmu.command(0x46 | 1 << 12 | 9L << 32, page);
        assertThat(PhysicalWords.get(page)).isZero();
        assertThat(smmu.raised).contains(SmmuInterrupts.Line.COMMAND_SYNC);
    }

    @Test
    void withoutRanges() {
        without(SmmuFeature.RANGE_INVALIDATION);
        long table = smmu.stage1Stream(3, 1);
        long slot = smmu.map(table, 0x2000, smmu.memory.page() | LEAF1);
        HardwarePort port = smmu.port(3);
        assertThat(smmu.write(port, 0x2000, 1)).isEqualTo(DmaStatus.DONE);
        PhysicalWords.set(slot, 0);
        smmu.command(0x12 | 1L << 48 | 1 << 12, 0x1000 | 1 << 10);
        assertThat(smmu.write(port, 0x2000, 1)).as("one page, whatever the fields say").isEqualTo(DmaStatus.DONE);
    }

    @Test
    void smallOutputs() {
        without(42, 0);
        assertThat(smmu.get(IDR5) & 7).isEqualTo(3);
        smmu.stream(3, STAGE2, 0, STAGE2_FORM, smmu.memory.page());
        refused(0x04);   // S2T0SZ 16 and a start at level 0 need more
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT, 1L << 42), 0, 0, 0);
        refused(0x0a);
        smmu.stream(3, STAGE1 | 1L << 42, 0, 0, 0);
        refused(0x04);
        smmu.stream(3, BYPASS, 0, 0, 0);
        assertThat(smmu.write(smmu.port(3), 1L << 42, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).containsExactly(0x11 | STREAM, 2L << 40, 1L << 42, 0);
    }

    @Test
    void registersOfWhatIsNotThere() {
        without();
        for (int register : new int[] {PRIQ_BASE, PRIQ_BASE + 4, PRIQ_IRQ_CFG0, PRIQ_IRQ_CFG0 + 8, PRIQ_IRQ_CFG0 + 12, PRIQ_PROD, PRIQ_CONS,
            GATOS_CTRL, GATOS_SID, GATOS_ADDR, GATOS_PAR, IDR2, IDR4, 0x40, 0x48, 0x180, 0x8000, 0x2_0000}) {
            smmu.unit.write(register, 4, -1L);
            assertThat(smmu.get(register)).as("0x%x", register).isZero();
        }
        smmu.unit.write(CR0, 4, -1L);
        assertThat(smmu.get(CR0ACK)).as("ATSCHK, PRIQEN, VMW").isEqualTo(CR0_SMMUEN | CR0_CMDQEN | CR0_EVENTQEN);
    }
}
