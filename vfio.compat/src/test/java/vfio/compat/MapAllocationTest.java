package vfio.compat;

import static iommufd.api.uapi.VfioIommuType1DmaMap.VFIO_IOMMU_MAP_DMA;
import static iommufd.api.uapi.VfioIommuType1DmaUnmap.VFIO_IOMMU_UNMAP_DMA;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import iommufd.api.node.OpenNode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

/** Once warm, MAP_DMA and UNMAP_DMA leave no garbage, with a device attached. */
class MapAllocationTest {
    private static final int ROUNDS = 20_000;

    @Test
    void mapAndUnmapAllocateNothing() throws Exception {
        try (Rig rig = new Rig()) {
            OpenNode container = rig.container(Rig.TYPE1V2, rig.group(1));
            MemorySegment struct = rig.client.at(TestClient.STRUCT, 64);
            ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
            long allocated = 0;
            for (int attempt = 0; attempt < 10; attempt++) {   // the first ones warm up
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < ROUNDS; i++) {
                    pair(rig, container, struct);
                }
                allocated = threads.getCurrentThreadAllocatedBytes() - before;
            }
            assertThat(allocated / ROUNDS).as("bytes per map and unmap").isZero();
        }
    }

    private static void pair(Rig rig, OpenNode container, MemorySegment struct) throws InterruptedException {
        fill(struct, 32, 3, TestClient.BUFFER, 0, Rig.PAGE);
        refuse(container.ioctl(rig.client, VFIO_IOMMU_MAP_DMA, TestClient.STRUCT));
        fill(struct, 24, 0, 0, Rig.PAGE, 0);
        refuse(container.ioctl(rig.client, VFIO_IOMMU_UNMAP_DMA, TestClient.STRUCT));
    }

    private static void refuse(long result) {
        if (result != 0) {
            throw new AssertionError("a request returned " + result);
        }
    }

    private static void fill(MemorySegment struct, int argsz, int flags, long a, long b, long c) {
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, 0, argsz);
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, 4, flags);
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 8, a);
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 16, b);
        struct.set(ValueLayout.JAVA_LONG_UNALIGNED, 24, c);
    }
}
