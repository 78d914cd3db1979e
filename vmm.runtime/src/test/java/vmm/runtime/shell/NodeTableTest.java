package vmm.runtime.shell;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.node.NodeActivity.NodeCounts;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class NodeTableTest {
    @Test
    void everyNodeHasARowWithItsErrorsByName() {
        NodeCounts iommu = new NodeCounts("/dev/iommu", 2, 5, 1_000_000, new TreeMap<>(Map.of(14, 3L, 2, 1L, 103, 7L)));
        NodeCounts idle = new NodeCounts("/dev/vfio/vfio", 0, 0, 0, new TreeMap<>());
        assertThat(IommuCommands.nodeTable(List.of(iommu, idle)).lines()).containsExactly(
                "NODE             OPEN FILES   OPENED   IOCTLS      GRANTED     REFUSED",
                "--------------   ----------   ------   ---------   ---------   -------------------------------",
                "/dev/iommu       2            5        1,000,011   1,000,000   ENOENT 1, EFAULT 3, errno 103 7",
                "/dev/vfio/vfio   0            0        0           0           -");
        assertThat(IommuCommands.nodeTable(List.of())).isEqualTo("There is no device node.");
    }
}
