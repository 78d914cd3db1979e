package vfio.compat;

import static iommufd.api.uapi.VfioIommuType1DirtyBitmap.VFIO_IOMMU_DIRTY_PAGES;
import static iommufd.api.uapi.VfioIommuType1DmaUnmap.VFIO_IOMMU_UNMAP_DMA;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaPort;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.VfioBitmap;
import iommufd.api.uapi.VfioIommuType1DirtyBitmapGet;
import iommufd.api.uapi.VfioIommuType1DmaUnmap;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import vfio.compat.container.ContainerOptions;

/** DIRTY_PAGES, and bitmaps of UNMAP_DMA. */
class DirtyPagesTest {
    private static final int START = 1;
    private static final int STOP = 2;
    private static final int GET = 4;
    private static final long PAGE = Rig.PAGE;
    private static final long IOVA = 1L << 32;
    private Rig rig = new Rig();
    private DmaEndpoint endpoint = rig.plug(1);
    private OpenNode container = rig.container(Rig.TYPE1V2, new TestGroup(1, List.of("a"), List.of(endpoint)));

    @AfterEach
    void close() {
        rig.close();
    }

    /** A container whose hardware cannot track. */
    private void useLegacyHardware() {
        rig.close();
        rig = new Rig(ContainerOptions.DEFAULT, false);
        endpoint = rig.plug(1);
        container = rig.container(Rig.TYPE1V2, new TestGroup(1, List.of("a"), List.of(endpoint)));
    }

    private void map(long iova, long pages) {
        assertThat(rig.map(container, Rig.READ_WRITE, iova, TestClient.BUFFER, pages * PAGE)).isEqualTo("0");
    }

    private void dma(long... iovas) {
        try (DmaPort port = endpoint.openPort()) {
            for (long iova : iovas) {
                assertThat(port.write(iova, MemorySegment.ofArray(new byte[] {1}), 0, 1).name()).isEqualTo("DONE");
            }
        }
    }

    private static void bitmap(MemorySegment struct, long pgsize, long size, long address) {
        VfioBitmap.pgsize(struct, pgsize);
        VfioBitmap.size(struct, size);
        VfioBitmap.data(struct, address);
    }

    private String get(long iova, long bytes, long pgsize, long size, long address) {
        rig.client.struct(48, struct -> {
            struct.set(ValueLayout.JAVA_INT_UNALIGNED, 4, GET);
            VfioIommuType1DirtyBitmapGet.iova(struct.asSlice(8), iova);
            VfioIommuType1DirtyBitmapGet.size(struct.asSlice(8), bytes);
            bitmap(struct.asSlice(24), pgsize, size, address);
        });
        return rig.client.ioctl(container, VFIO_IOMMU_DIRTY_PAGES, TestClient.STRUCT);
    }

    /** Numbers of the dirty pages of a range, of at most 512. */
    private List<Integer> dirty(long iova, long pages) {
        MemorySegment bits = rig.client.at(TestClient.BITMAP, 64);
        bits.fill((byte) 0);
        assertThat(get(iova, pages * PAGE, PAGE, 64, TestClient.BITMAP)).isEqualTo("0");
        return set(bits);
    }

    private static List<Integer> set(MemorySegment bits) {
        return IntStream.range(0, (int) bits.byteSize() * 8).filter(i -> (bits.get(ValueLayout.JAVA_BYTE, i / 8) >> i % 8 & 1) != 0).boxed().toList();
    }

    private String unmap(long iova, long bytes, int argsz, long pgsize, long size, long address) {
        rig.client.struct(48, struct -> {
            struct.set(ValueLayout.JAVA_INT_UNALIGNED, 0, argsz);
            VfioIommuType1DmaUnmap.flags(struct, 1);
            VfioIommuType1DmaUnmap.iova(struct, iova);
            VfioIommuType1DmaUnmap.size(struct, bytes);
            bitmap(struct.asSlice(24), pgsize, size, address);
        });
        return rig.client.ioctl(container, VFIO_IOMMU_UNMAP_DMA, TestClient.STRUCT);
    }

    @Test
    void writesOfDevicesAreToldOnce() {
        map(IOVA, 100);
        assertThat(rig.dirtyPages(container, START)).isEqualTo("0");
        assertThat(dirty(IOVA, 100)).isEmpty();
        dma(IOVA, IOVA + 63 * PAGE, IOVA + 64 * PAGE, IOVA + 99 * PAGE + 7);
        assertThat(dirty(IOVA, 100)).containsExactly(0, 63, 64, 99);
        assertThat(dirty(IOVA, 100)).isEmpty();
        dma(IOVA + PAGE);
        assertThat(rig.dirtyPages(container, START)).as("a second start forgets nothing").isEqualTo("0");
        assertThat(dirty(IOVA, 100)).containsExactly(1);
        assertThat(rig.dirtyPages(container, STOP)).isEqualTo("0");
        assertThat(rig.dirtyPages(container, STOP)).as("a second time").isEqualTo("0");
        dma(IOVA + 2 * PAGE);
        assertThat(rig.dirtyPages(container, START)).isEqualTo("0");
        assertThat(dirty(IOVA, 100)).as("nothing of the time in between").isEmpty();
        dma(IOVA + 3 * PAGE);
        assertThat(dirty(IOVA, 100)).containsExactly(3);
    }

    @Test
    void bitsOfMappingsThatDoNotStartAtAWord() {
        map(IOVA + 3 * PAGE, 5);
        map(IOVA + 10 * PAGE, 130);
        rig.dirtyPages(container, START);
        dma(IOVA + 3 * PAGE, IOVA + 7 * PAGE, IOVA + 10 * PAGE, IOVA + 64 * PAGE, IOVA + 139 * PAGE);
        assertThat(dirty(IOVA, 200)).containsExactly(3, 7, 10, 64, 139);
        assertThat(dirty(IOVA, 200)).isEmpty();
    }

    @Test
    void asInLinuxWholeWordsAreWrittenWhereSomethingIsMapped() {
        map(IOVA + 3 * PAGE, 5);
        rig.dirtyPages(container, START);
        MemorySegment bits = rig.client.at(TestClient.BITMAP, 16);
        bits.fill((byte) -1);
        assertThat(get(IOVA, 128 * PAGE, PAGE, 16, TestClient.BITMAP)).isEqualTo("0");
        assertThat(bits.get(ValueLayout.JAVA_LONG_UNALIGNED, 0)).as("bits before the mapping stay, those behind go").isEqualTo(7);
        assertThat(bits.get(ValueLayout.JAVA_LONG_UNALIGNED, 8)).as("nothing is mapped there").isEqualTo(-1);
    }

    @Test
    void unmappingTellsWhatWasWritten() {
        map(IOVA + PAGE, 4);
        map(IOVA + 5 * PAGE, 70);
        rig.dirtyPages(container, START);
        dma(IOVA + 2 * PAGE, IOVA + 70 * PAGE);
        MemorySegment bits = rig.client.at(TestClient.BITMAP, 16);
        bits.fill((byte) 0);
        assertThat(unmap(IOVA, 80 * PAGE, 48, PAGE, 16, TestClient.BITMAP)).isEqualTo("0");
        assertThat(set(bits)).containsExactly(2, 70);
        assertThat(VfioIommuType1DmaUnmap.size(rig.client.at(TestClient.STRUCT, 24))).isEqualTo(74 * PAGE);
        assertThat(rig.client.pinnedPages).hasValue(0);
    }

    @Test
    void hardwareThatCannotTrackHasEverythingDirtyEachTime() {
        useLegacyHardware();
        map(IOVA, 3);
        map(IOVA + 4 * PAGE, 2);
        assertThat(rig.dirtyPages(container, START)).isEqualTo("0");
        assertThat(dirty(IOVA, 64)).containsExactly(0, 1, 2, 4, 5);
        assertThat(dirty(IOVA, 64)).containsExactly(0, 1, 2, 4, 5);
        MemorySegment bits = rig.client.at(TestClient.BITMAP, 8);
        bits.fill((byte) 0);
        assertThat(unmap(IOVA, 3 * PAGE, 48, PAGE, 8, TestClient.BITMAP)).isEqualTo("0");
        assertThat(set(bits)).containsExactly(0, 1, 2);
    }

    @Test
    void softwareDevicesHaveEverythingDirty() {
        map(IOVA, 3);
        rig.dirtyPages(container, START);
        assertThat(dirty(IOVA, 3)).isEmpty();
        rig.setContainer(rig.open(rig.emulatedGroup(2)), rig.client.openNode(container));
        assertThat(dirty(IOVA, 3)).containsExactly(0, 1, 2);
    }

    @Test
    void aGroupThatLeavesMayHaveWrittenAnything() {
        int second = rig.open(rig.group(2));
        int number = rig.client.openNode(container);
        assertThat(rig.setContainer(second, number)).isEqualTo("0");
        map(IOVA, 3);
        rig.dirtyPages(container, START);
        assertThat(dirty(IOVA, 3)).isEmpty();
        rig.client.close(second);
        assertThat(dirty(IOVA, 3)).containsExactly(0, 1, 2);
        assertThat(dirty(IOVA, 3)).as("once").isEmpty();
        DmaEndpoint late = rig.plug(3);
        assertThat(rig.setContainer(rig.open(new TestGroup(3, List.of("late"), List.of(late))), number)).isEqualTo("0");
        try (DmaPort port = late.openPort()) {
            assertThat(rig.reaches(port, IOVA + PAGE, TestClient.BUFFER + PAGE)).isTrue();
        }
        assertThat(dirty(IOVA, 3)).as("a group that comes is followed").containsExactly(1);
    }

    @Test
    void bitsThatCouldNotBeToldAreNotForgotten() {
        map(IOVA, 3);
        rig.dirtyPages(container, START);
        dma(IOVA + PAGE);
        rig.client.hole(TestClient.BITMAP);
        assertThat(get(IOVA, 3 * PAGE, PAGE, 8, TestClient.BITMAP)).isEqualTo("EFAULT");
        rig.client.fill(TestClient.BITMAP);
        assertThat(dirty(IOVA, 3)).contains(1);
        assertThat(dirty(IOVA, 3)).isEmpty();
        dma(IOVA + PAGE);
        rig.client.hole(TestClient.BITMAP);
        assertThat(unmap(IOVA, 3 * PAGE, 48, PAGE, 8, TestClient.BITMAP)).isEqualTo("EFAULT");
        rig.client.fill(TestClient.BITMAP);
        assertThat(dirty(IOVA, 3)).as("it is still mapped").containsExactly(1);
    }

    @Test
    void requestsAreChecked() {
        map(IOVA, 4);
        assertThat(get(IOVA, 4 * PAGE, PAGE, 8, TestClient.BITMAP)).as("no record is kept").isEqualTo("EINVAL");
        assertThat(unmap(IOVA, 4 * PAGE, 48, PAGE, 8, TestClient.BITMAP)).isEqualTo("EINVAL");
        for (int flags : new int[] {0, 3, 5, 6, 7, 8, 1 << 31}) {
            assertThat(rig.dirtyPages(container, flags)).as("flags %x", flags).isEqualTo("EINVAL");
        }
        assertThat(rig.dirtyPages(container, START)).isEqualTo("0");
        assertThat(get(IOVA, 0, PAGE, 8, TestClient.BITMAP)).isEqualTo("EINVAL");
        assertThat(get(-PAGE, 2 * PAGE, PAGE, 8, TestClient.BITMAP)).isEqualTo("EOVERFLOW");
        assertThat(get(IOVA, 4 * PAGE, 2 * PAGE, 8, TestClient.BITMAP)).as("another page size").isEqualTo("EINVAL");
        assertThat(get(IOVA, 4 * PAGE, 0, 8, TestClient.BITMAP)).isEqualTo("EINVAL");
        assertThat(get(IOVA, 4 * PAGE, PAGE, 7, TestClient.BITMAP)).as("words are written").isEqualTo("EINVAL");
        assertThat(get(IOVA, 65 * PAGE, PAGE, 8, TestClient.BITMAP)).isEqualTo("EINVAL");
        assertThat(get(IOVA, 4 * PAGE, PAGE, 1L << 28 | 8, TestClient.BITMAP)).as("too long").isEqualTo("EINVAL");
        assertThat(get(IOVA, 4 * PAGE, PAGE, 8, -8)).as("no address of a process").isEqualTo("EINVAL");
        assertThat(get(IOVA, 4 * PAGE, PAGE, 8, 1L << 62)).isEqualTo("EINVAL");
        assertThat(get(IOVA, 4 * PAGE, PAGE, 8, 0x1000)).isEqualTo("EFAULT");
        assertThat(get(IOVA + PAGE, 3 * PAGE, PAGE, 8, TestClient.BITMAP)).as("cuts a mapping").isEqualTo("EINVAL");
        assertThat(get(IOVA, 3 * PAGE, PAGE, 8, TestClient.BITMAP)).isEqualTo("EINVAL");
        assertThat(unmap(IOVA, 4 * PAGE, 47, PAGE, 8, TestClient.BITMAP)).as("argsz").isEqualTo("EINVAL");
        assertThat(unmap(IOVA, 4 * PAGE, 48, PAGE, 7, TestClient.BITMAP)).isEqualTo("EINVAL");
        assertThat(unmap(IOVA, 4 * PAGE, 48, 512, 64, TestClient.BITMAP)).isEqualTo("EINVAL");
        assertThat(unmap(IOVA, 0, 48, PAGE, 8, TestClient.BITMAP)).isEqualTo("EINVAL");
        assertThat(rig.unmap(container, 1 | 2, 0, 0)).as("a bitmap of everything").isEqualTo("EINVAL");
        assertThat(rig.unmap(container, 1 | 4, IOVA, 4 * PAGE)).isEqualTo("EINVAL");
        assertThat(dirty(IOVA, 4)).as("still there; of the bitmap that could not be written nobody knows").containsExactly(0, 1, 2, 3);
    }

    /** Random mappings, writes and reads of the record against a set of pages. */
    @ParameterizedTest(name = "seed {0}")
    @ValueSource(longs = {1, 2, 3, 4})
    void theRecordIsExact(long seed) {
        Random random = new Random(seed);
        TreeMap<Integer, Integer> mappings = new TreeMap<>();   // first page to number of pages
        TreeSet<Integer> written = new TreeSet<>();
        rig.dirtyPages(container, START);
        for (int i = 0; i < 1_500; i++) {
            String what = "seed %d, operation %d".formatted(seed, i);
            int first = random.nextInt(500);
            int pages = 1 + random.nextInt(Math.min(90, 512 - first));
            Map.Entry<Integer, Integer> there = mappings.floorEntry(first);
            switch (random.nextInt(6)) {
                case 0 -> {
                    Map.Entry<Integer, Integer> below = mappings.lowerEntry(first + pages);
                    boolean free = below == null || below.getKey() + below.getValue() <= first;
                    assertThat(rig.map(container, Rig.READ_WRITE, IOVA + first * PAGE, TestClient.BUFFER, pages * PAGE)).as(what).isEqualTo(free ? "0" : "EEXIST");
                    if (free) {
                        mappings.put(first, pages);
                    }
                }
                case 1 -> {
                    if (there != null) {
                        MemorySegment bits = rig.client.at(TestClient.BITMAP, 64);
                        bits.fill((byte) 0);
                        int end = there.getKey() + there.getValue();
                        assertThat(unmap(IOVA + there.getKey() * PAGE, there.getValue() * PAGE, 48, PAGE, 64, TestClient.BITMAP)).as(what).isEqualTo("0");
                        var gone = written.subSet(there.getKey(), end);
                        assertThat(set(bits)).as(what).isEqualTo(gone.stream().map(page -> page - there.getKey()).toList());
                        gone.clear();
                        mappings.remove(there.getKey());
                    }
                }
                case 2 -> {
                    assertThat(dirty(IOVA, 512)).as(what).isEqualTo(List.copyOf(written));
                    written.clear();
                }
                default -> {
                    if (there != null && first < there.getKey() + there.getValue()) {
                        dma(IOVA + first * PAGE);
                        written.add(first);
                    }
                }
            }
        }
    }

    @Test
    void typeOneKeepsNoRecord() {
        OpenNode old = rig.container(Rig.TYPE1, rig.group(2));
        assertThat(rig.dirtyPages(old, START)).isEqualTo("EACCES");
        assertThat(rig.client.ioctl(old, VFIO_IOMMU_DIRTY_PAGES, 0)).as("before anything is read").isEqualTo("EACCES");
    }
}
