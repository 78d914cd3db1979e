package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;
import static iommu.smmuv3.unit.BareSmmu.*;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.HardwarePort;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Streams of a hypervisor's own stage 1 (STRW, CR2.E2H), and overrides of what requests are. */
class HypervisorTest {
    private static final long EL2 = 2L << 30;
    private static final long STREAM = 3L << 32;
    private static final int ON = CR0_SMMUEN | CR0_CMDQEN | CR0_EVENTQEN;

    private final BareSmmu smmu = new BareSmmu(4, with(SmmuFeature.HYPERVISOR, SmmuFeature.PERMISSION_OVERRIDES,
            SmmuFeature.VMID_WILDCARD)).start();

    @AfterEach
    void end() {
        smmu.close();
    }

    private void e2h() {
        smmu.unit.write(CR0, 4, CR0_CMDQEN | CR0_EVENTQEN);
        smmu.unit.write(CR2, 4, CR2_E2H);
        smmu.unit.write(CR0, 4, ON);
    }

    private long slot(int stream, int asid, long leaf) {
        long table = smmu.memory.page();
        smmu.stream(stream, STAGE1 | smmu.context(CONTEXT | (long) asid << 48, table), EL2, 0, 0);
        return smmu.map(table, 0x1000, leaf);
    }

    private HardwarePort cached(int stream) {
        HardwarePort port = smmu.port(stream);
        assertThat(smmu.write(port, 0x1000, 1)).as("%s", port.lastFault()).isEqualTo(DmaStatus.DONE);
        return port;
    }

    private void drops(HardwarePort port, long slot, boolean dropped, long word0, long word1) {
        long leaf = PhysicalWords.get(slot);
        PhysicalWords.set(slot, 0);
        smmu.command(word0, word1);
        assertThat(smmu.write(port, 0x1000, 1)).as("0x%x", word0).isEqualTo(dropped ? DmaStatus.FAULTED : DmaStatus.DONE);
        PhysicalWords.set(slot, leaf);
        smmu.command(0x20, 0);
        cachedAgain(port);
    }

    private void cachedAgain(HardwarePort port) {
        assertThat(smmu.write(port, 0x1000, 1)).isEqualTo(DmaStatus.DONE);
    }

    @Test
    void el2HasOneTableNoAsidsAndPrivilegedRequests() {
        long slot = slot(3, 1, smmu.memory.page() | LEAF1 & ~(1 << 6));   // AP[1] means nothing there
        HardwarePort port = cached(3);
        assertThat(smmu.write(port, -1L << 40, 1)).as("no upper table").isEqualTo(DmaStatus.FAULTED);
        drops(port, slot, false, 0x10, 0);
        drops(port, slot, false, 0x30, 0);
        drops(port, slot, false, 0x12 | 1L << 48, 0x1000);
        drops(port, slot, false, 0x21 | 1L << 48, 0);
        drops(port, slot, true, 0x20, 0);
        drops(port, slot, true, 0x22 | 99L << 48, 0x1000);
        drops(port, slot, true, 0x23, 0x1000);
        drops(port, slot, false, 0x22, 0x2000);
    }

    @Test
    void el2E2hHasAsidsAndNoVmids() {
        e2h();
        long slot = slot(3, 5, smmu.memory.page() | LEAF1);
        HardwarePort port = cached(3);
        drops(port, slot, false, 0x11 | 5L << 48, 0);
        drops(port, slot, false, 0x30, 0);
        drops(port, slot, true, 0x21 | 5L << 48, 0);
        drops(port, slot, false, 0x21 | 6L << 48, 0);
        drops(port, slot, true, 0x22 | 5L << 48, 0x1000);
        drops(port, slot, false, 0x22 | 6L << 48, 0x1000);
        drops(port, slot, true, 0x23, 0x1000);
    }

    @Test
    void guestsKeepTheirsWhenAHypervisorInvalidates() {
        long table = smmu.stage1Stream(3, 1);
        long slot = smmu.map(table, 0x1000, smmu.memory.page() | LEAF1);
        HardwarePort port = cached(3);
        PhysicalWords.set(slot, 0);
        for (long word0 : new long[] {0x20, 0x21 | 1L << 48, 0x22 | 1L << 48, 0x23}) {
            smmu.command(word0, 0x1000);
        }
        cachedAgain(port);
    }

    @Test
    void reservedWorldsAreIllegalAndIgnoredWithStage2() {
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT, smmu.memory.page()), 1L << 30, 0, 0);
        assertThat(smmu.write(smmu.port(3), 0x1000, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).containsExactly(0x04 | STREAM, 0, 0, 0);
        long second = smmu.memory.page();
        smmu.map(second, 0x1000, smmu.memory.page() | LEAF2);
        smmu.stream(3, STAGE2, 1L << 30, STAGE2_FORM, second);
        cached(3);
    }

    @Test
    void withoutTheFeatureItsCommandsAreIllegal() {
        try (SmmuUnit plain = new SmmuUnit("plain", SmmuFeatures.DEFAULT, SmmuInterrupts.NONE, entry -> { })) {
            plain.write(CMDQ_BASE, 8, smmu.commandQueue | 4);
            TestMemory.words(smmu.commandQueue, 0x20, 0);
            plain.write(CR0, 4, CR0_CMDQEN);
            plain.write(CMDQ_PROD, 4, 1);
            assertThat(plain.read(CMDQ_CONS, 4)).isEqualTo(1 << 24);
        }
    }

    @Test
    void overridesDecideWhatRequestsAreAndEventsSaySo() {
        long table = smmu.memory.page();
        long context = smmu.context(CONTEXT, table);
        long page = smmu.memory.page();
        smmu.map(table, 0x1000, page | LEAF1 & ~(1 << 6) | 1L << 53);   // privileged data only
        smmu.stream(3, STAGE1 | context, 0, 0, 0);
        assertThat(smmu.read(smmu.port(3), 0x1000)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).containsExactly(0x13 | STREAM, 1L << 35 | 2L << 40, 0x1000, 0);
        smmu.stream(3, STAGE1 | context, 3L << 48, 0, 0);   // PRIVCFG
        assertThat(smmu.read(smmu.port(3), 0x1000)).isEqualTo(DmaStatus.DONE);
        assertThat(smmu.write(smmu.port(3), 0x1000, 1)).isEqualTo(DmaStatus.DONE);
        smmu.stream(3, STAGE1 | context, 3L << 48 | 3L << 50, 0, 0);   // and INSTCFG
        assertThat(smmu.read(smmu.port(3), 0x1000)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).as("PnU, InD, RnW").containsExactly(0x13 | STREAM, 7L << 33 | 2L << 40, 0x1000, 0);
        assertThat(smmu.write(smmu.port(3), 0x1000, 1)).as("writes are never fetches").isEqualTo(DmaStatus.DONE);
        assertThat(smmu.write(smmu.port(3), 0x2000, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.event()).containsExactly(0x10 | STREAM, 1L << 33 | 2L << 40, 0x2000, 0);
    }

    @Test
    void vmidWildcardsIgnoreLowBits() {
        long table = smmu.memory.page();
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT | 1L << 48, table), 0, 0x23, 0);
        long slot = smmu.map(table, 0x1000, smmu.memory.page() | LEAF1);
        HardwarePort port = cached(3);
        PhysicalWords.set(slot, 0);
        smmu.command(0x10 | 0x20L << 32, 0);
        cachedAgain(port);
        smmu.unit.write(CR0, 4, ON | 1 << CR0_VMW_SHIFT);
        smmu.command(0x10 | 0x20L << 32, 0);
        cachedAgain(port);
        smmu.unit.write(CR0, 4, ON | 2 << CR0_VMW_SHIFT);
        smmu.command(0x10 | 0x20L << 32, 0);
        assertThat(smmu.write(port, 0x1000, 1)).isEqualTo(DmaStatus.FAULTED);
    }
}
