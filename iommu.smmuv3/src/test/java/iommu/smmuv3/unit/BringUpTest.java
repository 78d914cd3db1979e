package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;
import static iommu.smmuv3.unit.BareSmmu.*;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.HardwarePort;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The unit through registers and memory only: bytes arrive where hand-written tables say. */
class BringUpTest {
    private static final long IOVA = 0x12_3456_7000L;
    private final BareSmmu smmu = new BareSmmu();

    @AfterEach
    void unback() {
        smmu.close();
    }

    private void arrives(HardwarePort port, long iova, long physicalAddress) {
        long value = System.nanoTime() | 1;
        assertThat(smmu.write(port, iova, value)).as("write to 0x%x: %s", iova, port.lastFault()).isEqualTo(DmaStatus.DONE);
        assertThat(PhysicalWords.get(physicalAddress)).isEqualTo(value);
        PhysicalWords.set(physicalAddress, ~value);
        assertThat(smmu.read(port, iova)).isEqualTo(DmaStatus.DONE);
        assertThat(smmu.value()).isEqualTo(~value);
    }

    private void refused(HardwarePort port, long iova) {
        assertThat(smmu.write(port, iova, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.read(port, iova)).isEqualTo(DmaStatus.FAULTED);
    }

    @Test
    void beforeSmmuenTheResetValueOfGbpaAbortsWithoutAnEvent() {
        HardwarePort port = smmu.port(1);
        refused(port, smmu.memory.page());
        assertThat(port.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.BLOCKED);
        assertThat(smmu.get(EVENTQ_PROD)).isZero();
    }

    @Test
    void beforeSmmuenGbpaMayLetRequestsPass() {
        HardwarePort port = smmu.port(1);
        long page = smmu.memory.page();
        smmu.unit.write(GBPA, 4, 0);
        refused(port, page);   // without the update bit nothing changes
        smmu.unit.write(GBPA, 4, GBPA_UPDATE);
        arrives(port, page + 8, page + 8);
        refused(port, 1L << 48);
        assertThat(smmu.get(GBPA)).isZero();
        smmu.unit.write(GBPA, 4, GBPA_UPDATE | GBPA_ABORT);
        refused(port, page + 8);
    }

    @Test
    void smmuenStopsBypassAtOnceAndItsEndBringsItBack() {
        HardwarePort port = smmu.port(1);
        long page = smmu.memory.page();
        smmu.unit.write(GBPA, 4, GBPA_UPDATE);
        arrives(port, page, page);
        smmu.start();
        refused(port, page);
        smmu.unit.write(CR0, 4, 0);
        arrives(port, page, page);
    }

    @Test
    void stage1OfALinearTable() {
        smmu.start();
        long page = smmu.memory.page();
        smmu.map(smmu.stage1Stream(3, 9), IOVA, page | LEAF1);
        HardwarePort port = smmu.port(3);
        arrives(port, IOVA + 0x18, page + 0x18);
        refused(port, IOVA + 0x1000);
        refused(smmu.port(4), IOVA);
    }

    @Test
    void stage2() {
        smmu.start();
        long page = smmu.memory.page();
        smmu.map(smmu.stage2Stream(3, 9), IOVA, page | LEAF2);
        HardwarePort port = smmu.port(3);
        arrives(port, IOVA + 0x18, page + 0x18);
        refused(port, IOVA + 0x1000);
    }

    @Test
    void bothStages() {
        smmu.start();
        long page = smmu.memory.page();
        nested(3, page);
        arrives(smmu.port(3), IOVA + 0x18, page + 0x18);
    }

    /** Everything of stage 1 lies at intermediate addresses that are 2^40 above the physical ones. */
    private void nested(int stream, long page) {
        long shift = 1L << 40;
        long second = smmu.memory.page();
        long table = smmu.memory.page();
        long context = smmu.context(CONTEXT | 5L << 48, table + shift);
        long at = table;
        for (int level = 3; level > 0; level--) {
            long below = smmu.memory.page();
            PhysicalWords.set(at + (IOVA >>> 12 + 9 * level & 511) * 8, below + shift | 3);
            smmu.map(second, at + shift, at | LEAF2);
            at = below;
        }
        smmu.map(second, at + shift, at | LEAF2);
        PhysicalWords.set(at + (IOVA >>> 12 & 511) * 8, 0x5000 | LEAF1);
        smmu.map(second, 0x5000, page | LEAF2);
        smmu.map(second, context + shift, context & ~0xfffL | LEAF2);
        smmu.stream(stream, NESTED | context + shift, 0, STAGE2_FORM | 7, second);
    }

    @Test
    void bypassByTheStreamTableEntry() {
        smmu.start();
        long page = smmu.memory.page();
        smmu.stream(3, BYPASS, 0, 0, 0);
        arrives(smmu.port(3), page, page);
    }

    @Test
    void twoLevelStreamTable() {
        for (int split : new int[] {6, 8, 10}) {
            try (TwoLevels levels = new TwoLevels(split)) {
                levels.arrivesForTheLastStreamOfASpan();
            }
        }
    }

    private final class TwoLevels implements AutoCloseable {
        private final int split;
        private final long top = smmu.memory.take(4096, 4096);

        TwoLevels(int split) {
            this.split = split;
            smmu.start();
            smmu.unit.write(CR0, 4, CR0_CMDQEN | CR0_EVENTQEN);
            smmu.unit.write(STRTAB_BASE, 8, top);
            smmu.unit.write(STRTAB_BASE_CFG, 4, STRTAB_FMT_2LEVEL | split << STRTAB_SPLIT_SHIFT | 14);
            smmu.unit.write(CR0, 4, CR0_SMMUEN | CR0_CMDQEN | CR0_EVENTQEN);
        }

        void arrivesForTheLastStreamOfASpan() {
            long leaf = smmu.memory.take(64L << split, 64L << split);
            PhysicalWords.set(top + 2 * 8, leaf | 5);   // 16 entries
            PhysicalWords.set(leaf + 15 * 64, BYPASS);
            long page = smmu.memory.page();
            arrives(smmu.port(2 << split | 15), page, page);
            refused(smmu.port(2 << split | 16), page);
            refused(smmu.port(3 << split), page);
            refused(smmu.port(1 << 14), page);
        }

        @Override
        public void close() {
            smmu.unit.write(CR0, 4, 0);
        }
    }

    @Test
    void substreamsOfALinearTable() {
        smmu.start();
        long contexts = smmu.memory.take(64 * 16, 4096);
        long table = smmu.memory.page();
        long page = smmu.memory.page();
        smmu.map(table, IOVA, page | LEAF1);
        TestMemory.words(contexts + 13 * 64, CONTEXT, table);
        smmu.stream(3, STAGE1 | contexts | 4L << 59, 0, 0, 0);
        arrives(smmu.port(3, 13), IOVA, page);
        refused(smmu.port(3, 12), IOVA);
        refused(smmu.port(3, 16), IOVA);
    }

    @Test
    void substreamsOfTwoLevels() {
        smmu.start();
        long table = smmu.memory.page();
        long page = smmu.memory.page();
        smmu.map(table, IOVA, page | LEAF1);
        for (int form = 1; form <= 2; form++) {
            int leafLg2 = form == 1 ? 6 : 10;
            long top = smmu.memory.page();
            long leaf = smmu.memory.take(64L << leafLg2, 64L << leafLg2);
            int substream = (3 << leafLg2) + 5;
            PhysicalWords.set(top + 3 * 8, leaf | 1);
            TestMemory.words(leaf + 5 * 64, CONTEXT, table);
            smmu.stream(3, STAGE1 | (long) form << 4 | top | 14L << 59, 0, 0, 0);
            smmu.command(0x03 | 3L << 32, 0);
            arrives(smmu.port(3, substream), IOVA, page);
            refused(smmu.port(3, substream + 1), IOVA);
            refused(smmu.port(3, 2 << leafLg2), IOVA);
        }
    }

    @Test
    void s1dssSaysWhatRequestsWithoutSubstreamDo() {
        smmu.start();
        long contexts = smmu.memory.take(64 * 2, 4096);
        long table = smmu.memory.page();
        long page = smmu.memory.page();
        smmu.map(table, IOVA, page | LEAF1);
        TestMemory.words(contexts, CONTEXT, table);
        HardwarePort unnamed = smmu.port(3);
        HardwarePort zero = smmu.port(3, 0);
        for (int s1dss = 0; s1dss < 4; s1dss++) {
            smmu.stream(3, STAGE1 | contexts | 1L << 59, s1dss, 0, 0);
            smmu.command(0x03 | 3L << 32, 0);
            switch (s1dss) {
                case 1 -> {
                    arrives(unnamed, page, page);
                    arrives(zero, IOVA, page);
                }
                case 2 -> {
                    arrives(unnamed, IOVA, page);
                    refused(zero, IOVA);
                }
                default -> {
                    refused(unnamed, IOVA);
                    arrives(zero, IOVA, page);
                }
            }
        }
    }

    @Test
    void blocksOf2MiBAnd1GiB() {
        smmu.start();
        long table = smmu.stage1Stream(3, 1);
        long page = smmu.memory.page();
        long block = LEAF1 & ~2;
        smmu.map(table, 0x4000_0000, page & ~0x1f_ffffL | block, 1);
        smmu.map(table, 0x8000_0000L, page & ~0x3fff_ffffL | block | 1L << 52, 2);
        HardwarePort port = smmu.port(3);
        arrives(port, 0x4000_0000 + (page & 0x1f_ffff), page);
        arrives(port, 0x8000_0000L + (page & 0x3fff_ffff), page);
    }

    @Test
    void descriptorsOfStage1PermitWhatTheySay() {
        smmu.start();
        long table = smmu.stage1Stream(3, 1);
        long page = smmu.memory.page();
        smmu.map(table, IOVA, page | LEAF1 | 1 << 7);
        HardwarePort port = smmu.port(3);
        assertThat(smmu.read(port, IOVA)).isEqualTo(DmaStatus.DONE);
        assertThat(smmu.write(port, IOVA, 1)).isEqualTo(DmaStatus.FAULTED);
        smmu.map(table, IOVA + 0x1000, page | LEAF1 & ~(1 << 6));
        refused(port, IOVA + 0x1000);   // privileged only
    }

    @Test
    void descriptorsOfStage2PermitWhatTheySay() {
        smmu.start();
        long table = smmu.stage2Stream(3, 1);
        long page = smmu.memory.page();
        smmu.map(table, IOVA, page | LEAF2 & ~(1 << 7));
        smmu.map(table, IOVA + 0x1000, page | LEAF2 & ~(1 << 6));
        HardwarePort port = smmu.port(3);
        assertThat(smmu.read(port, IOVA)).isEqualTo(DmaStatus.DONE);
        assertThat(smmu.write(port, IOVA, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.read(port, IOVA + 0x1000)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.write(port, IOVA + 0x1000, 1)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void hardwareKeepsAccessFlagAndDirtyState() {
        smmu.start();
        long table = smmu.memory.page();
        long page = smmu.memory.page();
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT | 1L << 42 | 1L << 43, table), 0, 0, 0);
        long clean = page | LEAF1 & ~(1 << 10) | 1 << 7 | 1L << 51;
        long slot = smmu.map(table, IOVA, clean);
        HardwarePort port = smmu.port(3);
        smmu.read(port, IOVA);
        assertThat(PhysicalWords.get(slot)).isEqualTo(clean | 1 << 10);
        assertThat(smmu.dirtyMarks).isEmpty();
        arrives(port, IOVA, page);
        assertThat(PhysicalWords.get(slot)).isEqualTo(clean & ~(1 << 7) | 1 << 10);
        assertThat(smmu.dirtyMarks).containsExactly(slot);
        PhysicalWords.set(slot, clean);
        smmu.command(0x12, IOVA & ~0xfffL);
        arrives(port, IOVA, page);
        assertThat(smmu.dirtyMarks).containsExactly(slot, slot);
    }

    @Test
    void memoryThatIsMissingBehindAValidLeafIsAnAbortOfTheSystem() {
        smmu.start();
        long table = smmu.stage1Stream(3, 1);
        smmu.map(table, IOVA, TestMemory.HOLE | LEAF1);
        smmu.map(table, IOVA + 0x1000, 1L << 46 | LEAF1);
        HardwarePort port = smmu.port(3);
        for (long iova = IOVA; iova <= IOVA + 0x1000; iova += 0x1000) {
            assertThat(smmu.write(port, iova, 1)).isEqualTo(DmaStatus.ABORTED);
            assertThat(port.lastFault().orElseThrow().kind()).isEqualTo(DmaFault.Kind.EXTERNAL_ABORT);
        }
        assertThat(smmu.event()).isEmpty();
    }

    @Test
    void registersAreReadOnlyWhereTheSpecificationSaysSo() {
        int features = smmu.get(IDR0);
        smmu.unit.write(IDR0, 4, 0);
        assertThat(smmu.get(IDR0)).isEqualTo(features).isNotZero();
        smmu.unit.write(CMDQ_CONS, 4, 3);
        assertThat(smmu.get(CMDQ_CONS)).isEqualTo(3);
        smmu.unit.write(CMDQ_CONS, 4, 0);
        smmu.start();
        assertThat(smmu.get(CR0ACK)).isEqualTo(CR0_SMMUEN | CR0_CMDQEN | CR0_EVENTQEN);
        assertThat(smmu.get(IRQ_CTRLACK)).isEqualTo(IRQ_CTRL_EVENTQ | IRQ_CTRL_GERROR);
        for (int register : new int[] {CMDQ_CONS, STRTAB_BASE, STRTAB_BASE + 4, STRTAB_BASE_CFG, CMDQ_BASE, EVENTQ_BASE, CR2,
            EVENTQ_PROD, CR0ACK, GERROR, GERROR_IRQ_CFG0, EVENTQ_IRQ_CFG0, AIDR}) {
            int before = smmu.get(register);
            smmu.unit.write(register, 4, ~before);
            assertThat(smmu.get(register)).as("register 0x%x", register).isEqualTo(before);
        }
        smmu.unit.write(0x2000, 8, -1L);
        assertThat(smmu.unit.read(0x2000, 8)).as("beyond the registers").isZero();
        assertThat(smmu.unit.read(STRTAB_BASE, 8)).isEqualTo(smmu.streamTable);
        assertThat(smmu.unit.read(STRTAB_BASE + 4, 4)).isEqualTo(smmu.streamTable >>> 32);
    }
}
