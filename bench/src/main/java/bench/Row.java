package bench;

import java.util.Arrays;
import java.util.List;

/** What is measured, in the order of the table, and how good it must and should be. */
enum Row {
    MAP_4K("map + unmap 4 KiB, page table", "PageTables.smallPage", Unit.NANOS, 30, 12),
    MAP_4K_C("  the same in C", "PageTables.smallPageInC", Unit.NANOS),
    MAP_2M("map + unmap 2 MiB, page table", "PageTables.largePage", Unit.NANOS, 30, 12),
    MAP_2M_C("  the same in C", "PageTables.largePageInC", Unit.NANOS),
    MAP_RANGE("map + unmap 256 x 4 KiB, page table", "PageTables.range", Unit.NANOS, 400, 240),
    MAP_RANGE_C("  the same in C", "PageTables.rangeInC", Unit.NANOS),
    IOAS_2M("map + unmap 2 MiB, engine with one VT-d device", "AddressSpaces.largePage", Unit.MICROS, 3, 1),
    IOTLB("translation, IOTLB hit", "Translations.iotlb", Unit.NANOS, 5, 2),
    IOTLB_C("  the same in C", "Translations.iotlbInC", Unit.NANOS),
    WALK("warm walk, 4 levels", "PageTables.walk", Unit.NANOS, 15, 5),
    WALK_C("  the same in C", "PageTables.walkInC", Unit.NANOS),
    VTD_NESTED("VT-d in front of a guest: nested walk, warm", "VtdUnits.nested", Unit.NANOS, 100, 25),
    VTD_INVALIDATIONS("  invalidation descriptors per second", "VtdUnits.invalidations", Unit.PER_SECOND, 1_000_000, 10_000_000),
    VTD_PAGE_REQUEST("VT-d: page request and its answer, p50", "VtdUnits.pageRequest", Unit.MICROS, 20, 5),
    SMMU_NESTED("SMMUv3 in front of a guest: nested walk, warm", "SmmuUnits.nested", Unit.NANOS, 100, 25),
    SMMU_COMMANDS("  invalidation commands per second", "SmmuUnits.commands", Unit.PER_SECOND, 1_000_000, 10_000_000),
    SMMU_STALL("SMMUv3: a stall, its page and its answer, p50", "SmmuUnits.stall", Unit.MICROS, 20, 5),
    DMA_4K("DMA write 4 KiB, of a bare copy", "DmaWrites.page", Unit.PERCENT, 85, 95),
    DMA_64K("DMA write 64 KiB, of a bare copy", "DmaWrites.block", Unit.PERCENT, 95, 100),
    DMA_64B("DMA write 64 B", "DmaWrites.line", Unit.NANOS, 15, 5),
    COPY_64B("  a bare copy of it", "DmaWrites.bareLine", Unit.NANOS),
    TWO_PORTS("two DMA threads, of one", "TwoPorts.speedup", Unit.SPEEDUP, 1.6, 1.9),
    UNMAP("unmap + invalidate beside DMA, p50", "UnmapBesideDma.unmap", Unit.MICROS, 2, 0.3),
    SMALLEST("64 GiB in 4 KiB entries, of a bare fill", "SmallestMap.entries", Unit.PERCENT, 25, 50),
    DIRTY("dirty read + clear, 1 TiB, 0.01 % dirty", "DirtyRead.sparse", Unit.MILLIS, 200, 10),
    RESIZE("1 GiB split to 4 KiB and merged to 2 MiB entries", "EntrySizes.quiet", Unit.MILLIS, 2, 1),
    RESIZE_BESIDE_DMA("  beside a device's writes", "EntrySizes.besideDma", Unit.MILLIS),
    SWAP("planned swap of hardware, pause p99", "SwapPause.p99", Unit.MILLIS, 5, 0.5),
    SWAP_GROWTH("its pause at 64 GiB mapped, of 1 GiB", "SwapPause.growth", Unit.SLOWDOWN, 1.5, 1.1),
    NODE_TRIVIAL("C program: trivial ioctl, p50", "DeviceNodes.trivial", Unit.MICROS, 12, 8),
    NODE_STRUCT("C program: ioctl with a struct, p50", "DeviceNodes.option", Unit.MICROS),
    NODE_MAP("C program: IOAS_MAP + UNMAP of 4 KiB, p50", "DeviceNodes.map", Unit.MICROS, 40, 25),
    NODE_RATE("C program: ioctls per second, 4 threads", "DeviceNodes.rate", Unit.PER_SECOND, 50_000, 100_000),
    NODE_LARGE("C program: IOAS_MAP of 8 GiB of memfd, p50", "DeviceNodes.large", Unit.MILLIS, 30, 10),
    NODE_LARGE_PAGES("  in use, without huge pages", "DeviceNodes.largeUsed", Unit.MILLIS),
    NODE_LARGE_JVM("  the same map inside the JVM", "DeviceNodes.largeInside", Unit.MILLIS),
    NVME_READS("NVMe 4 KiB reads/s, one core in-process", "NvmeReads.rate", Unit.PER_SECOND, 1_000_000, 2_000_000),
    NVME_COPIES("  bare copies of the same blocks", "NvmeReads.copies", Unit.PER_SECOND),
    NVME_SINGLE("  one read at a time", "NvmeReads.single", Unit.PER_SECOND),
    NVME_WRITES("  writes", "NvmeReads.writes", Unit.PER_SECOND),
    VIRTQUEUE_SPLIT("split virtqueue, descriptors/s, one core", "VirtqueueDescriptors.split", Unit.PER_SECOND, 10_000_000, 20_000_000),
    VIRTQUEUE_SPLIT_SINGLE("  one at a time", "VirtqueueDescriptors.splitSingle", Unit.PER_SECOND),
    VIRTQUEUE_SPLIT_READS("  64 bytes of each are read", "VirtqueueDescriptors.splitReads", Unit.PER_SECOND),
    VIRTQUEUE_PACKED("packed virtqueue, descriptors/s, one core", "VirtqueueDescriptors.packed", Unit.PER_SECOND, 12_000_000, 24_000_000),
    VIRTQUEUE_PACKED_SINGLE("  one at a time", "VirtqueueDescriptors.packedSingle", Unit.PER_SECOND),
    VIRTQUEUE_PACKED_READS("  64 bytes of each are read", "VirtqueueDescriptors.packedReads", Unit.PER_SECOND);

    final String title;
    /** Benchmark class and method, or scenario and what it reports. */
    final String key;
    final Unit unit;
    final double atLeast;
    final double aim;

    Row(String title, String key, Unit unit, double atLeast, double aim) {
        this.title = title;
        this.key = key;
        this.unit = unit;
        this.atLeast = atLeast;
        this.aim = aim;
    }

    /** A yardstick, to compare with. */
    Row(String title, String key, Unit unit) {
        this(title, key, unit, Double.NaN, Double.NaN);
    }

    boolean yardstick() {
        return Double.isNaN(aim);
    }

    boolean inC() {
        return key.endsWith("InC");
    }

    /** Whether it is a {@link Scenario}, not a JMH benchmark. */
    boolean scenario() {
        try {
            return Scenario.class.isAssignableFrom(Class.forName("bench." + source()));
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException("there is nothing behind " + key, e);
        }
    }

    /** The class behind the row. */
    String source() {
        return key.substring(0, key.indexOf('.'));
    }

    /** Rows of which name or key contain one of the words; all rows if there are none. */
    static List<Row> selected(List<String> words) {
        return Arrays.stream(values())
                .filter(row -> words.isEmpty() || words.stream().anyMatch(word ->
                        row.key.toLowerCase().contains(word.toLowerCase()) || row.title.toLowerCase().contains(word.toLowerCase())))
                .toList();
    }
}
