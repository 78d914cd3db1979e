package vfio.compat;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.ContextOwner;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaPort;
import iommufd.api.node.OpenNode;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.compat.container.ContainerOptions;

/** MAP_DMA and UNMAP_DMA of both types. */
class MapRulesTest {
    private static final long PAGE = Rig.PAGE;
    private static final long IOVA = 1L << 32;
    private static final int UNMAP_ALL = 2;
    private static final int MOVES = 4;
    private Rig rig = new Rig();

    @AfterEach
    void close() {
        rig.close();
    }

    private String map(OpenNode container, long iova, long pages) {
        return rig.map(container, Rig.READ_WRITE, iova, TestClient.BUFFER, pages * PAGE);
    }

    @ParameterizedTest
    @ValueSource(ints = {Rig.TYPE1, Rig.TYPE1V2})
    void mappingChecksItsArgumentsInLinuxsOrder(int type) {
        OpenNode container = rig.container(type, rig.group(1));
        assertThat(rig.map(container, Rig.READ_WRITE, -PAGE, TestClient.BUFFER, 2 * PAGE)).isEqualTo("EOVERFLOW");
        assertThat(rig.map(container, Rig.READ_WRITE, IOVA, -PAGE, 2 * PAGE)).isEqualTo("EOVERFLOW");
        assertThat(rig.map(container, 0, -PAGE, TestClient.BUFFER, 2 * PAGE)).as("overflow comes before rights").isEqualTo("EOVERFLOW");
        assertThat(rig.map(container, Rig.READ_WRITE, IOVA, TestClient.BUFFER, 0)).isEqualTo("EINVAL");
        assertThat(rig.map(container, 0, IOVA, TestClient.BUFFER, PAGE)).as("no right").isEqualTo("EINVAL");
        assertThat(rig.map(container, MOVES | 1, IOVA, TestClient.BUFFER, PAGE)).isEqualTo("EINVAL");
        assertThat(rig.map(container, 8, IOVA, TestClient.BUFFER, PAGE)).as("unknown flag").isEqualTo("EINVAL");
        assertThat(rig.map(container, Rig.READ_WRITE, IOVA + 1, TestClient.BUFFER, PAGE)).isEqualTo("EINVAL");
        assertThat(rig.map(container, Rig.READ_WRITE, IOVA, TestClient.BUFFER + 512, PAGE)).isEqualTo("EINVAL");
        assertThat(rig.map(container, Rig.READ_WRITE, IOVA, TestClient.BUFFER, PAGE - 1)).isEqualTo("EINVAL");
        assertThat(rig.map(container, Rig.READ_WRITE, IOVA, 0x1000, PAGE)).as("no memory").isEqualTo("EFAULT");
        assertThat(rig.map(container, Rig.READ_WRITE, 0xFEE0_0000L, 0x1000, PAGE)).as("the IOVA comes before the memory").isEqualTo("EINVAL");
        assertThat(rig.map(container, Rig.READ_WRITE, 1L << 60, TestClient.BUFFER, PAGE)).as("beyond the tables").isEqualTo("EINVAL");
        assertThat(map(container, IOVA, 4)).isEqualTo("0");
        assertThat(map(container, IOVA, 4)).isEqualTo("EEXIST");
        assertThat(rig.map(container, Rig.READ_WRITE, IOVA + 3 * PAGE, 0x1000, 9 * PAGE)).as("overlap comes before memory").isEqualTo("EEXIST");
        assertThat(rig.unmap(container, 0, IOVA, 4 * PAGE)).isEqualTo("16384");
        rig.client.hole(TestClient.BUFFER + 2 * PAGE);
        assertThat(map(container, IOVA, 4)).as("a hole in the middle").isEqualTo("EFAULT");
        assertThat(rig.client.pinnedPages).hasValue(0);
        rig.client.fill(TestClient.BUFFER + 2 * PAGE);
        assertThat(map(container, IOVA, 4)).as("nothing was left behind").isEqualTo("0");
    }

    @Test
    void rightsAreThoseOfTheFlags() {
        TestGroup group = new TestGroup(1, List.of("a"), List.of(rig.plug(1)));
        DmaEndpoint endpoint = rig.plug(2);
        OpenNode container = rig.container(Rig.TYPE1V2, group, new TestGroup(2, List.of("b"), List.of(endpoint)));
        try (DmaPort port = endpoint.openPort()) {
            assertThat(rig.map(container, 1, IOVA, TestClient.BUFFER, PAGE)).isEqualTo("0");
            assertThat(rig.map(container, 3, IOVA + PAGE, TestClient.BUFFER, PAGE)).isEqualTo("0");
            assertThat(rig.reaches(port, IOVA, TestClient.BUFFER)).as("read only").isFalse();
            assertThat(rig.reaches(port, IOVA + PAGE, TestClient.BUFFER)).isTrue();
        }
    }

    @Test
    void typeOneUnmapsWhatStartsInTheRange() {
        DmaEndpoint endpoint = rig.plug(1);
        OpenNode container = rig.container(Rig.TYPE1, new TestGroup(1, List.of("a"), List.of(endpoint)));
        assertThat(map(container, IOVA, 4)).isEqualTo("0");
        assertThat(map(container, IOVA + 4 * PAGE, 2)).isEqualTo("0");
        assertThat(rig.unmap(container, 0, IOVA + PAGE, PAGE)).as("inside: success, and nothing").isEqualTo("0");
        assertThat(rig.unmap(container, 0, IOVA + PAGE, 100 * PAGE)).as("the first it touches starts before: nothing at all").isEqualTo("0");
        assertThat(rig.client.pinnedPages).hasValue(6);
        assertThat(rig.unmap(container, 0, IOVA, PAGE)).as("the start is enough for the whole").isEqualTo("16384");
        try (DmaPort port = endpoint.openPort()) {
            assertThat(rig.reaches(port, IOVA + PAGE, TestClient.BUFFER + PAGE)).isFalse();
            assertThat(rig.reaches(port, IOVA + 5 * PAGE, TestClient.BUFFER + PAGE)).isTrue();
        }
        assertThat(rig.unmap(container, 0, IOVA + 3 * PAGE, 2 * PAGE)).as("from a hole on").isEqualTo("8192");
        assertThat(rig.unmap(container, 0, IOVA, PAGE)).as("nothing is no error").isEqualTo("0");
    }

    @Test
    void typeOneV2UnmapsWholeMappings() {
        OpenNode container = rig.container(Rig.TYPE1V2, rig.group(1));
        assertThat(map(container, IOVA, 4)).isEqualTo("0");
        assertThat(map(container, IOVA + 6 * PAGE, 2)).isEqualTo("0");
        assertThat(rig.unmap(container, 0, IOVA + PAGE, PAGE)).isEqualTo("EINVAL");
        assertThat(rig.unmap(container, 0, IOVA, 7 * PAGE)).as("cuts the second").isEqualTo("EINVAL");
        assertThat(rig.unmap(container, 0, IOVA + PAGE, 7 * PAGE)).as("cuts the first").isEqualTo("EINVAL");
        assertThat(rig.client.pinnedPages).hasValue(6);
        assertThat(rig.unmap(container, 0, IOVA - PAGE, 10 * PAGE)).isEqualTo(Long.toString(6 * PAGE));
        assertThat(rig.unmap(container, 0, IOVA, PAGE)).isEqualTo("0");
    }

    @ParameterizedTest
    @ValueSource(ints = {Rig.TYPE1, Rig.TYPE1V2})
    void unmappingChecksItsArguments(int type) {
        OpenNode container = rig.container(type, rig.group(1));
        assertThat(rig.unmap(container, 0, IOVA, 0)).isEqualTo("EINVAL");
        assertThat(rig.unmap(container, 0, IOVA + 1, PAGE)).isEqualTo("EINVAL");
        assertThat(rig.unmap(container, 0, IOVA, PAGE + 1)).isEqualTo("EINVAL");
        assertThat(rig.unmap(container, 0, -PAGE, 2 * PAGE)).isEqualTo("EOVERFLOW");
        assertThat(rig.unmap(container, 8, IOVA, PAGE)).isEqualTo("EINVAL");
        assertThat(rig.unmap(container, UNMAP_ALL, IOVA, 0)).isEqualTo("EINVAL");
        assertThat(rig.unmap(container, UNMAP_ALL, 0, PAGE)).isEqualTo("EINVAL");
        assertThat(rig.unmap(container, UNMAP_ALL, 0, 0)).isEqualTo("0");
        assertThat(map(container, 0, 1)).isEqualTo("0");
        assertThat(map(container, IOVA, 5)).isEqualTo("0");
        assertThat(rig.unmap(container, UNMAP_ALL, 0, 0)).isEqualTo(Long.toString(6 * PAGE));
        assertThat(map(container, (1L << 47) - PAGE, 1)).isEqualTo("0");
        assertThat(rig.unmap(container, 0, 0, -PAGE)).as("almost everything").isEqualTo(Long.toString(PAGE));
    }

    @Test
    void entriesAreLimited() {
        rig.close();
        rig = new Rig(new ContainerOptions(2, false), true);
        OpenNode container = rig.container(Rig.TYPE1V2, rig.group(1));
        assertThat(map(container, 0, 1)).isEqualTo("0");
        assertThat(map(container, PAGE, 1)).isEqualTo("0");
        assertThat(map(container, 2 * PAGE, 1)).isEqualTo("ENOSPC");
        assertThat(map(container, PAGE, 1)).as("overlap comes first").isEqualTo("EEXIST");
        assertThat(rig.unmap(container, 0, 0, PAGE)).isEqualTo("4096");
        assertThat(map(container, 2 * PAGE, 1)).isEqualTo("0");
    }

    @Test
    void whoeverMapsPays() {
        rig.client.owner = new ContextOwner(7, 1000, 2 * PAGE, false, false);
        OpenNode container = rig.container(Rig.TYPE1V2, rig.group(1));
        assertThat(map(container, IOVA, 3)).isEqualTo("ENOMEM");
        assertThat(map(container, IOVA, 2)).isEqualTo("0");
        assertThat(map(container, 0, 1)).isEqualTo("ENOMEM");
        rig.client.owner = new ContextOwner(7, 1000, 3 * PAGE, false, false);
        assertThat(map(container, 0, 1)).as("the limit was raised").isEqualTo("0");
        assertThat(rig.unmap(container, UNMAP_ALL, 0, 0)).isEqualTo(Long.toString(3 * PAGE));
        assertThat(map(container, IOVA, 3)).as("the charge was given back").isEqualTo("0");
    }

    @Test
    void memoryMayMoveInTheProcess() {
        DmaEndpoint endpoint = rig.plug(1);
        OpenNode container = rig.container(Rig.TYPE1V2, new TestGroup(1, List.of("a"), List.of(endpoint)));
        assertThat(map(container, IOVA, 2)).isEqualTo("0");
        assertThat(map(container, IOVA + 2 * PAGE, 2)).isEqualTo("0");
        assertThat(rig.map(container, MOVES, IOVA, TestClient.BUFFER, 2 * PAGE)).as("it does not move yet").isEqualTo("EINVAL");
        assertThat(rig.map(container, MOVES, 0, TestClient.BUFFER, PAGE)).isEqualTo("ENOENT");
        assertThat(rig.unmap(container, MOVES, IOVA + 2 * PAGE, 2 * PAGE)).isEqualTo("8192");
        assertThat(rig.unmap(container, MOVES | UNMAP_ALL, 0, 0)).as("one of them moves already: none does").isEqualTo("EINVAL");
        assertThat(rig.map(container, MOVES, IOVA, TestClient.BUFFER, 2 * PAGE)).isEqualTo("EINVAL");
        assertThat(rig.setContainer(rig.open(rig.group(2)), rig.client.openNode(container))).as("no group meanwhile").isEqualTo("EBUSY");
        try (DmaPort port = endpoint.openPort()) {
            assertThat(rig.reaches(port, IOVA + 2 * PAGE, TestClient.BUFFER)).as("DMA goes on").isTrue();
        }
        assertThat(rig.map(container, MOVES, IOVA + 2 * PAGE, TestClient.BUFFER, PAGE)).as("not the whole mapping").isEqualTo("EINVAL");
        assertThat(rig.map(container, MOVES, IOVA + 2 * PAGE, TestClient.BUFFER, 2 * PAGE)).isEqualTo("0");
        assertThat(rig.unmap(container, MOVES | UNMAP_ALL, 0, 0)).isEqualTo("16384");
        assertThat(rig.unmap(container, UNMAP_ALL, 0, 0)).as("what moves can be unmapped").isEqualTo("16384");
        assertThat(rig.setContainer(rig.open(rig.group(3)), rig.client.openNode(container))).isEqualTo("0");
    }
}
