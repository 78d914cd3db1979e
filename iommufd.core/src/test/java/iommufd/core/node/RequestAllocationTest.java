package iommufd.core.node;

import static iommufd.core.node.Client.BUFFER;
import static iommufd.core.node.Client.STRUCT;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import iommufd.api.Ioas;
import iommufd.api.uapi.IommuIoasMap;
import iommufd.api.uapi.IommuIoasUnmap;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import org.junit.jupiter.api.Test;

/** Once warm, a client that maps and unmaps leaves no garbage here. */
class RequestAllocationTest {
    private static final long PAGE = 4096;
    private static final int ROUNDS = 20_000;

    @Test
    void mapAndUnmapAllocateNothing() throws InterruptedException {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        try (Client client = new Client()) {
            Ioas ioas = client.file.context().allocateIoas();
            MemorySegment map = client.struct(IommuIoasMap.SIZE_BYTES, struct -> {
                IommuIoasMap.flags(struct, IommuIoasMap.IOMMU_IOAS_MAP_READABLE | IommuIoasMap.IOMMU_IOAS_MAP_FIXED_IOVA);
                IommuIoasMap.ioasId(struct, ioas.id());
                IommuIoasMap.userVa(struct, BUFFER);
                IommuIoasMap.length(struct, PAGE);
                IommuIoasMap.iova(struct, PAGE);
            });
            MemorySegment unmap = client.caller.at(STRUCT + 64, IommuIoasUnmap.SIZE_BYTES);
            IommuIoasUnmap.size(unmap, IommuIoasUnmap.SIZE_BYTES);
            IommuIoasUnmap.ioasId(unmap, ioas.id());
            IommuIoasUnmap.iova(unmap, PAGE);
            long allocated = 0;
            for (int attempt = 0; attempt < 10; attempt++) {   // the first ones warm up
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < ROUNDS; i++) {
                    client.file.ioctl(client.caller, IommuIoasMap.IOMMU_IOAS_MAP, STRUCT);
                    IommuIoasUnmap.length(unmap, PAGE);
                    client.file.ioctl(client.caller, IommuIoasUnmap.IOMMU_IOAS_UNMAP, STRUCT + 64);
                }
                allocated = threads.getCurrentThreadAllocatedBytes() - before;
            }
            assertThat(IommuIoasMap.iova(map)).isEqualTo(PAGE);
            assertThat(allocated / ROUNDS).as("bytes per map and unmap").isZero();
        }
    }
}
