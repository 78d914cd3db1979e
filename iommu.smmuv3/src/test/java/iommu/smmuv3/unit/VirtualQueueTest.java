package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.GERROR;
import static iommu.smmuv3.format.VirtualQueueRegister.*;
import static iommu.smmuv3.unit.BareSmmu.*;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.PageResponse;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Command queues that a guest owns. */
class VirtualQueueTest {
    private static final int SPACE = 0x2_0000;
    private static final int LG2 = 3;
    private static final int VMID = 7;
    /** The second interface's first queue, as that interface sees it. */
    private static final int OWN = SPACE + INTERFACE_PAGES + 2 * PAGE_BYTES;
    private static final int OWN_BASE = OWN + PAGE_BYTES;

    private final BareSmmu smmu = new BareSmmu(4, with(SmmuFeature.VIRTUAL_QUEUES, SmmuFeature.ATS)).start();
    private long queue;
    private int producer;

    @BeforeEach
    void give() {
        queue = smmu.memory.take(16L << LG2, 4096);
        put(CONFIG, 1);
        put(INTERFACE + (1 << INTERFACE_LG2) + INTERFACE_CONFIG, VMID << 1 | 1);
        put(ALLOCATION + 4 * 5, 1 << 15 | 1);   // queue 5 is number 0 of interface 1
        smmu.unit.write(OWN_BASE + QUEUE_BASE, 8, queue | LG2);
        smmu.unit.write(OWN + QUEUE_CONFIG, 4, 1);
        assertThat(own(QUEUE_STATUS)).isEqualTo(1);
    }

    @AfterEach
    void end() {
        smmu.close();
    }

    private void put(int offset, int value) {
        smmu.unit.write(SPACE + offset, 4, value);
    }

    private int own(int register) {
        return (int) smmu.unit.read(OWN + register, 4);
    }

    private void command(long word0, long word1) {
        TestMemory.words(queue + ((producer & 7) << 4), word0, word1);
        producer = producer + 1 & 15;
        smmu.unit.write(OWN + QUEUE_PROD, 4, producer);
    }

    @Test
    void parametersAndSizeOfTheRegisters() {
        assertThat(smmu.unit.registerBytes()).isEqualTo(SPACE + VirtualQueues.SPACE_BYTES);
        assertThat(smmu.unit.read(SPACE + PARAM, 4)).isEqualTo(4 << 12 | 2 << 8 | 3 << 4 | 1);
        assertThat(smmu.unit.read(SPACE + STATUS, 4)).isEqualTo(1);
        assertThat(smmu.unit.read(SPACE + INTERFACE + 0x100 + INTERFACE_STATUS, 4)).isEqualTo(1);
        SmmuUnit without = new SmmuUnit("without", SmmuFeatures.DEFAULT, SmmuInterrupts.NONE, entry -> { });
        assertThat(without.registerBytes()).isEqualTo(SPACE);
        without.write(SPACE + CONFIG, 4, 1);
        assertThat(without.read(SPACE + PARAM, 4)).isZero();
    }

    @Test
    void aGuestsInvalidationGetsItsVmidWhateverItSays() {
        long table = smmu.memory.page();
        long other = smmu.memory.page();
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT | 1L << 48, table), 0, VMID, 0);
        smmu.stream(4, STAGE1 | smmu.context(CONTEXT | 1L << 48, other), 0, 9, 0);
        long page = smmu.memory.page();
        long mine = smmu.map(table, 0x1000, page | LEAF1);
        long others = smmu.map(other, 0x1000, page | LEAF1);
        HardwarePort port = smmu.port(3);
        HardwarePort otherPort = smmu.port(4);
        assertThat(smmu.write(port, 0x1000, 1)).isEqualTo(DmaStatus.DONE);
        assertThat(smmu.write(otherPort, 0x1000, 1)).isEqualTo(DmaStatus.DONE);
        PhysicalWords.set(mine, 0);
        PhysicalWords.set(others, 0);
        command(0x12 | 9L << 32 | 1L << 48, 0x1000);
        command(0x46, 0);
        assertThat(own(QUEUE_CONS)).isEqualTo(producer);
        assertThat(smmu.write(port, 0x1000, 1)).isEqualTo(DmaStatus.FAULTED);
        assertThat(smmu.write(otherPort, 0x1000, 1)).as("another guest's").isEqualTo(DmaStatus.DONE);
    }

    @Test
    void aGuestsStreamsAreExchangedAndOthersAreIllegal() {
        List<String> told = new ArrayList<>();
        smmu.unit.openAtsPort(new RequesterId(3), Pasid.NONE, new AtsPort.Device() {
            @Override
            public boolean invalidate(int pasid, long iova, long lengthBytes, boolean global) {
                return told.add("0x%x".formatted(iova));
            }

            @Override
            public void pageResponse(PageResponse response) {
                told.add(response.toString());
            }
        });
        put(INTERFACE + 0x100 + SID_MATCH + 8, 0x20 << 1 | 1);
        put(INTERFACE + 0x100 + SID_REPLACE + 8, 3);
        command(0x40 | 0x20L << 32, 0x5000);
        command(0x46, 0);
        assertThat(told).containsExactly("0x5000");
        command(0x40 | 3L << 32, 0x6000);
        assertThat(own(QUEUE_CONS) >>> 24).isEqualTo(1);
        assertThat(told).hasSize(1);
    }

    @Test
    void whatAGuestMayNotSayStopsItsQueueAndNoOther() {
        for (long opcode : new long[] {0x03, 0x05, 0x10, 0x28, 0x2a, 0x30, 0x46 | 1 << 12, 0x46 | 3 << 12, 0xff}) {
            int at = producer;
            command(opcode, 0);
            assertThat(own(QUEUE_CONS)).as("0x%x", opcode).isEqualTo(at | 1 << 24);
            assertThat(own(QUEUE_GERROR) ^ own(QUEUE_GERRORN)).isEqualTo(1);
            assertThat(smmu.unit.read(SPACE + INTERFACE_ERRORS, 4)).isEqualTo(2);
            assertThat(smmu.unit.read(SPACE + INTERFACE + 0x100 + INTERFACE_QUEUE_ERRORS, 8)).isEqualTo(1);
            assertThat(smmu.unit.read(SPACE + QUEUE_ERRORS, 4)).isEqualTo(1 << 5);
            assertThat(smmu.raised).containsExactly(SmmuInterrupts.Line.VIRTUAL_QUEUE);
            smmu.raised.clear();
            smmu.command(0x30, 0);
            assertThat(smmu.get(GERROR)).as("the unit's own queue goes on").isZero();
            TestMemory.words(queue + ((at & 7) << 4), 0x46, 0);
            smmu.unit.write(OWN + QUEUE_GERRORN, 4, own(QUEUE_GERROR));
            assertThat(own(QUEUE_CONS)).as("repaired").isEqualTo(producer);
        }
    }

    @Test
    void aHypervisorsOwnQueueTakesEverything() {
        put(INTERFACE + 0x100 + INTERFACE_CONFIG, INTERFACE_HYPERVISOR | 1);
        command(0x30, 0);
        command(0x04, 31);
        command(0x46, 0);
        assertThat(own(QUEUE_CONS)).isEqualTo(producer);
    }

    @Test
    void aQueueThatWasTakenAwayRunsNoMore() {
        put(ALLOCATION + 4 * 5, 0);
        command(0x46, 0);
        assertThat(smmu.unit.read(SPACE + QUEUE_PAGE0 + (5 << QUEUE_LG2) + QUEUE_CONS, 4)).isZero();
        assertThat(own(QUEUE_CONFIG)).as("not there").isZero();
        put(ALLOCATION + 4 * 5, 1 << 15 | 1);
        assertThat(own(QUEUE_STATUS)).as("must be enabled again").isZero();
    }

    @Test
    void withoutItsInterfaceAQueueRunsNoMore() {
        put(INTERFACE + 0x100 + INTERFACE_CONFIG, 0);
        command(0x46, 0);
        assertThat(own(QUEUE_CONS)).isZero();
    }

    @Test
    void aQueueWithoutMemoryIsAnAbort() {
        smmu.unit.write(OWN + QUEUE_CONFIG, 4, 0);
        smmu.unit.write(OWN_BASE + QUEUE_BASE, 8, TestMemory.HOLE | LG2);
        smmu.unit.write(OWN + QUEUE_CONFIG, 4, 1);
        smmu.unit.write(OWN + QUEUE_PROD, 4, 1);
        assertThat(own(QUEUE_CONS)).isEqualTo(2 << 24);
    }
}
