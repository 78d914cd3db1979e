package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;
import static iommu.smmuv3.unit.BareSmmu.*;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import iommufd.api.DmaAccess;
import iommufd.api.dma.Pasid;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.PageRequest;
import iommufd.api.hardware.PageResponse;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The page request queue and its answers (IHI 0070, chapter 8). */
class PageRequestTest {
    private static final int LG2 = 2;
    private static final int ON = CR0_SMMUEN | CR0_CMDQEN | CR0_EVENTQEN | CR0_PRIQEN;
    private static final long STREAM = 3L << 32;

    private BareSmmu smmu;
    private long queue;
    private final List<String> told = new ArrayList<>();
    private AtsPort port;

    @AfterEach
    void end() {
        smmu.close();
    }

    private void start(int control, SmmuFeature... more) {
        SmmuFeature[] features = java.util.Arrays.copyOf(more, more.length + 2);
        features[more.length] = SmmuFeature.ATS;
        features[more.length + 1] = SmmuFeature.PRI;
        smmu = new BareSmmu(4, with(features)).start();
        queue = smmu.memory.take(16L << LG2, 4096);
        smmu.unit.write(PRIQ_BASE, 8, queue | LG2);
        smmu.unit.write(IRQ_CTRL, 4, IRQ_CTRL_PRIQ | IRQ_CTRL_GERROR);
        smmu.unit.write(CR0, 4, control);
        port = smmu.unit.openAtsPort(new RequesterId(3), 5, new AtsPort.Device() {
            @Override
            public boolean invalidate(int pasid, long iova, long lengthBytes, boolean global) {
                return true;
            }

            @Override
            public void pageResponse(PageResponse response) {
                told.add("%d/%d %s".formatted(response.pasid(), response.groupIndex(), response.response()));
            }

            @Override
            public void pageFailure(int pasid, int groupIndex) {
                told.add("%d/%d FAILURE".formatted(pasid, groupIndex));
            }
        });
    }

    private boolean ask(int pasid, int group, boolean last) {
        return port.requestPage(new PageRequest(pasid, group, 0x1234_5000L, DmaAccess.READ_WRITE, false, true, last));
    }

    private long word(int entry, int word) {
        return PhysicalWords.get(queue + entry * 16L + word * 8L);
    }

    @Test
    void aRequestIsInTheQueueFieldByField() {
        start(ON);
        assertThat(ask(5, 0x155, true)).isTrue();
        assertThat(word(0, 0)).isEqualTo(3 | 5L << 32 | 1L << 58 | 3L << 60 | 1L << 62 | 1L << 63);
        assertThat(word(0, 1)).isEqualTo(0x1234_5000L | 0x155);
        assertThat(smmu.get(PRIQ_PROD)).isEqualTo(1);
        assertThat(smmu.raised).containsExactly(SmmuInterrupts.Line.PAGE_REQUEST_QUEUE);
        assertThat(port.requestPage(new PageRequest(Pasid.NONE, 1, 0x7000, DmaAccess.READ, true, true, false))).isTrue();
        assertThat(word(1, 0)).as("without PASID neither privileged nor to execute").isEqualTo(3 | 1L << 60);
        assertThat(smmu.raised).as("not empty before").hasSize(1);
        assertThat(told).isEmpty();
    }

    @Test
    void answersGoToTheDevice() {
        start(ON);
        smmu.command(0x41 | STREAM | 1 << 11 | 5 << 12, 0x155 | 2 << 12);
        smmu.command(0x41 | STREAM, 7 | 1 << 12);
        smmu.command(0x41 | STREAM, 8);
        assertThat(told).containsExactly("5/341 SUCCESS", "-1/7 INVALID", "-1/8 FAILURE");
        smmu.command(0x41 | STREAM, 3 << 12);
        assertThat(smmu.get(CMDQ_CONS) >>> 24).as("a reserved answer").isEqualTo(1);
    }

    @Test
    void interruptsForTheLastOfAGroupOnly() {
        start(ON & ~CR0_PRIQEN);
        smmu.unit.write(IRQ_CTRL, 4, 0);
        smmu.unit.write(PRIQ_IRQ_CFG0 + IRQ_CFG2, 4, 1L << 31);
        smmu.unit.write(IRQ_CTRL, 4, IRQ_CTRL_PRIQ);
        smmu.unit.write(CR0, 4, ON);
        ask(5, 1, false);
        assertThat(smmu.raised).isEmpty();
        ask(5, 1, true);
        ask(5, 2, true);
        assertThat(smmu.raised).containsExactly(SmmuInterrupts.Line.PAGE_REQUEST_QUEUE, SmmuInterrupts.Line.PAGE_REQUEST_QUEUE);
    }

    private void fill() {
        for (int i = 0; i < 1 << LG2; i++) {
            ask(5, i, false);
        }
    }

    @Test
    void anOverflowAnswersTheLastOfEachGroupUntilItIsAcknowledged() {
        start(ON);
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT, smmu.memory.page()), 1L << 18, 0, 0);   // PPAR
        fill();
        assertThat(smmu.get(PRIQ_PROD)).isEqualTo(4);
        assertThat(ask(5, 9, false)).isTrue();
        assertThat(told).as("not the last").isEmpty();
        assertThat(smmu.get(PRIQ_PROD)).isEqualTo(4 | EVENTQ_OVERFLOW);
        ask(5, 9, true);
        assertThat(told).containsExactly("5/9 SUCCESS");
        smmu.unit.write(PRIQ_CONS, 4, 4);
        ask(5, 10, true);
        assertThat(told).as("room, but not acknowledged").containsExactly("5/9 SUCCESS", "5/10 SUCCESS");
        smmu.unit.write(PRIQ_CONS, 4, 4 | EVENTQ_OVERFLOW);
        ask(5, 11, true);
        assertThat(smmu.get(PRIQ_PROD)).isEqualTo(5 | EVENTQ_OVERFLOW);
        assertThat(told).hasSize(2);
        assertThat(smmu.get(GERROR)).isZero();
    }

    @Test
    void thePasidOfAnAutomaticAnswerIsAsPparSays() {
        start(ON);
        fill();
        ask(5, 1, true);
        smmu.stream(3, STAGE1 | smmu.context(CONTEXT, smmu.memory.page()), 0, 0, 0);
        ask(5, 2, true);
        ask(Pasid.NONE, 3, true);
        assertThat(told).as("no entry; PPAR 0; no PASID").containsExactly("-1/1 FAILURE", "-1/2 SUCCESS", "-1/3 SUCCESS");
    }

    @Test
    void withPpsThePasidIsAlwaysThere() {
        start(ON, SmmuFeature.RESPONSE_PASID);
        assertThat(smmu.get(IDR3) & IDR3_PPS).isNotZero();
        fill();
        ask(5, 1, true);
        assertThat(told).containsExactly("5/1 SUCCESS");
    }

    @Test
    void withoutTheQueueEveryRequestFails() {
        start(ON & ~CR0_PRIQEN);
        assertThat(ask(5, 1, false)).isTrue();
        smmu.unit.write(CR0, 4, ON & ~CR0_SMMUEN);
        assertThat(ask(5, 2, true)).isTrue();
        assertThat(told).containsExactly("-1/1 FAILURE", "-1/2 FAILURE");
        assertThat(smmu.get(PRIQ_PROD)).isZero();
    }

    @Test
    void aQueueWithoutMemoryIsAGlobalErrorAndTheRequestFails() {
        start(ON & ~CR0_PRIQEN);
        smmu.unit.write(PRIQ_BASE, 8, TestMemory.HOLE | LG2);
        smmu.unit.write(CR0, 4, ON);
        ask(5, 1, true);
        assertThat(smmu.get(GERROR)).isEqualTo(GERROR_PRIQ_ABT_ERR);
        ask(5, 2, true);
        assertThat(told).containsExactly("-1/1 FAILURE", "-1/2 FAILURE");
        assertThat(smmu.raised).containsExactly(SmmuInterrupts.Line.GLOBAL_ERROR);
    }

    @Test
    void aMessageInsteadOfAWire() {
        start(ON & ~CR0_PRIQEN);
        long address = smmu.memory.page();
        smmu.unit.write(IRQ_CTRL, 4, 0);
        smmu.unit.write(PRIQ_IRQ_CFG0, 8, address);
        smmu.unit.write(PRIQ_IRQ_CFG0 + IRQ_CFG1, 4, 66);
        smmu.unit.write(IRQ_CTRL, 4, IRQ_CTRL_PRIQ);
        smmu.unit.write(PRIQ_IRQ_CFG0, 8, 0);
        smmu.unit.write(CR0, 4, ON);
        ask(5, 1, true);
        assertThat(PhysicalWords.get(address)).isEqualTo(66);
    }

    @Test
    void withoutPriNobodyAnswers() {
        smmu = new BareSmmu(4, with(SmmuFeature.ATS)).start();
        port = smmu.unit.openAtsPort(new RequesterId(3), 5, new AtsPort.Device() {
            @Override
            public boolean invalidate(int pasid, long iova, long lengthBytes, boolean global) {
                return true;
            }

            @Override
            public void pageResponse(PageResponse response) {
                told.add(response.toString());
            }
        });
        assertThat(ask(5, 1, true)).isFalse();
        smmu.command(0x41 | STREAM, 2 << 12);
        assertThat(smmu.get(CMDQ_CONS) >>> 24).isEqualTo(1);
        assertThat(told).isEmpty();
    }
}
