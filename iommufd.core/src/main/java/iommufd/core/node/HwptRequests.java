package iommufd.core.node;

import iommufd.api.BoundDevice;
import iommufd.api.Errno;
import iommufd.api.FaultQueue;
import iommufd.api.HardwareInfo;
import iommufd.api.Hwpt;
import iommufd.api.HwptOptions;
import iommufd.api.Ioas;
import iommufd.api.IommufdException;
import iommufd.api.IommufdObject;
import iommufd.api.NestedTable;
import iommufd.api.PagingHwpt;
import iommufd.api.Viommu;
import iommufd.api.uapi.IommuHwInfo;
import iommufd.api.uapi.IommuHwptAlloc;
import iommufd.api.uapi.IommuHwptSetDirtyTracking;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/** Requests about page tables and the hardware they lie on ({@code hw_pagetable.c}, {@code device.c}). */
final class HwptRequests {
    private static final int NESTED_FLAGS = IommuHwptAlloc.IOMMU_HWPT_FAULT_ID_VALID | IommuHwptAlloc.IOMMU_HWPT_ALLOC_PASID;
    private static final int PAGING_FLAGS =
            NESTED_FLAGS | IommuHwptAlloc.IOMMU_HWPT_ALLOC_NEST_PARENT | IommuHwptAlloc.IOMMU_HWPT_ALLOC_DIRTY_TRACKING;

    private HwptRequests() {}

    static void allocate(IoctlCall call) {
        MemorySegment struct = call.struct();
        IoctlCall.requireZero(IommuHwptAlloc.reserved(struct));
        boolean typed = IommuHwptAlloc.dataType(struct) != IommuHwptAlloc.IOMMU_HWPT_DATA_NONE;
        if (typed != (IommuHwptAlloc.dataLen(struct) != 0)) {
            throw new IommufdException(Errno.EINVAL, "data of type %d and %s bytes".formatted(IommuHwptAlloc.dataType(struct),
                    Integer.toUnsignedString(IommuHwptAlloc.dataLen(struct))));
        }
        BoundDevice device = call.object(IommuHwptAlloc.devId(struct), BoundDevice.class);
        IommufdObject from = source(call);
        Optional<FaultQueue> faults = Optional.empty();
        Optional<IommufdException> noQueue = Optional.empty();
        if ((IommuHwptAlloc.flags(struct) & IommuHwptAlloc.IOMMU_HWPT_FAULT_ID_VALID) != 0) {
            try {
                faults = Optional.of(call.object(IommuHwptAlloc.faultId(struct), FaultQueue.class));
            } catch (IommufdException refused) {
                noQueue = Optional.of(refused);   // looked up last: what the table is refused for comes before
            }
        }
        Hwpt made = switch (from) {
            case Ioas ioas -> paging(call, device, ioas, faults);
            case PagingHwpt parent -> call.file().context().allocateNestedHwpt(device, parent, nested(call), faults, pasid(struct));
            case Viommu viommu -> viommu.allocateNestedHwpt(device, nested(call), faults, pasid(struct));
            default -> throw new IommufdException(Errno.EINVAL, "no page table can be made from " + from);
        };
        IommuHwptAlloc.outHwptId(struct, made.id());
        Optional<IommufdException> refusal = noQueue;
        Unwind.onFailure(() -> {
            refusal.ifPresent(refused -> {
                throw refused;
            });
            call.respond();
        }, made::destroy);
    }

    /** Unlike every other number, a wrong one is {@code EINVAL} here. */
    private static IommufdObject source(IoctlCall call) {
        try {
            return call.file().context().object(IommuHwptAlloc.ptId(call.struct()));
        } catch (IommufdException refused) {
            if (refused.errno() != Errno.ENOENT) {
                throw refused;
            }
            throw new IommufdException(Errno.EINVAL, "no object has the number " + IommuHwptAlloc.ptId(call.struct()), refused);
        }
    }

    private static PagingHwpt paging(IoctlCall call, BoundDevice device, Ioas ioas, Optional<FaultQueue> faults) {
        MemorySegment struct = call.struct();
        int flags = IommuHwptAlloc.flags(struct);
        IoctlCall.requireKnown(flags, PAGING_FLAGS);
        boolean nestParent = (flags & IommuHwptAlloc.IOMMU_HWPT_ALLOC_NEST_PARENT) != 0;
        if (nestParent && (flags & IommuHwptAlloc.IOMMU_HWPT_FAULT_ID_VALID) != 0) {
            throw new IommufdException(Errno.EOPNOTSUPP, "a nest parent has no fault queue");
        }
        boolean dirty = (flags & IommuHwptAlloc.IOMMU_HWPT_ALLOC_DIRTY_TRACKING) != 0;
        Optional<NestedTable> data = IommuHwptAlloc.dataLen(struct) == 0 ? Optional.empty() : Optional.of(vendorData(call));
        return call.file().client().allocateHwpt(device, ioas, new HwptOptions(nestParent, dirty, pasid(struct), faults), data);
    }

    private static NestedTable nested(IoctlCall call) {
        MemorySegment struct = call.struct();
        IoctlCall.requireKnown(IommuHwptAlloc.flags(struct), NESTED_FLAGS);
        return vendorData(call);
    }

    private static NestedTable vendorData(IoctlCall call) {
        MemorySegment struct = call.struct();
        return ClientData.read(call.memory(), IommuHwptAlloc.dataType(struct), IommuHwptAlloc.dataUptr(struct), IommuHwptAlloc.dataLen(struct),
                NestedTable::new, NestedTable::unreadable);
    }

    private static boolean pasid(MemorySegment struct) {
        return (IommuHwptAlloc.flags(struct) & IommuHwptAlloc.IOMMU_HWPT_ALLOC_PASID) != 0;
    }

    static void hardwareInfo(IoctlCall call) {
        MemorySegment struct = call.struct();
        int flags = IommuHwInfo.flags(struct);
        IoctlCall.requireKnown(flags, IommuHwInfo.IOMMU_HW_INFO_FLAG_INPUT_TYPE);
        IoctlCall.requireZero(IommuHwInfo.reserved(struct, 0) | IommuHwInfo.reserved(struct, 1) | IommuHwInfo.reserved(struct, 2));
        int wanted = (flags & IommuHwInfo.IOMMU_HW_INFO_FLAG_INPUT_TYPE) == 0 ? IommuHwInfo.IOMMU_HW_INFO_TYPE_DEFAULT : IommuHwInfo.inDataType(struct);
        HardwareInfo info = call.object(IommuHwInfo.devId(struct), BoundDevice.class).hardwareInfo();
        boolean known = wanted == IommuHwInfo.IOMMU_HW_INFO_TYPE_DEFAULT || info.type() == IommuHwInfo.IOMMU_HW_INFO_TYPE_NONE || wanted == info.type();
        if (!known) {
            throw new IommufdException(Errno.EOPNOTSUPP, "the hardware has data of type %d, not %d".formatted(info.type(), wanted));
        }
        byte[] bytes = info.bytes();
        ClientData.write(call.memory(), IommuHwInfo.dataUptr(struct), IommuHwInfo.dataLen(struct), bytes);
        IommuHwInfo.inDataType(struct, info.type());
        IommuHwInfo.dataLen(struct, bytes.length);
        IommuHwInfo.outMaxPasidLog2(struct, (byte) info.pasidBits());
        long capabilities = 0;
        for (HardwareInfo.Capability capability : info.capabilities()) {
            capabilities |= bit(capability);
        }
        IommuHwInfo.outCapabilities(struct, capabilities);
        call.respond();
    }

    private static int bit(HardwareInfo.Capability capability) {
        return switch (capability) {
            case DIRTY_TRACKING -> IommuHwInfo.IOMMU_HW_CAP_DIRTY_TRACKING;
            case PASID_EXECUTE -> IommuHwInfo.IOMMU_HW_CAP_PCI_PASID_EXEC;
            case PASID_PRIVILEGED -> IommuHwInfo.IOMMU_HW_CAP_PCI_PASID_PRIV;
            case ATS_NOT_SUPPORTED -> IommuHwInfo.IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED;
        };
    }

    static void setDirtyTracking(IoctlCall call) {
        MemorySegment struct = call.struct();
        int flags = IommuHwptSetDirtyTracking.flags(struct);
        IoctlCall.requireKnown(flags, IommuHwptSetDirtyTracking.IOMMU_HWPT_DIRTY_TRACKING_ENABLE);
        call.object(IommuHwptSetDirtyTracking.hwptId(struct), PagingHwpt.class).setDirtyTracking(flags != 0);
    }
}
