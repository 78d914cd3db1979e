package iommufd.api.uapi;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.Errno;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Field;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** Requests as people read them. */
class IoctlTextTest {
    private static MemorySegment struct(int sizeBytes, Consumer<MemorySegment> fields) {
        MemorySegment struct = MemorySegment.ofArray(new byte[sizeBytes]);
        struct.set(ValueLayout.JAVA_INT_UNALIGNED, 0, sizeBytes);
        fields.accept(struct);
        return struct;
    }

    private static String text(int request, MemorySegment before, MemorySegment after, long result) {
        return IoctlText.text(request, 0x1000, Optional.of(before), Optional.of(after), result);
    }

    @Test
    void whatWasAskedWhatWasToldAndTheResult() {
        Consumer<MemorySegment> asked = s -> {
            IommuIoasMap.flags(s, 6 | 64);
            IommuIoasMap.ioasId(s, 1);
            IommuIoasMap.userVa(s, 0x7F0000001000L);
            IommuIoasMap.length(s, 4096);
        };
        MemorySegment before = struct(IommuIoasMap.SIZE_BYTES, asked);
        MemorySegment after = struct(IommuIoasMap.SIZE_BYTES, asked.andThen(s -> IommuIoasMap.iova(s, 0x2000)));
        assertThat(text(IommuIoasMap.IOMMU_IOAS_MAP, before, after, 0)).isEqualTo("IOMMU_IOAS_MAP {size=40, "
                + "flags=IOMMU_IOAS_MAP_WRITEABLE|IOMMU_IOAS_MAP_READABLE|0x40, ioas_id=1, user_va=0x7f0000001000, length=0x1000, iova=0} "
                + "=> {iova=0x2000} = 0");
    }

    @Test
    void refusalsAreNamedAndTellOnlyWhatChanged() {
        MemorySegment same = struct(IommuFaultAlloc.SIZE_BYTES, s -> IommuFaultAlloc.flags(s, 1));
        assertThat(text(IommuFaultAlloc.IOMMU_FAULT_QUEUE_ALLOC, same, same, -Errno.EOPNOTSUPP.number()))
                .isEqualTo("IOMMU_FAULT_QUEUE_ALLOC {size=16, flags=0x1} = -1 EOPNOTSUPP");
        MemorySegment before = struct(IommuHwptInvalidate.SIZE_BYTES, s -> IommuHwptInvalidate.entryNum(s, 5));
        MemorySegment after = struct(IommuHwptInvalidate.SIZE_BYTES, s -> IommuHwptInvalidate.entryNum(s, 2));
        assertThat(text(IommuHwptInvalidate.IOMMU_HWPT_INVALIDATE, before, after, -5))
                .endsWith("data_type=IOMMU_HWPT_INVALIDATE_DATA_VTD_S1, entry_len=0, entry_num=5} => {entry_num=2} = -1 EIO");
        assertThat(text(IommuIoasAlloc.IOMMU_IOAS_ALLOC, struct(12, s -> { }), struct(12, s -> IommuIoasAlloc.outIoasId(s, 7)), 0))
                .isEqualTo("IOMMU_IOAS_ALLOC {size=12, flags=0} => {out_ioas_id=7} = 0");
        assertThat(text(IommuIoasAlloc.IOMMU_IOAS_ALLOC, struct(12, s -> { }), struct(12, s -> { }), -121)).endsWith("= -1 (errno 121)");
    }

    @Test
    void requestsOfContainersAndGroups() {
        MemorySegment before = struct(VfioIommuType1DmaUnmap.SIZE_BYTES, s -> {
            VfioIommuType1DmaUnmap.flags(s, VfioIommuType1DmaUnmap.VFIO_DMA_UNMAP_FLAG_ALL);
            VfioIommuType1DmaUnmap.size(s, 0);
        });
        MemorySegment after = struct(VfioIommuType1DmaUnmap.SIZE_BYTES, s -> VfioIommuType1DmaUnmap.size(s, 0x3000));
        assertThat(text(VfioIommuType1DmaUnmap.VFIO_IOMMU_UNMAP_DMA, before, after, 0))
                .isEqualTo("VFIO_IOMMU_UNMAP_DMA {argsz=24, flags=VFIO_DMA_UNMAP_FLAG_ALL, iova=0, size=0} => {size=0x3000} = 0");
        assertThat(IoctlText.snapshot(null, VfioRequest.VFIO_SET_IOMMU, 3)).as("no struct").isEmpty();
        assertThat(IoctlText.text(VfioRequest.VFIO_SET_IOMMU, 3, Optional.empty(), Optional.empty(), -22)).isEqualTo("VFIO_SET_IOMMU 0x3 = -1 EINVAL");
    }

    @Test
    void whatIsNotKnownIsANumber() {
        assertThat(IoctlText.text(0x3B3B, 0, Optional.empty(), Optional.empty(), -25)).isEqualTo("_IO(';', 0x3b) NULL = -1 ENOTTY");
        assertThat(IoctlText.text(0x40043B3B, 7, Optional.empty(), Optional.empty(), 3)).isEqualTo("0x40043b3b 0x7 = 3");
        assertThat(IoctlText.text(IommuDestroy.IOMMU_DESTROY, 9, Optional.empty(), Optional.empty(), -14)).isEqualTo("IOMMU_DESTROY 0x9 = -1 EFAULT");
    }

    @Test
    void everyRequestIsKnownByTheNameOfItsConstantAndShowsAllItsFields() throws IllegalAccessException {
        for (Class<?> type : HeaderTest.STRUCTS) {
            for (Field field : type.getFields()) {
                boolean request = field.getType() == int.class && (field.getInt(null) & ~0xFF) == 0x3B00;
                if (request) {
                    int number = field.getInt(null);
                    assertThat(IoctlText.name(number)).isEqualTo(field.getName());
                    MemorySegment ones = MemorySegment.ofArray(new byte[size(type)]);
                    ones.fill((byte) 1);
                    String text = text(number, ones, ones, 0);
                    for (Field offset : type.getFields()) {
                        String name = offset.getName();
                        boolean shown = name.endsWith("_OFFSET") && !name.startsWith("RESERVED") && !name.startsWith("IN_DATA");
                        if (shown) {
                            assertThat(text).contains(name.substring(0, name.length() - "_OFFSET".length()).toLowerCase(Locale.ROOT) + "=");
                        }
                    }
                }
            }
        }
    }

    private static int size(Class<?> type) {
        try {
            return type.getField("SIZE_BYTES").getInt(null);
        } catch (ReflectiveOperationException wrong) {
            throw new AssertionError(wrong);
        }
    }
}
