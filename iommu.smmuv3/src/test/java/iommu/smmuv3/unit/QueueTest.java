package iommu.smmuv3.unit;

import static iommu.smmuv3.format.SmmuRegister.*;
import static iommu.smmuv3.unit.BareSmmu.*;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import iommufd.api.hardware.HardwarePort;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Both queues: wrap, full, errors and recovery. */
class QueueTest {
    private static final int LG2 = 2;
    private static final int ENTRIES = 1 << LG2;
    private static final int SYNC = 0x46;

    private final BareSmmu smmu = new BareSmmu(LG2).start();

    @AfterEach
    void unback() {
        smmu.close();
    }

    private int consumed() {
        return smmu.get(CMDQ_CONS) & 0xff;
    }

    private boolean commandError() {
        return ((smmu.get(GERROR) ^ smmu.get(GERRORN)) & GERROR_CMDQ_ERR) != 0;
    }

    private int errorCode() {
        return smmu.get(CMDQ_CONS) >>> 24 & 0x7f;
    }

    private void acknowledge() {
        smmu.unit.write(GERRORN, 4, smmu.get(GERROR));
    }

    @Test
    void commandsAreConsumedThroughManyWraps() {
        for (int i = 0; i < 5 * ENTRIES; i++) {
            smmu.command(0x30, 0);
            assertThat(consumed()).isEqualTo(smmu.producer());
        }
    }

    @Test
    void aFullQueueIsConsumedAndNotTakenForAnEmptyOne() {
        int message = (int) (smmu.memory.page());
        long address = TestMemory.BASE | message;
        for (int i = 0; i < ENTRIES; i++) {
            smmu.put(SYNC | 1 << 12 | (i + 1L) << 32, address + 4 * i);
        }
        smmu.ring();
        assertThat(consumed()).isEqualTo(ENTRIES);
        for (int i = 0; i < ENTRIES; i++) {
            assertThat(PhysicalWords.getInt(address + 4 * i)).isEqualTo(i + 1);
        }
    }

    @Test
    void inconsistentIndicesConsumeNothing() {
        smmu.unit.write(CMDQ_PROD, 4, ENTRIES + 1);
        assertThat(consumed()).isZero();
        assertThat(commandError()).isFalse();
    }

    @Test
    void commandsOfferedBeforeTheQueueIsEnabledAreCarriedOutThen() {
        smmu.unit.write(CR0, 4, CR0_SMMUEN);
        smmu.put(0x30, 0);
        smmu.ring();
        assertThat(consumed()).isZero();
        smmu.unit.write(CR0, 4, CR0_SMMUEN | CR0_CMDQEN);
        assertThat(consumed()).isEqualTo(1);
    }

    /** Reserved, EL2 without HYP, ATS, PRI and stalls that are not there, Secure ones. */
    @ParameterizedTest
    @ValueSource(ints = {0x00, 0x07, 0x18, 0x20, 0x21, 0x22, 0x23, 0x40, 0x41, 0x44, 0x45, 0x50, 0x60, 0x70, 0x80, 0xff})
    void anUnknownCommandStopsTheQueueUntilItIsAcknowledged(int opcode) {
        smmu.put(0x30, 0);
        smmu.put(opcode, 0);
        smmu.put(0x30, 0);
        smmu.ring();
        assertThat(consumed()).as("stays on the command").isEqualTo(1);
        assertThat(errorCode()).isEqualTo(1);
        assertThat(commandError()).isTrue();
        assertThat(smmu.raised).containsExactly(SmmuInterrupts.Line.GLOBAL_ERROR);
        smmu.ring();
        assertThat(consumed()).as("a doorbell does not restart it").isEqualTo(1);
        TestMemory.words(smmu.commandQueue + 16, SYNC, 0);
        acknowledge();
        assertThat(commandError()).isFalse();
        assertThat(consumed()).as("re-fetched and resumed without a doorbell").isEqualTo(3);
    }

    @Test
    void anErrorThatIsNotRepairedComesBack() {
        smmu.put(0, 0);
        smmu.ring();
        acknowledge();
        assertThat(commandError()).isTrue();
        assertThat(consumed()).isZero();
    }

    /** Malformed parameters of commands that exist. */
    @Test
    void malformedCommandsAreIllegal() {
        long[][] malformed = {
            {0x03 | 1 << 10, 0},              // Secure stream
            {0x05 | 1 << 10, 0},
            {SYNC | 3 << 12, 0},              // reserved completion signal
            {0x12, 1 << 10},                  // granule without range and level
            {0x2a, 2 << 10 | 1 << 8},         // 16K has no blocks at level 1: as no level
        };
        for (long[] command : malformed) {
            smmu.put(command[0], command[1]);
            smmu.ring();
            assertThat(errorCode()).as("0x%x 0x%x", command[0], command[1]).isEqualTo(1);
            assertThat(commandError()).isTrue();
            int at = consumed() & ENTRIES - 1;
            TestMemory.words(smmu.commandQueue + at * 16L, SYNC, 0);
            acknowledge();
            assertThat(consumed()).isEqualTo(smmu.producer());
        }
    }

    @Test
    void aQueueWithoutMemoryIsAnAbort() {
        smmu.unit.write(CR0, 4, CR0_SMMUEN);
        smmu.unit.write(CMDQ_BASE, 8, TestMemory.HOLE | LG2);
        smmu.unit.write(CR0, 4, CR0_SMMUEN | CR0_CMDQEN);
        smmu.unit.write(CMDQ_PROD, 4, 1);
        assertThat(errorCode()).isEqualTo(2);
        assertThat(commandError()).isTrue();
        assertThat(consumed()).isZero();
    }

    @Test
    void syncSignalsByWireAndMessage() {
        long address = smmu.memory.page();
        smmu.put(SYNC | 1 << 12 | 0x1234_5678L << 32, address);
        smmu.put(SYNC | 2 << 12, 0);
        smmu.ring();
        assertThat(PhysicalWords.get(address)).isEqualTo(0x1234_5678);
        assertThat(smmu.raised).containsExactly(SmmuInterrupts.Line.COMMAND_SYNC);
        smmu.raised.clear();
        smmu.put(SYNC | 1 << 12, TestMemory.HOLE);
        smmu.ring();
        assertThat(smmu.get(GERROR)).isEqualTo(GERROR_MSI_CMDQ_ABT_ERR);
        assertThat(consumed()).isEqualTo(smmu.producer());
    }

    private void fault(HardwarePort port) {
        smmu.write(port, 0x1000, 1);
    }

    @Test
    void eventsWrapAroundManyTimes() {
        HardwarePort port = smmu.port(3);
        for (int i = 0; i < 5 * ENTRIES; i++) {
            fault(port);
            assertThat(smmu.event()).hasSize(4);
            assertThat(smmu.event()).isEmpty();
        }
        assertThat(smmu.raised).as("an interrupt whenever the queue was empty").hasSize(5 * ENTRIES);
    }

    @Test
    void aFullEventQueueLosesRecordsAndTogglesItsOverflowFlagOnce() {
        HardwarePort port = smmu.port(3);
        for (int i = 0; i < ENTRIES + 3; i++) {
            fault(port);
        }
        assertThat(smmu.get(EVENTQ_PROD)).isEqualTo(EVENTQ_OVERFLOW | ENTRIES);
        assertThat(smmu.get(GERROR)).as("an overflow is no abort").isZero();
        assertThat(smmu.raised).containsExactly(SmmuInterrupts.Line.EVENT_QUEUE);
        smmu.unit.write(EVENTQ_CONS, 4, EVENTQ_OVERFLOW | 1);   // one consumed, overflow acknowledged
        fault(port);
        assertThat(smmu.get(EVENTQ_PROD)).isEqualTo(EVENTQ_OVERFLOW | ENTRIES + 1);
        fault(port);
        assertThat(smmu.get(EVENTQ_PROD)).as("a second overflow toggles back").isEqualTo(ENTRIES + 1);
    }

    @Test
    void anEventQueueWithoutMemoryIsAGlobalError() {
        smmu.unit.write(CR0, 4, CR0_SMMUEN);
        smmu.unit.write(EVENTQ_BASE, 8, TestMemory.HOLE | LG2);
        smmu.unit.write(CR0, 4, CR0_SMMUEN | CR0_EVENTQEN);
        fault(smmu.port(3));
        assertThat(smmu.get(GERROR)).isEqualTo(GERROR_EVENTQ_ABT_ERR);
        assertThat(smmu.get(EVENTQ_PROD)).isZero();
        assertThat(smmu.raised).containsExactly(SmmuInterrupts.Line.GLOBAL_ERROR);
    }

    @Test
    void withoutEventqenNothingIsWritten() {
        smmu.unit.write(CR0, 4, CR0_SMMUEN | CR0_CMDQEN);
        fault(smmu.port(3));
        assertThat(smmu.get(EVENTQ_PROD)).isZero();
        assertThat(smmu.raised).isEmpty();
    }

    @Test
    void interruptsCanBeMessages() {
        long address = smmu.memory.page();
        smmu.unit.write(IRQ_CTRL, 4, 0);
        smmu.unit.write(EVENTQ_IRQ_CFG0, 8, address);
        smmu.unit.write(EVENTQ_IRQ_CFG0 + IRQ_CFG1, 4, 77);
        smmu.unit.write(GERROR_IRQ_CFG0, 8, address + 8);
        smmu.unit.write(GERROR_IRQ_CFG0 + IRQ_CFG1, 4, 88);
        smmu.unit.write(IRQ_CTRL, 4, IRQ_CTRL_EVENTQ | IRQ_CTRL_GERROR);
        fault(smmu.port(3));
        smmu.put(0, 0);
        smmu.ring();
        assertThat(PhysicalWords.get(address)).isEqualTo(77);
        assertThat(PhysicalWords.get(address + 8)).isEqualTo(88);
    }
}
