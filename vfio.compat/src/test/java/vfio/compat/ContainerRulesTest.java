package vfio.compat;

import static iommufd.api.uapi.VfioRequest.VFIO_CHECK_EXTENSION;
import static iommufd.api.uapi.VfioRequest.VFIO_GET_API_VERSION;
import static iommufd.api.uapi.VfioRequest.VFIO_SET_IOMMU;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.Errno;
import iommufd.api.node.OpenNode;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import vfio.compat.container.ContainerOptions;

/** What a container is before it has a type, and how it gets and loses one. */
class ContainerRulesTest {
    private static final int MAP_DMA = 0x3B71;

    private static Set<Long> extensions(Rig rig, OpenNode container) {
        return LongStream.range(0, 16).filter(extension -> !rig.client.ioctl(container, VFIO_CHECK_EXTENSION, extension).equals("0"))
                .boxed().collect(Collectors.toSet());
    }

    @Test
    void withoutAGroupItOnlyAnswersQuestions() {
        try (Rig rig = new Rig()) {
            OpenNode container = rig.file(rig.container());
            assertThat(rig.client.ioctl(container, VFIO_GET_API_VERSION, 7)).isEqualTo("0");
            assertThat(extensions(rig, container)).containsExactlyInAnyOrder(1L, 3L, 9L);
            assertThat(rig.client.ioctl(container, VFIO_SET_IOMMU, 1)).isEqualTo("EINVAL");
            assertThat(rig.client.ioctl(container, MAP_DMA, TestClient.STRUCT)).isEqualTo("EINVAL");
            assertThat(rig.client.ioctl(container, 0x3BFF, 0)).as("any request at all").isEqualTo("EINVAL");
        }
    }

    @Test
    void itKnowsNoDevicesWithoutIommuUnlessConfigured() {
        try (Rig rig = new Rig(new ContainerOptions(1, true), true)) {
            int container = rig.container();
            assertThat(extensions(rig, rig.file(container))).contains(8L);
            assertThat(rig.setContainer(rig.open(rig.group(1)), container)).isEqualTo("0");
            assertThat(extensions(rig, rig.file(container))).as("a group with an IOMMU excludes it").doesNotContain(8L);
            assertThat(rig.client.ioctl(rig.file(container), VFIO_SET_IOMMU, 8)).isEqualTo("ENODEV");
        }
    }

    @Test
    void itTakesOneTypeOnce() {
        try (Rig rig = new Rig()) {
            int container = rig.container();
            rig.setContainer(rig.open(rig.group(1)), container);
            OpenNode file = rig.file(container);
            for (long type : new long[] {0, 2, 4, 6, 8, 9, 1L << 32 | 1, -1}) {
                assertThat(rig.client.ioctl(file, VFIO_SET_IOMMU, type)).as("type %d", type).isEqualTo("ENODEV");
            }
            assertThat(rig.client.ioctl(file, VFIO_SET_IOMMU, 3)).isEqualTo("0");
            assertThat(rig.client.ioctl(file, VFIO_SET_IOMMU, 3)).isEqualTo("EINVAL");
            assertThat(extensions(rig, file)).as("coherent, and memory may move").containsExactlyInAnyOrder(1L, 3L, 4L, 9L, 10L);
            assertThat(rig.client.ioctl(file, 0x3BFF, 0)).isEqualTo("ENOTTY");
        }
    }

    @Test
    void memoryOfEmulatedDevicesMayNotMove() {
        try (Rig rig = new Rig()) {
            OpenNode container = rig.container(Rig.TYPE1V2, rig.emulatedGroup(1));
            assertThat(extensions(rig, container)).containsExactlyInAnyOrder(1L, 3L, 4L, 9L);
            assertThat(rig.unmap(container, 6, 0, 0)).isEqualTo("EBUSY");
        }
    }

    @Test
    void aGroupThatCannotBeAttachedLeavesNothingBehind() {
        try (Rig rig = new Rig()) {
            int container = rig.container();
            TestGroup first = rig.group(1);
            TestGroup second = rig.group(2);
            rig.setContainer(rig.open(first), container);
            rig.setContainer(rig.open(second), container);
            second.refusal = java.util.Optional.of(Errno.ENOMEM);
            assertThat(rig.client.ioctl(rig.file(container), VFIO_SET_IOMMU, 1)).isEqualTo("ENOMEM");
            assertThat(rig.client.ioctl(rig.file(container), MAP_DMA, TestClient.STRUCT)).as("no type").isEqualTo("EINVAL");
            assertThat(rig.client.ioctl(rig.file(container), VFIO_SET_IOMMU, 1)).as("at the second attempt").isEqualTo("0");
        }
    }

    @Test
    void aGroupWhoseReservedRegionIsMappedStaysOutside() {
        try (Rig rig = new Rig()) {
            OpenNode container = rig.container(Rig.TYPE1V2, rig.emulatedGroup(1));
            assertThat(rig.map(container, Rig.READ_WRITE, 0xFEE0_0000L, TestClient.BUFFER, Rig.PAGE)).isEqualTo("0");
            int group = rig.open(rig.group(2));
            assertThat(rig.setContainer(group, rig.client.openNode(container))).isEqualTo("EINVAL");
            assertThat(rig.unmap(container, 0, 0xFEE0_0000L, Rig.PAGE)).isEqualTo("4096");
            assertThat(rig.setContainer(group, rig.client.openNode(container))).isEqualTo("0");
            assertThat(rig.map(container, Rig.READ_WRITE, 0xFEE0_0000L, TestClient.BUFFER, Rig.PAGE)).as("reserved now").isEqualTo("EINVAL");
        }
    }

    @Test
    void theLastGroupTakesTypeAndMappingsAlong() {
        try (Rig rig = new Rig()) {
            int container = rig.container();
            int first = rig.open(rig.group(1));
            int second = rig.open(rig.group(2));
            List.of(first, second).forEach(group -> assertThat(rig.setContainer(group, container)).isEqualTo("0"));
            OpenNode file = rig.file(container);
            rig.client.ioctl(file, VFIO_SET_IOMMU, 3);
            assertThat(rig.map(file, Rig.READ_WRITE, 0, TestClient.BUFFER, Rig.PAGE)).isEqualTo("0");
            rig.client.close(first);
            assertThat(rig.client.pinnedPages).hasValue(1);
            rig.client.close(second);
            assertThat(rig.client.pinnedPages).hasValue(0);
            assertThat(rig.client.ioctl(file, MAP_DMA, TestClient.STRUCT)).isEqualTo("EINVAL");
            rig.setContainer(rig.open(rig.group(3)), container);
            assertThat(rig.client.ioctl(file, VFIO_SET_IOMMU, 1)).as("it may become another type").isEqualTo("0");
        }
    }

    @Test
    void aContainerOutlivesItsFile() {
        try (Rig rig = new Rig()) {
            TestGroup group = rig.group(1);
            OpenNode container = rig.container(Rig.TYPE1V2, group);
            assertThat(rig.map(container, Rig.READ_WRITE, 0, TestClient.BUFFER, Rig.PAGE)).isEqualTo("0");
            container.close();
            assertThat(rig.client.pinnedPages).as("the group still has it").hasValue(1);
        }
    }
}
