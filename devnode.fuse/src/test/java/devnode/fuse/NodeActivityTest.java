package devnode.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import iommufd.api.node.NodeActivity.NodeCounts;
import iommufd.api.node.NodeActivity.Tracing;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What clients do is counted always, and told to who asks. */
@Timeout(60)
class NodeActivityTest extends NodeTest {
    @Test
    void ioctlsAreCountedByTheirErrnos() throws Exception {
        run("ioctls");
        await().until(() -> node.inUse() == 0);
        assertThat(publisher.counts()).singleElement().returns(PATH, NodeCounts::path).returns(0L, NodeCounts::openFiles).returns(1L, NodeCounts::opens)
                .returns(5L, NodeCounts::granted).returns(9L, NodeCounts::ioctls);
        assertThat(publisher.counts().getFirst().refused()).containsExactlyInAnyOrderEntriesOf(Map.of(5, 2L, 16, 1L, 25, 1L));
    }

    @Test
    void callsAreToldUntilTheTracingIsClosed() throws Exception {
        List<String> lines = new CopyOnWriteArrayList<>();
        try (Tracing _ = publisher.trace().add(lines::add); Tracing _ = publisher.trace().add(broken -> {
            throw new IllegalStateException("a listener that is no good");
        })) {
            run("ioctls");
            await().until(() -> node.inUse() == 0);
            await().until(() -> lines.getLast().endsWith("is closed"));
        }
        int told = lines.size();
        run("ioctls");
        assertThat(lines).hasSize(told).hasSize(11);
        assertThat(lines.getFirst()).matches("\\[pid \\d+] " + PATH + "#1 open = 0");
        assertThat(lines.get(7)).matches("\\[pid \\d+] " + PATH + "#1 ioctl 0x[0-9a-f]+ 0xf+0 = -1 EBUSY <0\\.\\d{6}>");
        assertThat(lines.getLast()).isEqualTo(PATH + "#1 is closed");
    }
}
