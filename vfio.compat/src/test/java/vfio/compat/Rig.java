package vfio.compat;

import static iommufd.api.uapi.VfioIommuType1DirtyBitmap.VFIO_IOMMU_DIRTY_PAGES;
import static iommufd.api.uapi.VfioIommuType1DmaMap.VFIO_IOMMU_MAP_DMA;
import static iommufd.api.uapi.VfioIommuType1DmaUnmap.VFIO_IOMMU_UNMAP_DMA;
import static iommufd.api.uapi.VfioRequest.VFIO_GROUP_SET_CONTAINER;
import static iommufd.api.uapi.VfioRequest.VFIO_SET_IOMMU;
import static org.assertj.core.api.Assertions.assertThat;

import iommu.vtd.VtdBackend;
import iommu.vtd.driver.VtdDriverOptions;
import iommu.vtd.unit.VtdFeatures;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaPort;
import iommufd.api.dma.DmaStatus;
import iommufd.api.dma.EndpointDescription;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.GuestRam;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.VfioIommuType1DmaMap;
import iommufd.api.uapi.VfioIommuType1DmaUnmap;
import iommufd.core.Engine;
import iommufd.core.EngineOptions;
import iommufd.core.memory.HostPhysicalMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import vfio.compat.container.ContainerNode;
import vfio.compat.container.ContainerOptions;
import vfio.compat.group.GroupNode;

/** The engine with a VT-d unit, a client, and groups as a test wants them. */
public final class Rig implements AutoCloseable {
    public static final long PAGE = 4096;
    public static final int READ_WRITE = 3;
    public static final int TYPE1 = 1;
    public static final int TYPE1V2 = 3;

    private final HostPhysicalMemory memory = new HostPhysicalMemory(64L << 20);
    public final Engine engine = new Engine(EngineOptions.DEFAULT);
    private final GuestRam ram = memory.allocateGuestRam(32L << 20, false);
    public final TestClient client = new TestClient(ram);
    private final List<Integer> open = new ArrayList<>();
    private final List<VtdBackend> units = new ArrayList<>();
    public final ContainerNode node;
    private int devices;

    public Rig() {
        this(ContainerOptions.DEFAULT, true);
    }

    /** @param scalable whether the unit can track dirty pages */
    public Rig(ContainerOptions options, boolean scalable) {
        VtdFeatures features = scalable ? VtdFeatures.scalableMode() : VtdFeatures.legacy();
        units.add(new VtdBackend(memory.tables(), features, VtdDriverOptions.named("vtd0")));
        engine.add(units.getFirst());
        node = new ContainerNode(engine.service(), options);
    }

    public DmaEndpoint plug(int group) {
        return engine.fabric().plug(new EndpointDescription(RequesterId.of(0, 1, devices++, 0), group, 0, false));
    }

    /** A group of one device, named {@code device<number>}. */
    public TestGroup group(int number) {
        return new TestGroup(number, List.of("device" + number), List.of(plug(number)));
    }

    public TestGroup emulatedGroup(int number) {
        return new TestGroup(number, List.of("device" + number), List.of());
    }

    /** The descriptor of a new container. */
    public int container() {
        return remember(client.openNode(node.open(client)));
    }

    public int open(TestGroup group) {
        return remember(client.openNode(new GroupNode(group).open(client)));
    }

    private int remember(int descriptor) {
        open.add(descriptor);
        return descriptor;
    }

    public OpenNode file(int descriptor) {
        return client.file(descriptor);
    }

    /** A container of that type with these groups; the groups' files are open. */
    public OpenNode container(int type, TestGroup... groups) {
        int container = container();
        for (TestGroup group : groups) {
            assertThat(setContainer(open(group), container)).isEqualTo("0");
        }
        assertThat(client.ioctl(file(container), VFIO_SET_IOMMU, type)).isEqualTo("0");
        return file(container);
    }

    public String setContainer(int group, int container) {
        client.at(TestClient.STRUCT, 4).set(ValueLayout.JAVA_INT_UNALIGNED, 0, container);
        return client.ioctl(file(group), VFIO_GROUP_SET_CONTAINER, TestClient.STRUCT);
    }

    public String map(OpenNode container, int flags, long iova, long address, long size) {
        client.struct(VfioIommuType1DmaMap.SIZE_BYTES, struct -> {
            VfioIommuType1DmaMap.flags(struct, flags);
            VfioIommuType1DmaMap.iova(struct, iova);
            VfioIommuType1DmaMap.vaddr(struct, address);
            VfioIommuType1DmaMap.size(struct, size);
        });
        return client.ioctl(container, VFIO_IOMMU_MAP_DMA, TestClient.STRUCT);
    }

    /** @return bytes unmapped, or the errno */
    public String unmap(OpenNode container, int flags, long iova, long size) {
        MemorySegment struct = client.struct(VfioIommuType1DmaUnmap.SIZE_BYTES, s -> {
            VfioIommuType1DmaUnmap.flags(s, flags);
            VfioIommuType1DmaUnmap.iova(s, iova);
            VfioIommuType1DmaUnmap.size(s, size);
        });
        String result = client.ioctl(container, VFIO_IOMMU_UNMAP_DMA, TestClient.STRUCT);
        if (!result.equals("0")) {
            assertThat(VfioIommuType1DmaUnmap.size(struct)).as("the struct of a refused request").isEqualTo(size);
            return result;
        }
        return Long.toString(VfioIommuType1DmaUnmap.size(struct));
    }

    public String dirtyPages(OpenNode container, int flags) {
        client.struct(8, struct -> struct.set(ValueLayout.JAVA_INT_UNALIGNED, 4, flags));
        return client.ioctl(container, VFIO_IOMMU_DIRTY_PAGES, TestClient.STRUCT);
    }

    /** Whether a byte written by DMA arrives at that address of the client. */
    public boolean reaches(DmaPort port, long iova, long address) {
        MemorySegment target = client.at(address, 1);
        byte token = (byte) (target.get(ValueLayout.JAVA_BYTE, 0) + 1);
        DmaStatus status = port.write(iova, MemorySegment.ofArray(new byte[] {token}), 0, 1);
        boolean arrived = target.get(ValueLayout.JAVA_BYTE, 0) == token;
        assertThat(arrived).as("bytes arrive if and only if the request is done").isEqualTo(status == DmaStatus.DONE);
        return arrived;
    }

    @Override
    public void close() {
        open.stream().filter(descriptor -> client.file(descriptor) != null).forEach(client::close);
        assertThat(client.pinnedPages).as("pages left pinned").hasValue(0);
        engine.close();
        units.forEach(VtdBackend::close);
        ram.close();
        memory.close();
    }
}
