package vmm.runtime.shell;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.DmaAccess;
import iommufd.api.dma.DmaFault;
import iommufd.api.dma.RequesterId;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

class FaultLogTest {
    private final FaultLog log = new FaultLog();
    private final IommuCommands commands = new IommuCommands(log);

    @Test
    void theLatestFaultsAreKeptAndAllAreCounted() {
        for (int i = 0; i < FaultLog.CAPACITY + 5; i++) {
            log.faulted(faultAt(0x1000L * i));
        }
        assertThat(log.total()).isEqualTo(FaultLog.CAPACITY + 5);
        assertThat(log.latest()).hasSize(FaultLog.CAPACITY);
        assertThat(log.latest().getFirst().fault().iova()).isEqualTo(0x5000);
        assertThat(log.latest().getLast().fault().iova()).isEqualTo(0x1000L * (FaultLog.CAPACITY + 4));
    }

    @Test
    void theShellShowsWhatTheHardwareRecorded() {
        assertThat(commands.faults()).isEqualTo("No DMA request has failed.");
        log.faulted(faultAt(0xFFFF_FFFF_FFFF_F000L));
        assertThat(commands.faults()).contains("vtd0", "0000:00:03.0", "0xfffffffffffff000", "permission", "0x85", "no write permission", "1 failed request so far");
    }

    @Test
    void withoutAnEngineTheShellSaysWhatToDo() {
        assertThat(commands.hardware()).contains("Start the bundle iommufd.core");
        assertThat(commands.swap("vtd0", "smmu0")).contains("Start the bundle iommufd.core");
    }

    @Test
    void withoutNodesTheShellSaysWhatToDo() {
        assertThat(commands.nodes()).contains("Start the bundle devnode.fuse");
    }

    private static DmaFault faultAt(long iova) {
        return new DmaFault("vtd0", RequesterId.of(0, 0, 3, 0), OptionalInt.empty(), iova, DmaAccess.WRITE, DmaFault.Kind.PERMISSION, 0x85, "no write permission");
    }
}
