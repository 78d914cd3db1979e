package iommufd.core.node;

import static iommufd.core.node.Client.STRUCT;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.BoundDevice;
import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.PagingHwpt;
import iommufd.api.dma.Pasid;
import iommufd.core.node.EngineExtension.EntrySizes;
import iommufd.core.node.EngineExtension.IoasPasids;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Requests Linux does not have: only if deployed, and as careful as the others. */
class EngineExtensionTest {
    private static final long PAGE = 4096;
    private static final long LARGE = 16 * PAGE;
    private static final long IOVA = 1 << 24;
    private final Client client = new Client();
    private final EngineExtension extension = new EngineExtension();
    private BoundDevice device;
    private Ioas ioas;
    private PagingHwpt hwpt;

    @BeforeEach
    void open() {
        client.rig.hardware.largeEntries = true;
        device = client.bind(1);
        ioas = client.file.context().allocateIoas();
        ioas.mapAt(IOVA, client.rig.ram, 0, LARGE, DmaAccess.READ_WRITE);
        hwpt = client.file.context().allocateHwpt(device, ioas, HwptOptions.none());
        client.node.add(extension, Map.of(EngineExtension.REQUESTS,
                new Integer[] {EngineExtension.HWPT_SPLIT, EngineExtension.HWPT_MERGE, EngineExtension.IOAS_PASIDS}));
    }

    @AfterEach
    void close() {
        client.close();
    }

    private static Consumer<MemorySegment> sizes(int id, long iova, long length, long page) {
        return struct -> {
            struct.set(ValueLayout.JAVA_INT_UNALIGNED, EntrySizes.HWPT_ID, id);
            struct.set(ValueLayout.JAVA_LONG_UNALIGNED, EntrySizes.IOVA, iova);
            struct.set(ValueLayout.JAVA_LONG_UNALIGNED, EntrySizes.LENGTH, length);
            struct.set(ValueLayout.JAVA_LONG_UNALIGNED, EntrySizes.PAGE_SIZE, page);
        };
    }

    private static Consumer<MemorySegment> pasids(int id, int flags) {
        return struct -> {
            struct.set(ValueLayout.JAVA_INT_UNALIGNED, IoasPasids.IOAS_ID, id);
            struct.set(ValueLayout.JAVA_INT_UNALIGNED, IoasPasids.FLAGS, flags);
        };
    }

    private static long entries(MemorySegment struct) {
        return struct.get(ValueLayout.JAVA_LONG_UNALIGNED, EntrySizes.OUT_ENTRIES);
    }

    @Test
    void entriesAreSplitAndMerged() {
        assertThat(entries(client.granted(EngineExtension.HWPT_SPLIT, EntrySizes.BYTES, sizes(hwpt.id(), IOVA, PAGE, PAGE)))).isEqualTo(1);
        assertThat(hwpt.entryBytes(IOVA)).isEqualTo(PAGE);
        assertThat(entries(client.granted(EngineExtension.HWPT_MERGE, EntrySizes.BYTES, sizes(hwpt.id(), 0, -1L, 0)))).isEqualTo(1);
        assertThat(hwpt.entryBytes(IOVA)).isEqualTo(LARGE);
    }

    @Test
    void anAddressSpaceIsMadeForPasids() {
        client.granted(EngineExtension.IOAS_PASIDS, IoasPasids.BYTES, pasids(ioas.id(), IoasPasids.ENABLE));
        assertThat(ioas.forPasids()).isTrue();
        device.attach(new Pasid(3), ioas);
        client.granted(EngineExtension.IOAS_PASIDS, IoasPasids.BYTES, pasids(ioas.id(), 0));
        assertThat(ioas.forPasids()).isFalse();
        device.detach(new Pasid(3));
    }

    @Test
    void badRequestsAreRefused() {
        int split = EngineExtension.HWPT_SPLIT;
        int size = EntrySizes.BYTES;
        client.refused(Errno.EINVAL, split, size - 8, sizes(hwpt.id(), IOVA, PAGE, PAGE));
        client.refused(Errno.EOPNOTSUPP, split, size, sizes(hwpt.id(), IOVA, PAGE, PAGE)
                .andThen(s -> s.set(ValueLayout.JAVA_INT_UNALIGNED, EntrySizes.FLAGS, 1)));
        client.refused(Errno.EOPNOTSUPP, split, size, sizes(hwpt.id(), IOVA, PAGE, PAGE)
                .andThen(s -> s.set(ValueLayout.JAVA_INT_UNALIGNED, EntrySizes.RESERVED, 1)));
        client.refused(Errno.ENOENT, split, size, sizes(99, IOVA, PAGE, PAGE));
        client.refused(Errno.ENOENT, split, size, sizes(ioas.id(), IOVA, PAGE, PAGE));
        client.refused(Errno.EINVAL, split, size, sizes(hwpt.id(), IOVA, 0, PAGE));
        client.refused(Errno.EINVAL, split, size, sizes(hwpt.id(), IOVA, PAGE, 3));
        client.refused(Errno.EOVERFLOW, split, size, sizes(hwpt.id(), -PAGE, 2 * PAGE, PAGE));
        client.refused(Errno.EINVAL, EngineExtension.HWPT_MERGE, size, sizes(hwpt.id(), IOVA, LARGE, PAGE));
        client.refused(Errno.E2BIG, split, size + 8, sizes(hwpt.id(), IOVA, PAGE, PAGE)
                .andThen(s -> s.set(ValueLayout.JAVA_INT_UNALIGNED, size, 1)));
        client.refused(Errno.EOPNOTSUPP, EngineExtension.IOAS_PASIDS, IoasPasids.BYTES, pasids(ioas.id(), 2));
        client.refused(Errno.ENOENT, EngineExtension.IOAS_PASIDS, IoasPasids.BYTES, pasids(hwpt.id(), 1));
        assertThat(Client.name(client.raw(split, STRUCT + (1L << 40)))).isEqualTo("EFAULT");
        assertThat(hwpt.entryBytes(IOVA)).isEqualTo(LARGE);
    }

    @Test
    void withoutTheExtensionThereAreNoSuchRequests() {
        client.node.remove(extension);
        client.refused(Errno.ENOTTY, EngineExtension.HWPT_SPLIT, EntrySizes.BYTES, sizes(hwpt.id(), IOVA, PAGE, PAGE));
    }
}
