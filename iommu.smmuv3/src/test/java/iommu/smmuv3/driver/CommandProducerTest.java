package iommu.smmuv3.driver;

import static iommu.smmuv3.format.SmmuRegister.*;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.common.unit.PhysicalWords;
import iommu.smmuv3.format.RegisterAccess;
import iommu.smmuv3.unit.SmmuFeatures;
import iommu.smmuv3.unit.SmmuInterrupts;
import iommu.smmuv3.unit.SmmuUnit;
import iommufd.api.memory.HostMemory;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The driver's end of the command queue in front of a real unit, with a wire in between that listens or spoils. */
class CommandProducerTest {
    private static final long QUEUE = 5L << 40;
    private final SmmuUnit unit = new SmmuUnit("smmu", SmmuFeatures.DEFAULT, SmmuInterrupts.NONE, entry -> { });
    private final List<long[]> seen = new ArrayList<>();
    private int produced;
    private boolean spoilNext;

    /** Copies what each doorbell offers. */
    private final RegisterAccess wire = new RegisterAccess() {
        @Override
        public long read(int offset, int bytes) {
            return unit.read(offset, bytes);
        }

        @Override
        public void write(int offset, int bytes, long value) {
            if (offset == CMDQ_PROD) {
                for (; produced != (int) value; produced = produced + 1 & 0x1ff) {
                    long slot = QUEUE + (produced & 0xff) * 16L;
                    seen.add(new long[] {PhysicalWords.get(slot), PhysicalWords.get(slot + 8)});
                    if (spoilNext) {
                        spoilNext = false;
                        PhysicalWords.set(slot, 0xee);
                    }
                }
            }
            unit.write(offset, bytes, value);
        }
    };
    private final CommandProducer commands = new CommandProducer(wire, QUEUE);

    @BeforeEach
    void enable() {
        HostMemory.backAnonymous(QUEUE, 2 << 20, false);
        unit.write(CMDQ_BASE, 8, QUEUE | CommandProducer.ENTRIES_LG2);
        unit.write(CR0, 4, CR0_CMDQEN);
    }

    @AfterEach
    void unback() {
        HostMemory.unback(QUEUE, 2 << 20);
    }

    private void firstIs(long word0, long word1) {
        assertThat(seen.removeFirst()).containsExactly(word0, word1);
        assertThat(seen.removeFirst()).as("CMD_SYNC").containsExactly(0x46, 0);
        assertThat(seen).isEmpty();
    }

    @Test
    void onePageIsACommandByAddress() {
        commands.invalidateStage1(9, 0x1234_5000, 0x1234_5fff, 12, true);
        firstIs(0x12 | 9L << 48, 0x1234_5000 | 1);
    }

    @Test
    void aRangeIsOneCommandThatCoversIt() {
        commands.invalidateStage1(9, 0x1000, 0x20_ffff, 12, false);   // 527 pages: 17 steps of 32
        firstIs(0x12 | 9L << 48 | 16 << 12 | 5 << 20, 0x1000 | 1 << 10);
        commands.invalidateStage2(3, 0x4_0000, 0x7_ffff, 16, true, false);   // 4 granules of 64 KiB
        firstIs(0x2a | 3L << 32 | 3 << 12, 0x4_0000 | 3 << 10 | 1);
        commands.invalidateStage1(9, 0, (1L << 48) - 1, 14, false);
        firstIs(0x12 | 9L << 48 | 31 << 12 | 29 << 20, 2 << 10);
    }

    @Test
    void everyRangeIsCovered() {
        for (long granules = 1; granules < 5000; granules++) {
            commands.invalidateStage1(1, 0x7000, 0x7000 + granules * 4096 - 1, 12, false);
            long word0 = seen.removeFirst()[0];
            long covered = (word0 >>> 12 & 31) + 1 << (word0 >>> 20 & 31);
            assertThat(covered).as("%d granules", granules).isBetween(granules, granules + granules / 16);
            seen.clear();
        }
    }

    @Test
    void aNestParentsInvalidationReachesWhatStandsOnIt() {
        commands.invalidateStage2(3, 0x4000, 0x4fff, 12, true, true);
        assertThat(seen.removeFirst()).containsExactly(0x2a | 3L << 32, 0x4000 | 1);
        firstIs(0x10 | 3L << 32, 0);
    }

    @Test
    void theQueueWrapsManyTimes() {
        for (int i = 0; i < 2000; i++) {
            commands.invalidateAsid(i);
            firstIs(0x11 | (long) i << 48, 0);
        }
    }

    @Test
    void aRefusedCommandIsReplacedByAFullInvalidation() {
        spoilNext = true;
        commands.invalidateAsid(4);
        assertThat(unit.read(CMDQ_CONS, 4) & 0x1ff).isEqualTo(produced);
        assertThat(unit.read(GERROR, 4)).isEqualTo(unit.read(GERRORN, 4)).isEqualTo(GERROR_CMDQ_ERR);
        assertThat(PhysicalWords.get(QUEUE)).as("TLBI_NSNH_ALL").isEqualTo(0x30);
    }
}
