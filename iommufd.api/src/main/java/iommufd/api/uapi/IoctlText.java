package iommufd.api.uapi;

import iommufd.api.Errno;
import iommufd.api.node.ClientMemory;
import iommufd.api.node.IoctlDecoder;
import iommufd.api.uapi.StructText.Field;
import iommufd.api.uapi.StructText.Names;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Requests of {@code /dev/iommu} as strace would print them: name, what the client passed, what it got, result. For example
 * {@code IOMMU_IOAS_ALLOC {size=12, flags=0} => {out_ioas_id=1} = 0}. Those of VFIO's containers and groups, too.
 */
public final class IoctlText {
    /** Tells people of each request. */
    public static final IoctlDecoder DECODER = (caller, request, argument) -> {
        Optional<MemorySegment> before = snapshot(caller.memory(), request, argument);
        return result -> text(request, argument, before, snapshot(caller.memory(), request, argument), result);
    };

    private static final Names MAP_FLAGS = Names.flags(IommuIoasMap.class, "IOMMU_IOAS_MAP_");
    private static final Map<Integer, IoctlText> BY_REQUEST = new HashMap<>();

    static {
        add("IOMMU_DESTROY", IommuDestroy.IOMMU_DESTROY, IommuDestroy.SIZE_BYTES, Field.number("id", IommuDestroy.ID_OFFSET));
        add("IOMMU_IOAS_ALLOC", IommuIoasAlloc.IOMMU_IOAS_ALLOC, IommuIoasAlloc.SIZE_BYTES, Field.hex("flags", IommuIoasAlloc.FLAGS_OFFSET),
                Field.number("out_ioas_id", IommuIoasAlloc.OUT_IOAS_ID_OFFSET).output());
        add("IOMMU_IOAS_IOVA_RANGES", IommuIoasIovaRanges.IOMMU_IOAS_IOVA_RANGES, IommuIoasIovaRanges.SIZE_BYTES,
                Field.number("ioas_id", IommuIoasIovaRanges.IOAS_ID_OFFSET), Field.number("num_iovas", IommuIoasIovaRanges.NUM_IOVAS_OFFSET).both(),
                Field.hex("__reserved", IommuIoasIovaRanges.RESERVED_OFFSET).unlessZero(),
                Field.address("allowed_iovas", IommuIoasIovaRanges.ALLOWED_IOVAS_OFFSET),
                Field.address("out_iova_alignment", IommuIoasIovaRanges.OUT_IOVA_ALIGNMENT_OFFSET).output());
        add("IOMMU_IOAS_ALLOW_IOVAS", IommuIoasAllowIovas.IOMMU_IOAS_ALLOW_IOVAS, IommuIoasAllowIovas.SIZE_BYTES,
                Field.number("ioas_id", IommuIoasAllowIovas.IOAS_ID_OFFSET), Field.number("num_iovas", IommuIoasAllowIovas.NUM_IOVAS_OFFSET),
                Field.hex("__reserved", IommuIoasAllowIovas.RESERVED_OFFSET).unlessZero(),
                Field.address("allowed_iovas", IommuIoasAllowIovas.ALLOWED_IOVAS_OFFSET));
        add("IOMMU_IOAS_MAP", IommuIoasMap.IOMMU_IOAS_MAP, IommuIoasMap.SIZE_BYTES, Field.named("flags", IommuIoasMap.FLAGS_OFFSET, MAP_FLAGS),
                Field.number("ioas_id", IommuIoasMap.IOAS_ID_OFFSET), Field.hex("__reserved", IommuIoasMap.RESERVED_OFFSET).unlessZero(),
                Field.address("user_va", IommuIoasMap.USER_VA_OFFSET), Field.address("length", IommuIoasMap.LENGTH_OFFSET),
                Field.address("iova", IommuIoasMap.IOVA_OFFSET).both());
        add("IOMMU_IOAS_MAP_FILE", IommuIoasMapFile.IOMMU_IOAS_MAP_FILE, IommuIoasMapFile.SIZE_BYTES,
                Field.named("flags", IommuIoasMapFile.FLAGS_OFFSET, MAP_FLAGS), Field.number("ioas_id", IommuIoasMapFile.IOAS_ID_OFFSET),
                Field.signed("fd", IommuIoasMapFile.FD_OFFSET), Field.address("start", IommuIoasMapFile.START_OFFSET),
                Field.address("length", IommuIoasMapFile.LENGTH_OFFSET), Field.address("iova", IommuIoasMapFile.IOVA_OFFSET).both());
        add("IOMMU_IOAS_COPY", IommuIoasCopy.IOMMU_IOAS_COPY, IommuIoasCopy.SIZE_BYTES, Field.named("flags", IommuIoasCopy.FLAGS_OFFSET, MAP_FLAGS),
                Field.number("dst_ioas_id", IommuIoasCopy.DST_IOAS_ID_OFFSET), Field.number("src_ioas_id", IommuIoasCopy.SRC_IOAS_ID_OFFSET),
                Field.address("length", IommuIoasCopy.LENGTH_OFFSET), Field.address("dst_iova", IommuIoasCopy.DST_IOVA_OFFSET).both(),
                Field.address("src_iova", IommuIoasCopy.SRC_IOVA_OFFSET));
        add("IOMMU_IOAS_UNMAP", IommuIoasUnmap.IOMMU_IOAS_UNMAP, IommuIoasUnmap.SIZE_BYTES, Field.number("ioas_id", IommuIoasUnmap.IOAS_ID_OFFSET),
                Field.address("iova", IommuIoasUnmap.IOVA_OFFSET), Field.address("length", IommuIoasUnmap.LENGTH_OFFSET).both());
        add("IOMMU_OPTION", IommuOption.IOMMU_OPTION, IommuOption.SIZE_BYTES,
                Field.named("option_id", IommuOption.OPTION_ID_OFFSET, Names.values(Map.of(0L, "IOMMU_OPTION_RLIMIT_MODE", 1L, "IOMMU_OPTION_HUGE_PAGES"))),
                Field.named("op", IommuOption.OP_OFFSET, Names.values(Map.of(0L, "IOMMU_OPTION_OP_SET", 1L, "IOMMU_OPTION_OP_GET"))).bytes(2),
                Field.hex("__reserved", IommuOption.RESERVED_OFFSET).bytes(2).unlessZero(), Field.number("object_id", IommuOption.OBJECT_ID_OFFSET),
                Field.address("val64", IommuOption.VAL64_OFFSET).both());
        add("IOMMU_VFIO_IOAS", IommuVfioIoas.IOMMU_VFIO_IOAS, IommuVfioIoas.SIZE_BYTES, Field.number("ioas_id", IommuVfioIoas.IOAS_ID_OFFSET).both(),
                Field.named("op", IommuVfioIoas.OP_OFFSET, Names.values(IommuVfioIoas.class, "IOMMU_VFIO_IOAS_")).bytes(2),
                Field.hex("__reserved", IommuVfioIoas.RESERVED_OFFSET).bytes(2).unlessZero());
        add("IOMMU_HWPT_ALLOC", IommuHwptAlloc.IOMMU_HWPT_ALLOC, IommuHwptAlloc.SIZE_BYTES,
                Field.named("flags", IommuHwptAlloc.FLAGS_OFFSET, Names.flags(Map.of(1L, "IOMMU_HWPT_ALLOC_NEST_PARENT", 2L, "IOMMU_HWPT_ALLOC_DIRTY_TRACKING",
                        4L, "IOMMU_HWPT_FAULT_ID_VALID", 8L, "IOMMU_HWPT_ALLOC_PASID"))),
                Field.number("dev_id", IommuHwptAlloc.DEV_ID_OFFSET), Field.number("pt_id", IommuHwptAlloc.PT_ID_OFFSET),
                Field.number("out_hwpt_id", IommuHwptAlloc.OUT_HWPT_ID_OFFSET).output(), Field.hex("__reserved", IommuHwptAlloc.RESERVED_OFFSET).unlessZero(),
                Field.named("data_type", IommuHwptAlloc.DATA_TYPE_OFFSET, Names.values(IommuHwptAlloc.class, "IOMMU_HWPT_DATA_")),
                Field.number("data_len", IommuHwptAlloc.DATA_LEN_OFFSET), Field.address("data_uptr", IommuHwptAlloc.DATA_UPTR_OFFSET).unlessZero(),
                Field.number("fault_id", IommuHwptAlloc.FAULT_ID_OFFSET).unlessZero());
        add("IOMMU_GET_HW_INFO", IommuHwInfo.IOMMU_GET_HW_INFO, IommuHwInfo.SIZE_BYTES,
                Field.named("flags", IommuHwInfo.FLAGS_OFFSET, Names.flags(IommuHwInfo.class, "IOMMU_HW_INFO_FLAG_")),
                Field.number("dev_id", IommuHwInfo.DEV_ID_OFFSET), Field.number("data_len", IommuHwInfo.DATA_LEN_OFFSET).both(),
                Field.address("data_uptr", IommuHwInfo.DATA_UPTR_OFFSET),
                Field.named("data_type", IommuHwInfo.IN_DATA_TYPE_OFFSET, Names.values(Map.of(0L, "IOMMU_HW_INFO_TYPE_NONE", 1L, "IOMMU_HW_INFO_TYPE_INTEL_VTD",
                        2L, "IOMMU_HW_INFO_TYPE_ARM_SMMUV3", 3L, "IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV", 4L, "IOMMU_HW_INFO_TYPE_AMD"))).both(),
                Field.number("out_max_pasid_log2", IommuHwInfo.OUT_MAX_PASID_LOG2_OFFSET).bytes(1).output(),
                Field.named("out_capabilities", IommuHwInfo.OUT_CAPABILITIES_OFFSET, Names.flags(IommuHwInfo.class, "IOMMU_HW_CAP_")).bytes(8).output());
        add("IOMMU_HWPT_SET_DIRTY_TRACKING", IommuHwptSetDirtyTracking.IOMMU_HWPT_SET_DIRTY_TRACKING, IommuHwptSetDirtyTracking.SIZE_BYTES,
                Field.named("flags", IommuHwptSetDirtyTracking.FLAGS_OFFSET, Names.flags(IommuHwptSetDirtyTracking.class, "IOMMU_HWPT_DIRTY_TRACKING_")),
                Field.number("hwpt_id", IommuHwptSetDirtyTracking.HWPT_ID_OFFSET));
        add("IOMMU_HWPT_GET_DIRTY_BITMAP", IommuHwptGetDirtyBitmap.IOMMU_HWPT_GET_DIRTY_BITMAP, IommuHwptGetDirtyBitmap.SIZE_BYTES,
                Field.number("hwpt_id", IommuHwptGetDirtyBitmap.HWPT_ID_OFFSET),
                Field.named("flags", IommuHwptGetDirtyBitmap.FLAGS_OFFSET, Names.flags(Map.of(1L, "IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR"))),
                Field.hex("__reserved", IommuHwptGetDirtyBitmap.RESERVED_OFFSET).unlessZero(), Field.address("iova", IommuHwptGetDirtyBitmap.IOVA_OFFSET),
                Field.address("length", IommuHwptGetDirtyBitmap.LENGTH_OFFSET), Field.address("page_size", IommuHwptGetDirtyBitmap.PAGE_SIZE_OFFSET),
                Field.address("data", IommuHwptGetDirtyBitmap.DATA_OFFSET));
        add("IOMMU_HWPT_INVALIDATE", IommuHwptInvalidate.IOMMU_HWPT_INVALIDATE, IommuHwptInvalidate.SIZE_BYTES,
                Field.number("hwpt_id", IommuHwptInvalidate.HWPT_ID_OFFSET), Field.address("data_uptr", IommuHwptInvalidate.DATA_UPTR_OFFSET),
                Field.named("data_type", IommuHwptInvalidate.DATA_TYPE_OFFSET,
                        Names.values(Map.of(0L, "IOMMU_HWPT_INVALIDATE_DATA_VTD_S1", 1L, "IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3"))),
                Field.number("entry_len", IommuHwptInvalidate.ENTRY_LEN_OFFSET), Field.number("entry_num", IommuHwptInvalidate.ENTRY_NUM_OFFSET).both(),
                Field.hex("__reserved", IommuHwptInvalidate.RESERVED_OFFSET).unlessZero());
        add("IOMMU_FAULT_QUEUE_ALLOC", IommuFaultAlloc.IOMMU_FAULT_QUEUE_ALLOC, IommuFaultAlloc.SIZE_BYTES, Field.hex("flags", IommuFaultAlloc.FLAGS_OFFSET),
                Field.number("out_fault_id", IommuFaultAlloc.OUT_FAULT_ID_OFFSET).output(),
                Field.signed("out_fault_fd", IommuFaultAlloc.OUT_FAULT_FD_OFFSET).output());
        add("IOMMU_VIOMMU_ALLOC", IommuViommuAlloc.IOMMU_VIOMMU_ALLOC, IommuViommuAlloc.SIZE_BYTES, Field.hex("flags", IommuViommuAlloc.FLAGS_OFFSET),
                Field.named("type", IommuViommuAlloc.TYPE_OFFSET, Names.values(IommuViommuAlloc.class, "IOMMU_VIOMMU_TYPE_")),
                Field.number("dev_id", IommuViommuAlloc.DEV_ID_OFFSET), Field.number("hwpt_id", IommuViommuAlloc.HWPT_ID_OFFSET),
                Field.number("out_viommu_id", IommuViommuAlloc.OUT_VIOMMU_ID_OFFSET).output(),
                Field.number("data_len", IommuViommuAlloc.DATA_LEN_OFFSET).unlessZero(), Field.address("data_uptr", IommuViommuAlloc.DATA_UPTR_OFFSET).unlessZero());
        add("IOMMU_VDEVICE_ALLOC", IommuVdeviceAlloc.IOMMU_VDEVICE_ALLOC, IommuVdeviceAlloc.SIZE_BYTES,
                Field.number("viommu_id", IommuVdeviceAlloc.VIOMMU_ID_OFFSET), Field.number("dev_id", IommuVdeviceAlloc.DEV_ID_OFFSET),
                Field.number("out_vdevice_id", IommuVdeviceAlloc.OUT_VDEVICE_ID_OFFSET).output(), Field.address("virt_id", IommuVdeviceAlloc.VIRT_ID_OFFSET));
        add("IOMMU_IOAS_CHANGE_PROCESS", IommuIoasChangeProcess.IOMMU_IOAS_CHANGE_PROCESS, IommuIoasChangeProcess.SIZE_BYTES,
                Field.hex("__reserved", IommuIoasChangeProcess.RESERVED_OFFSET).unlessZero());
        add("IOMMU_VEVENTQ_ALLOC", IommuVeventqAlloc.IOMMU_VEVENTQ_ALLOC, IommuVeventqAlloc.SIZE_BYTES, Field.hex("flags", IommuVeventqAlloc.FLAGS_OFFSET),
                Field.number("viommu_id", IommuVeventqAlloc.VIOMMU_ID_OFFSET),
                Field.named("type", IommuVeventqAlloc.TYPE_OFFSET, Names.values(IommuVeventqAlloc.class, "IOMMU_VEVENTQ_TYPE_")),
                Field.number("veventq_depth", IommuVeventqAlloc.VEVENTQ_DEPTH_OFFSET),
                Field.number("out_veventq_id", IommuVeventqAlloc.OUT_VEVENTQ_ID_OFFSET).output(),
                Field.signed("out_veventq_fd", IommuVeventqAlloc.OUT_VEVENTQ_FD_OFFSET).output(),
                Field.hex("__reserved", IommuVeventqAlloc.RESERVED_OFFSET).unlessZero());
        add("IOMMU_HW_QUEUE_ALLOC", IommuHwQueueAlloc.IOMMU_HW_QUEUE_ALLOC, IommuHwQueueAlloc.SIZE_BYTES, Field.hex("flags", IommuHwQueueAlloc.FLAGS_OFFSET),
                Field.number("viommu_id", IommuHwQueueAlloc.VIOMMU_ID_OFFSET),
                Field.named("type", IommuHwQueueAlloc.TYPE_OFFSET, Names.values(IommuHwQueueAlloc.class, "IOMMU_HW_QUEUE_TYPE_")),
                Field.number("index", IommuHwQueueAlloc.INDEX_OFFSET), Field.number("out_hw_queue_id", IommuHwQueueAlloc.OUT_HW_QUEUE_ID_OFFSET).output(),
                Field.address("nesting_parent_iova", IommuHwQueueAlloc.NESTING_PARENT_IOVA_OFFSET), Field.address("length", IommuHwQueueAlloc.LENGTH_OFFSET));
        add("IOMMU_IOAS_NOIOMMU_GET_PA", IommuIoasNoiommuGetPa.IOMMU_IOAS_NOIOMMU_GET_PA, IommuIoasNoiommuGetPa.SIZE_BYTES,
                Field.hex("flags", IommuIoasNoiommuGetPa.FLAGS_OFFSET), Field.number("ioas_id", IommuIoasNoiommuGetPa.IOAS_ID_OFFSET),
                Field.hex("__reserved", IommuIoasNoiommuGetPa.RESERVED_OFFSET).unlessZero(), Field.address("iova", IommuIoasNoiommuGetPa.IOVA_OFFSET),
                Field.address("length", IommuIoasNoiommuGetPa.LENGTH_OFFSET).both(), Field.address("out_phys", IommuIoasNoiommuGetPa.OUT_PHYS_OFFSET).output());
        addContainers();
    }

    /** Requests of VFIO's containers, which {@code /dev/iommu} serves too, and groups. Requests of devices have the same numbers as some. */
    private static void addContainers() {
        add("VFIO_GET_API_VERSION", VfioRequest.VFIO_GET_API_VERSION, 0);
        add("VFIO_CHECK_EXTENSION", VfioRequest.VFIO_CHECK_EXTENSION, 0);
        add("VFIO_SET_IOMMU", VfioRequest.VFIO_SET_IOMMU, 0);
        add("VFIO_GROUP_GET_STATUS", VfioGroupStatus.VFIO_GROUP_GET_STATUS, VfioGroupStatus.SIZE_BYTES,
                Field.named("flags", VfioGroupStatus.FLAGS_OFFSET, Names.flags(VfioGroupStatus.class, "VFIO_GROUP_FLAGS_")).output());
        add("VFIO_GROUP_SET_CONTAINER", VfioRequest.VFIO_GROUP_SET_CONTAINER, 0);
        add("VFIO_GROUP_UNSET_CONTAINER", VfioRequest.VFIO_GROUP_UNSET_CONTAINER, 0);
        add("VFIO_GROUP_GET_DEVICE_FD", VfioRequest.VFIO_GROUP_GET_DEVICE_FD, 0);
        add("VFIO_IOMMU_GET_INFO", VfioIommuType1Info.VFIO_IOMMU_GET_INFO, VfioIommuType1Info.SIZE_BYTES,
                Field.named("flags", VfioIommuType1Info.FLAGS_OFFSET, Names.flags(VfioIommuType1Info.class, "VFIO_IOMMU_INFO_")).output(),
                Field.address("iova_pgsizes", VfioIommuType1Info.IOVA_PGSIZES_OFFSET).output(),
                Field.number("cap_offset", VfioIommuType1Info.CAP_OFFSET_OFFSET).output());
        add("VFIO_IOMMU_MAP_DMA", VfioIommuType1DmaMap.VFIO_IOMMU_MAP_DMA, VfioIommuType1DmaMap.SIZE_BYTES,
                Field.named("flags", VfioIommuType1DmaMap.FLAGS_OFFSET, Names.flags(VfioIommuType1DmaMap.class, "VFIO_DMA_MAP_FLAG_")),
                Field.address("vaddr", VfioIommuType1DmaMap.VADDR_OFFSET), Field.address("iova", VfioIommuType1DmaMap.IOVA_OFFSET),
                Field.address("size", VfioIommuType1DmaMap.SIZE_OFFSET));
        add("VFIO_IOMMU_UNMAP_DMA", VfioIommuType1DmaUnmap.VFIO_IOMMU_UNMAP_DMA, VfioIommuType1DmaUnmap.SIZE_BYTES,
                Field.named("flags", VfioIommuType1DmaUnmap.FLAGS_OFFSET, Names.flags(VfioIommuType1DmaUnmap.class, "VFIO_DMA_UNMAP_FLAG_")),
                Field.address("iova", VfioIommuType1DmaUnmap.IOVA_OFFSET), Field.address("size", VfioIommuType1DmaUnmap.SIZE_OFFSET).both());
        add("VFIO_IOMMU_DIRTY_PAGES", VfioIommuType1DirtyBitmap.VFIO_IOMMU_DIRTY_PAGES, VfioIommuType1DirtyBitmap.SIZE_BYTES,
                Field.named("flags", VfioIommuType1DirtyBitmap.FLAGS_OFFSET, Names.flags(VfioIommuType1DirtyBitmap.class, "VFIO_IOMMU_DIRTY_PAGES_FLAG_")));
    }

    private final String name;
    private final StructText struct;

    private IoctlText(String name, StructText struct) {
        this.name = name;
        this.struct = struct;
    }

    private static void add(String name, int request, int sizeBytes, Field... fields) {
        BY_REQUEST.put(request, new IoctlText(name, new StructText(name.startsWith("VFIO") ? "argsz" : "size", sizeBytes, List.of(fields))));
    }

    /** Requests this class knows. */
    public static boolean knows(int request) {
        return BY_REQUEST.containsKey(request);
    }

    /** The request's name in C; {@code _IO(';', 0x3b)} and the like for one that is not known. */
    public static String name(int request) {
        IoctlText known = BY_REQUEST.get(request);
        if (known != null) {
            return known.name;
        }
        int type = request >>> 8 & 0xFF;
        String letter = type >= ' ' && type < 0x7F ? "'" + (char) type + "'" : "0x%x".formatted(type);
        return request >>> 16 == 0 ? "_IO(%s, 0x%x)".formatted(letter, request & 0xFF) : "0x%x".formatted(request);
    }

    /**
     * The client's struct as it is now; call it before the request and after it, for {@link #text}.
     *
     * @return empty for requests that are not known, and for what cannot be read
     */
    public static Optional<MemorySegment> snapshot(ClientMemory memory, int request, long argument) {
        return Optional.ofNullable(BY_REQUEST.get(request)).flatMap(known -> known.struct.read(memory, argument));
    }

    /**
     * A finished request on one line.
     *
     * @param before what the client passed
     * @param after what it had afterwards
     * @param result what the call returned, or the negative number of an {@link Errno}
     */
    public static String text(int request, long argument, Optional<MemorySegment> before, Optional<MemorySegment> after, long result) {
        StringBuilder text = new StringBuilder(name(request)).append(' ');
        Optional<StructText> struct = Optional.ofNullable(BY_REQUEST.get(request)).map(known -> known.struct);
        if (struct.isPresent() && before.isPresent()) {
            struct.get().input(before.get(), text);
            after.ifPresent(changed -> struct.get().output(before.get(), changed, result >= 0, text));
        } else {
            text.append(argument == 0 ? "NULL" : "0x" + Long.toHexString(argument));
        }
        return text.append(" = ").append(result(result)).toString();
    }

    private static String result(long result) {
        if (result >= 0) {
            return Long.toString(result);
        }
        String errno = Errno.text((int) -result);
        return errno.startsWith("E") ? "-1 " + errno : "-1 (" + errno + ")";
    }
}
