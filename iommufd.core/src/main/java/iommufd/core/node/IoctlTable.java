package iommufd.core.node;

import iommufd.api.uapi.IommuDestroy;
import iommufd.api.uapi.IommuFaultAlloc;
import iommufd.api.uapi.IommuHwInfo;
import iommufd.api.uapi.IommuHwQueueAlloc;
import iommufd.api.uapi.IommuHwptAlloc;
import iommufd.api.uapi.IommuHwptGetDirtyBitmap;
import iommufd.api.uapi.IommuHwptInvalidate;
import iommufd.api.uapi.IommuHwptSetDirtyTracking;
import iommufd.api.uapi.IommuIoasAlloc;
import iommufd.api.uapi.IommuIoasAllowIovas;
import iommufd.api.uapi.IommuIoasChangeProcess;
import iommufd.api.uapi.IommuIoasCopy;
import iommufd.api.uapi.IommuIoasIovaRanges;
import iommufd.api.uapi.IommuIoasMap;
import iommufd.api.uapi.IommuIoasMapFile;
import iommufd.api.uapi.IommuIoasNoiommuGetPa;
import iommufd.api.uapi.IommuIoasUnmap;
import iommufd.api.uapi.IommuOption;
import iommufd.api.uapi.IommuVdeviceAlloc;
import iommufd.api.uapi.IommuVeventqAlloc;
import iommufd.api.uapi.IommuVfioIoas;
import iommufd.api.uapi.IommuViommuAlloc;

/** The requests of {@code linux/iommufd.h}, by number. */
final class IoctlTable {
    /** First number that is iommufd's; those below are VFIO's. */
    static final int FIRST_NUMBER = 0x80;
    private static final int NUMBER_MASK = 0xFF;   // _IOC_NR

    private static final IoctlRow[] ROWS = byNumber(
            new IoctlRow(IommuDestroy.IOMMU_DESTROY, IommuDestroy.SIZE_BYTES, IommuDestroy.MIN_BYTES, ContextRequests::destroy),
            new IoctlRow(IommuIoasAlloc.IOMMU_IOAS_ALLOC, IommuIoasAlloc.SIZE_BYTES, IommuIoasAlloc.MIN_BYTES, IoasRequests::allocate),
            new IoctlRow(IommuIoasAllowIovas.IOMMU_IOAS_ALLOW_IOVAS, IommuIoasAllowIovas.SIZE_BYTES, IommuIoasAllowIovas.MIN_BYTES, IoasRequests::allowIovas),
            new IoctlRow(IommuIoasCopy.IOMMU_IOAS_COPY, IommuIoasCopy.SIZE_BYTES, IommuIoasCopy.MIN_BYTES, IoasRequests::copy),
            new IoctlRow(IommuIoasIovaRanges.IOMMU_IOAS_IOVA_RANGES, IommuIoasIovaRanges.SIZE_BYTES, IommuIoasIovaRanges.MIN_BYTES, IoasRequests::iovaRanges),
            new IoctlRow(IommuIoasMap.IOMMU_IOAS_MAP, IommuIoasMap.SIZE_BYTES, IommuIoasMap.MIN_BYTES, IoasRequests::map),
            new IoctlRow(IommuIoasUnmap.IOMMU_IOAS_UNMAP, IommuIoasUnmap.SIZE_BYTES, IommuIoasUnmap.MIN_BYTES, IoasRequests::unmap),
            new IoctlRow(IommuOption.IOMMU_OPTION, IommuOption.SIZE_BYTES, IommuOption.MIN_BYTES, ContextRequests::option),
            new IoctlRow(IommuVfioIoas.IOMMU_VFIO_IOAS, IommuVfioIoas.SIZE_BYTES, IommuVfioIoas.MIN_BYTES, ContextRequests::vfioIoas),
            new IoctlRow(IommuHwptAlloc.IOMMU_HWPT_ALLOC, IommuHwptAlloc.SIZE_BYTES, IommuHwptAlloc.MIN_BYTES, HwptRequests::allocate),
            new IoctlRow(IommuHwInfo.IOMMU_GET_HW_INFO, IommuHwInfo.SIZE_BYTES, IommuHwInfo.MIN_BYTES, HwptRequests::hardwareInfo),
            new IoctlRow(IommuHwptSetDirtyTracking.IOMMU_HWPT_SET_DIRTY_TRACKING, IommuHwptSetDirtyTracking.SIZE_BYTES,
                    IommuHwptSetDirtyTracking.MIN_BYTES, HwptRequests::setDirtyTracking),
            new IoctlRow(IommuHwptGetDirtyBitmap.IOMMU_HWPT_GET_DIRTY_BITMAP, IommuHwptGetDirtyBitmap.SIZE_BYTES,
                    IommuHwptGetDirtyBitmap.MIN_BYTES, DirtyRequest::read),
            new IoctlRow(IommuHwptInvalidate.IOMMU_HWPT_INVALIDATE, IommuHwptInvalidate.SIZE_BYTES, IommuHwptInvalidate.MIN_BYTES,
                    InvalidateRequest::invalidate),
            new IoctlRow(IommuFaultAlloc.IOMMU_FAULT_QUEUE_ALLOC, IommuFaultAlloc.SIZE_BYTES, IommuFaultAlloc.MIN_BYTES,
                    GuestRequests::allocateFaultQueue),
            new IoctlRow(IommuIoasMapFile.IOMMU_IOAS_MAP_FILE, IommuIoasMapFile.SIZE_BYTES, IommuIoasMapFile.MIN_BYTES, IoasRequests::mapFile),
            new IoctlRow(IommuViommuAlloc.IOMMU_VIOMMU_ALLOC, IommuViommuAlloc.SIZE_BYTES, IommuViommuAlloc.MIN_BYTES, GuestRequests::allocateViommu),
            new IoctlRow(IommuVdeviceAlloc.IOMMU_VDEVICE_ALLOC, IommuVdeviceAlloc.SIZE_BYTES, IommuVdeviceAlloc.MIN_BYTES, GuestRequests::allocateVdevice),
            new IoctlRow(IommuIoasChangeProcess.IOMMU_IOAS_CHANGE_PROCESS, IommuIoasChangeProcess.SIZE_BYTES, IommuIoasChangeProcess.MIN_BYTES,
                    ContextRequests::changeProcess),
            new IoctlRow(IommuVeventqAlloc.IOMMU_VEVENTQ_ALLOC, IommuVeventqAlloc.SIZE_BYTES, IommuVeventqAlloc.MIN_BYTES,
                    GuestRequests::allocateEventQueue),
            new IoctlRow(IommuHwQueueAlloc.IOMMU_HW_QUEUE_ALLOC, IommuHwQueueAlloc.SIZE_BYTES, IommuHwQueueAlloc.MIN_BYTES,
                    GuestRequests::allocateHwQueue),
            new IoctlRow(IommuIoasNoiommuGetPa.IOMMU_IOAS_NOIOMMU_GET_PA, IommuIoasNoiommuGetPa.SIZE_BYTES, IommuIoasNoiommuGetPa.MIN_BYTES,
                    IoasRequests::physicalAddress));

    private IoctlTable() {}

    private static IoctlRow[] byNumber(IoctlRow... rows) {
        IoctlRow[] table = new IoctlRow[rows.length];
        for (IoctlRow row : rows) {
            table[number(row.request()) - FIRST_NUMBER] = row;
        }
        return table;
    }

    private static int number(int request) {
        return request & NUMBER_MASK;
    }

    /** Whether the number is one of iommufd's, whatever the rest of the request says. */
    static boolean covers(int request) {
        int index = number(request) - FIRST_NUMBER;
        return index >= 0 && index < ROWS.length;
    }

    /** The row of a request that is {@linkplain #covers covered}; null if only the number is right. */
    static IoctlRow row(int request) {
        IoctlRow row = ROWS[number(request) - FIRST_NUMBER];
        return row.request() == request ? row : null;
    }
}
