package vfio.adapter.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.uapi.VfioInfoCapHeader;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import vfio.adapter.device.AdaptedDevice;
import vfio.adapter.uapi.VfioRegionInfo;
import vfio.adapter.uapi.VfioRegionInfoCapSparseMmap;
import vfio.adapter.uapi.VfioRegionSparseMmapArea;
import vfio.device.Bar;
import vfio.device.MsixCapability;

/** {@code VFIO_DEVICE_GET_REGION_INFO}: what a region is, and which parts of it clients map. */
final class RegionInfo {
    private static final short VERSION = 1;

    private RegionInfo() {}

    static void answer(DeviceCall call) {
        MemorySegment info = call.read(VfioRegionInfo.SIZE_BYTES, VfioRegionInfo.MIN_BYTES);
        long userBytes = DeviceCall.userBytes(info);
        int index = VfioRegionInfo.index(info);
        VfioRegionInfo.offset(info, Regions.start(index));
        VfioRegionInfo.flags(info, 0);
        VfioRegionInfo.size(info, 0);
        Optional<MemorySegment> capabilities = Optional.empty();
        if (index == VfioRegionInfo.VFIO_PCI_CONFIG_REGION_INDEX) {
            VfioRegionInfo.size(info, call.session().config().lengthBytes());
            VfioRegionInfo.flags(info, VfioRegionInfo.VFIO_REGION_INFO_FLAG_READ | VfioRegionInfo.VFIO_REGION_INFO_FLAG_WRITE);
        } else if (index >= 0 && index <= VfioRegionInfo.VFIO_PCI_BAR5_REGION_INDEX) {
            capabilities = bar(call.session().device(), index, info);
        } else if (index != VfioRegionInfo.VFIO_PCI_ROM_REGION_INDEX) {
            throw new IommufdException(Errno.EINVAL, "there is no region " + Integer.toUnsignedString(index));
        }
        if (capabilities.isPresent()) {
            chain(call, info, userBytes, capabilities.get());
        }
        call.respond(info, VfioRegionInfo.MIN_BYTES);
    }

    private static Optional<MemorySegment> bar(AdaptedDevice device, int index, MemorySegment info) {
        Optional<Bar> found = device.function().bar(index);
        if (found.isEmpty()) {
            return Optional.empty();
        }
        Bar bar = found.get();
        VfioRegionInfo.size(info, bar.sizeBytes());
        int flags = VfioRegionInfo.VFIO_REGION_INFO_FLAG_READ | VfioRegionInfo.VFIO_REGION_INFO_FLAG_WRITE;
        if (bar.shared().isEmpty()) {
            VfioRegionInfo.flags(info, flags);
            return Optional.empty();
        }
        VfioRegionInfo.flags(info, flags | VfioRegionInfo.VFIO_REGION_INFO_FLAG_MMAP);
        boolean tableMappable = device.msix().filter(msix -> msix.tableBar() == index && tableIsShared(bar, msix)).isPresent();
        int sparseBytes = bar.sharedWhole() ? 0
                : VfioRegionInfoCapSparseMmap.SIZE_BYTES + bar.shared().size() * VfioRegionSparseMmapArea.SIZE_BYTES;
        int tableBytes = tableMappable ? VfioInfoCapHeader.SIZE_BYTES : 0;
        if (sparseBytes + tableBytes == 0) {
            return Optional.empty();
        }
        MemorySegment capabilities = MemorySegment.ofArray(new long[(sparseBytes + tableBytes) / Long.BYTES]);
        if (sparseBytes > 0) {
            int next = tableMappable ? VfioRegionInfo.SIZE_BYTES + sparseBytes : 0;
            sparse(bar, capabilities, next);
        }
        if (tableMappable) {
            MemorySegment header = capabilities.asSlice(sparseBytes);
            VfioInfoCapHeader.id(header, (short) VfioRegionInfo.VFIO_REGION_INFO_CAP_MSIX_MAPPABLE);
            VfioInfoCapHeader.version(header, VERSION);
        }
        return Optional.of(capabilities);
    }

    private static boolean tableIsShared(Bar bar, MsixCapability msix) {
        return bar.isShared(msix.tableOffset(), msix.tableBytes());
    }

    private static void sparse(Bar bar, MemorySegment capability, int next) {
        VfioRegionInfoCapSparseMmap.headerId(capability, (short) VfioRegionInfo.VFIO_REGION_INFO_CAP_SPARSE_MMAP);
        VfioRegionInfoCapSparseMmap.headerVersion(capability, VERSION);
        VfioRegionInfoCapSparseMmap.headerNext(capability, next);
        VfioRegionInfoCapSparseMmap.nrAreas(capability, bar.shared().size());
        for (int i = 0; i < bar.shared().size(); i++) {
            MemorySegment area = capability.asSlice(VfioRegionInfoCapSparseMmap.SIZE_BYTES + (long) i * VfioRegionSparseMmapArea.SIZE_BYTES);
            VfioRegionSparseMmapArea.offset(area, bar.shared().get(i).offset());
            VfioRegionSparseMmapArea.size(area, bar.shared().get(i).lengthBytes());
        }
    }

    private static void chain(DeviceCall call, MemorySegment info, long userBytes, MemorySegment capabilities) {
        VfioRegionInfo.flags(info, VfioRegionInfo.flags(info) | VfioRegionInfo.VFIO_REGION_INFO_FLAG_CAPS);
        long needed = VfioRegionInfo.SIZE_BYTES + capabilities.byteSize();
        if (userBytes < needed) {
            VfioRegionInfo.argsz(info, (int) needed);
            VfioRegionInfo.capOffset(info, 0);
        } else {
            call.memory().write(call.address() + VfioRegionInfo.SIZE_BYTES, capabilities);
            VfioRegionInfo.capOffset(info, VfioRegionInfo.SIZE_BYTES);
        }
    }
}
