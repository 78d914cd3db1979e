package iommufd.core.node;

import iommufd.api.BoundDevice;
import iommufd.api.Errno;
import iommufd.api.EventQueue;
import iommufd.api.FaultQueue;
import iommufd.api.HwQueue;
import iommufd.api.IommufdException;
import iommufd.api.PagingHwpt;
import iommufd.api.Vdevice;
import iommufd.api.Viommu;
import iommufd.api.ViommuTable;
import iommufd.api.node.OpenNode;
import iommufd.api.uapi.IommuFaultAlloc;
import iommufd.api.uapi.IommuHwQueueAlloc;
import iommufd.api.uapi.IommuVdeviceAlloc;
import iommufd.api.uapi.IommuVeventqAlloc;
import iommufd.api.uapi.IommuViommuAlloc;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.IntConsumer;

/** Requests about vIOMMUs and about queues ({@code viommu.c}, {@code eventq.c}). */
final class GuestRequests {
    private static final int MAX_EVENT_DEPTH = 1 << 19;

    private GuestRequests() {}

    static void allocateViommu(IoctlCall call) {
        MemorySegment struct = call.struct();
        IoctlCall.requireZero(IommuViommuAlloc.flags(struct));
        refuseDefault(IommuViommuAlloc.type(struct), IommuViommuAlloc.IOMMU_VIOMMU_TYPE_DEFAULT);
        BoundDevice device = call.object(IommuViommuAlloc.devId(struct), BoundDevice.class);
        if (!call.file().client().offersViommu(device, IommuViommuAlloc.type(struct))) {
            throw new IommufdException(Errno.EOPNOTSUPP, "the hardware has no vIOMMU of type " + IommuViommuAlloc.type(struct));
        }
        PagingHwpt parent = call.object(IommuViommuAlloc.hwptId(struct), PagingHwpt.class);
        ViommuTable table = ClientData.read(call.memory(), IommuViommuAlloc.type(struct), IommuViommuAlloc.dataUptr(struct),
                IommuViommuAlloc.dataLen(struct), ViommuTable::new, ViommuTable::unreadable);
        Viommu viommu = call.file().context().allocateViommu(device, parent, table);
        IommuViommuAlloc.outViommuId(struct, viommu.id());
        Unwind.onFailure(() -> {
            byte[] reply = call.file().client().reply(viommu);
            int replied = (int) Math.min(reply.length, table.lengthBytes());
            if (replied > 0) {
                call.memory().write(IommuViommuAlloc.dataUptr(struct), MemorySegment.ofArray(reply).asSlice(0, replied));
            }
            call.respond();
        }, viommu::destroy);
    }

    static void allocateVdevice(IoctlCall call) {
        MemorySegment struct = call.struct();
        Viommu viommu = call.object(IommuVdeviceAlloc.viommuId(struct), Viommu.class);
        BoundDevice device = call.object(IommuVdeviceAlloc.devId(struct), BoundDevice.class);
        Vdevice vdevice = viommu.allocateVdevice(device, IommuVdeviceAlloc.virtId(struct));
        IommuVdeviceAlloc.outVdeviceId(struct, vdevice.id());
        Unwind.onFailure(call::respond, vdevice::destroy);
    }

    static void allocateHwQueue(IoctlCall call) {
        MemorySegment struct = call.struct();
        IoctlCall.requireZero(IommuHwQueueAlloc.flags(struct));
        refuseDefault(IommuHwQueueAlloc.type(struct), IommuHwQueueAlloc.IOMMU_HW_QUEUE_TYPE_DEFAULT);
        long iova = IommuHwQueueAlloc.nestingParentIova(struct);
        long length = IommuHwQueueAlloc.length(struct);
        if (length == 0) {
            throw new IommufdException(Errno.EINVAL, "a hardware queue of length 0");
        }
        if (Long.compareUnsigned(iova + (length - 1), iova) < 0) {
            throw new IommufdException(Errno.EOVERFLOW, "0x%x bytes at 0x%x reach beyond 64 bits".formatted(length, iova));
        }
        Viommu viommu = call.object(IommuHwQueueAlloc.viommuId(struct), Viommu.class);
        HwQueue queue = viommu.allocateHwQueue(IommuHwQueueAlloc.type(struct), IommuHwQueueAlloc.index(struct), iova, length);
        IommuHwQueueAlloc.outHwQueueId(struct, queue.id());
        Unwind.onFailure(call::respond, queue::destroy);
    }

    static void allocateFaultQueue(IoctlCall call) {
        MemorySegment struct = call.struct();
        IoctlCall.requireZero(IommuFaultAlloc.flags(struct));
        byte[] untouched = struct.toArray(ValueLayout.JAVA_BYTE);
        FaultQueue queue = call.file().context().allocateFaultQueue();
        IommuFaultAlloc.outFaultId(struct, queue.id());
        Unwind.onFailure(() -> install(call, untouched, new FaultFile(call.file(), queue), number -> IommuFaultAlloc.outFaultFd(struct, number)),
                queue::destroy);
    }

    static void allocateEventQueue(IoctlCall call) {
        MemorySegment struct = call.struct();
        IoctlCall.requireZero(IommuVeventqAlloc.flags(struct));
        IoctlCall.requireZero(IommuVeventqAlloc.reserved(struct));
        refuseDefault(IommuVeventqAlloc.type(struct), IommuVeventqAlloc.IOMMU_VEVENTQ_TYPE_DEFAULT);
        int depth = IommuVeventqAlloc.veventqDepth(struct);
        if (depth <= 0 || depth > MAX_EVENT_DEPTH) {
            throw new IommufdException(Errno.EINVAL, "an event queue holds 1 to %d events".formatted(MAX_EVENT_DEPTH));
        }
        Viommu viommu = call.object(IommuVeventqAlloc.viommuId(struct), Viommu.class);
        byte[] untouched = struct.toArray(ValueLayout.JAVA_BYTE);
        EventQueue queue = call.file().client().allocateEventQueue(viommu, IommuVeventqAlloc.type(struct), depth);
        IommuVeventqAlloc.outVeventqId(struct, queue.id());
        Unwind.onFailure(() -> install(call, untouched, new EventFile(call.file(), queue), number -> IommuVeventqAlloc.outVeventqFd(struct, number)),
                queue::destroy);
    }

    /**
     * Opens a file in the client and writes its number into the struct. A file cannot be taken back, so the struct is written
     * once before, which tells whether it can be.
     */
    private static void install(IoctlCall call, byte[] untouched, OpenNode file, IntConsumer field) {
        int number;
        try {
            field.accept(-1);
            call.respond();
            number = call.caller().files().install(file, true);
        } catch (RuntimeException | Error refused) {
            file.close();
            call.struct().copyFrom(MemorySegment.ofArray(untouched));
            Unwind.quietly(call::respond);
            throw refused;
        }
        field.accept(number);
        call.respond();
    }

    private static void refuseDefault(int type, int defaultType) {
        if (type == defaultType) {
            throw new IommufdException(Errno.EOPNOTSUPP, "type %d is none".formatted(type));
        }
    }
}
