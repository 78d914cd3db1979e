package devnode.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import devnode.fuse.server.Permissions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Who may open which nodes. */
class PermissionsTest {
    @Test
    void theFirstRuleThatFitsCounts() {
        PermissionRules rules = new PermissionRules("/dev/vfio/*=0:12:0660", "/dev/vfio/**=root:root:0600", "/dev/iommu=1000:1000:666");
        assertThat(rules.of("/dev/vfio/7")).isEqualTo(new Permissions(0, 12, 0660));
        assertThat(rules.of("/dev/vfio/devices/vfio0")).isEqualTo(new Permissions(0, 0, 0600));
        assertThat(rules.of("/dev/iommu")).isEqualTo(new Permissions(1000, 1000, 0666));
        assertThat(rules.of("/dev/other")).isEqualTo(Permissions.DEFAULT);
    }

    @Test
    void aRuleThatMakesNoSenseIsNamed() {
        assertThatThrownBy(() -> new PermissionRules("/dev/iommu")).isInstanceOf(IllegalArgumentException.class).hasMessageContaining("'/dev/iommu'");
        assertThatThrownBy(() -> new PermissionRules("/dev/iommu=nosuchuser:0:0600")).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("nosuchuser").hasMessageContaining("/etc/passwd");
    }

    @Test
    void theKernelEnforcesThem(@TempDir Path directory) throws Exception {
        Native.program();
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
        try (NodePublisher publisher = new NodePublisher(Optional.of(directory), new PermissionRules("/dev/all=0:0:0666", "/dev/group=0:65534:0660"), NodeTest.SPIN_NANOS)) {
            TestNode node = new TestNode();
            publisher.add("/dev/all", node, List.of(), FusePublisher.DEFAULT_DRIVER);
            publisher.add("/dev/group", new TestNode(), List.of(), FusePublisher.DEFAULT_DRIVER);
            publisher.add("/dev/root", new TestNode(), List.of(), FusePublisher.DEFAULT_DRIVER);
            assertThat(open(directory, "all")).containsExactly("open 0 0", "ioctl 0 0");
            assertThat(node.lastOwner.userId()).isEqualTo(65534);
            assertThat(node.lastOwner.sysResource()).isFalse();
            assertThat(node.lastOwner.rawIo()).isFalse();
            assertThat(open(directory, "group")).first().isEqualTo("open 0 0");
            assertThat(open(directory, "root")).containsExactly("open -1 13");
        }
    }

    private static List<String> open(Path directory, String name) throws Exception {
        return Client.run(directory, directory.resolve(name).toString(), "nobody");
    }

    @Test
    void nodesNeedAPathBelowDevThatIsFree(@TempDir Path directory) throws Exception {
        Native.program();
        try (NodePublisher publisher = new NodePublisher(Optional.of(directory), new PermissionRules(), NodeTest.SPIN_NANOS)) {
            for (String path : List.of("/dev/a", "/dev/a", "/dev/a/b", "/etc/passwd", "/dev/../etc/x", "/dev//x", "/dev/", "dev/x", "/dev/d/e", "/dev/d")) {
                publisher.add(path, new TestNode(), List.of(), FusePublisher.DEFAULT_DRIVER);
            }
            try (var names = Files.walk(directory)) {
                assertThat(names.map(directory::relativize).map(Path::toString)).containsExactlyInAnyOrder("", "a", "d", "d/e");
            }
        }
    }
}
