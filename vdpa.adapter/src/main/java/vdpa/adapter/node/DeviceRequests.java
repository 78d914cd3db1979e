package vdpa.adapter.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.IovaRange;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import vdpa.adapter.device.Eventfd;
import vdpa.adapter.device.VdpaSession;
import vdpa.adapter.uapi.BackendFeature;
import vdpa.adapter.uapi.VhostRequest;
import vdpa.adapter.uapi.VirtioStatus;
import vdpa.device.VdpaFunction;

/** Requests of the device as a whole, which anybody may make who has it open. */
final class DeviceRequests {
    /** {@code off} and {@code len} of a {@code struct vhost_vdpa_config}. */
    private static final int CONFIG_HEADER_BYTES = 8;

    private DeviceRequests() {}

    /** @return false if the request is none of these */
    static boolean run(VhostCall call, int request) {
        VdpaSession session = call.session();
        VdpaFunction function = session.function();
        switch (request) {
            case VhostRequest.VHOST_GET_FEATURES -> call.writeLongs(function.features());
            case VhostRequest.VHOST_SET_FEATURES -> setFeatures(call);
            case VhostRequest.VHOST_GET_BACKEND_FEATURES -> call.writeLongs(backendFeatures(function));
            case VhostRequest.VHOST_VDPA_GET_DEVICE_ID -> call.writeInts(function.deviceId());
            case VhostRequest.VHOST_VDPA_GET_STATUS -> call.writeByte(session.status());
            case VhostRequest.VHOST_VDPA_SET_STATUS -> session.setStatus(Byte.toUnsignedInt(call.read(1).get(ValueLayout.JAVA_BYTE, 0)));
            case VhostRequest.VHOST_VDPA_GET_CONFIG -> getConfig(call);
            case VhostRequest.VHOST_VDPA_SET_CONFIG -> setConfig(call);
            case VhostRequest.VHOST_VDPA_GET_VRING_NUM -> call.writeShort(function.maxQueueSize());
            case VhostRequest.VHOST_VDPA_GET_GROUP_NUM -> call.writeInts(function.groups());
            case VhostRequest.VHOST_VDPA_GET_AS_NUM -> call.writeInts(function.addressSpaces());
            case VhostRequest.VHOST_SET_LOG_BASE, VhostRequest.VHOST_SET_LOG_FD ->
                    throw new IommufdException(Errno.ENOTTY, "a vDPA device does not log what it writes; dirty tracking of an HWPT does");
            case VhostRequest.VHOST_VDPA_SET_CONFIG_CALL -> session.configCallBy(Eventfd.take(call.caller(), call.readInt()));
            case VhostRequest.VHOST_VDPA_GET_IOVA_RANGE -> {
                IovaRange range = session.iovas();
                call.writeLongs(range.start(), range.last());
            }
            case VhostRequest.VHOST_VDPA_GET_CONFIG_SIZE -> call.writeInts(function.configBytes());
            case VhostRequest.VHOST_VDPA_GET_VQS_COUNT -> call.writeInts(function.queues());
            case VhostRequest.VHOST_VDPA_SUSPEND -> session.suspend();
            case VhostRequest.VHOST_VDPA_RESUME -> session.resume();
            default -> {
                return false;
            }
        }
        return true;
    }

    /** What the transport can do with this device. */
    static long backendFeatures(VdpaFunction function) {
        return BackendFeature.IOTLB_MSG_V2 | BackendFeature.IOTLB_BATCH | BackendFeature.IOTLB_ASID | BackendFeature.IOTLB_PERSIST
                | (function.suspends() ? BackendFeature.SUSPEND | BackendFeature.RESUME : 0)
                | (function.descriptorGroups().isEmpty() ? 0 : BackendFeature.DESC_ASID)
                | (function.enablesLate() ? BackendFeature.ENABLE_AFTER_DRIVER_OK : 0);
    }

    /**
     * Checks what a client wants of the transport.
     *
     * @throws IommufdException {@link Errno#EOPNOTSUPP} for what there is not; {@link Errno#EINVAL} for rings in groups of their own without
     *         address spaces
     */
    static void checkBackendFeatures(VdpaFunction function, long wanted) {
        boolean ringsApart = (wanted & BackendFeature.DESC_ASID) != 0;
        boolean suspends = (wanted & (BackendFeature.SUSPEND | BackendFeature.RESUME)) != 0;
        if ((wanted & ~BackendFeature.KNOWN) != 0 || suspends && !function.suspends()) {
            throw new IommufdException(Errno.EOPNOTSUPP, "of backend features 0x%x there are 0x%x".formatted(wanted, backendFeatures(function)));
        }
        if (ringsApart && (wanted & BackendFeature.IOTLB_ASID) == 0) {
            throw new IommufdException(Errno.EINVAL, "rings in groups of their own need address spaces");
        }
        if (ringsApart && function.descriptorGroups().isEmpty()) {
            throw new IommufdException(Errno.EOPNOTSUPP, "rings are in the groups of their queues");
        }
    }

    private static void setFeatures(VhostCall call) {
        if ((call.session().status() & VirtioStatus.FEATURES_OK) != 0) {
            throw new IommufdException(Errno.EBUSY, "features were negotiated; reset the device to choose others");
        }
        long features = call.readLong();
        try {
            call.session().negotiate(features);
        } catch (IommufdException refused) {
            throw new IommufdException(Errno.EINVAL, "features 0x%x are refused".formatted(features), refused);
        }
    }

    /** @return the header, checked; every mistake is {@link Errno#EINVAL} in Linux */
    private static MemorySegment configHeader(VhostCall call) {
        MemorySegment header = call.read(CONFIG_HEADER_BYTES);
        long offset = offset(header);
        long length = length(header);
        int size = call.session().function().configBytes();
        if (length == 0 || offset > size || length > size - offset) {
            throw new IommufdException(Errno.EINVAL, "%d bytes at %d of a configuration space of %d".formatted(length, offset, size));
        }
        return header;
    }

    private static long offset(MemorySegment header) {
        return Integer.toUnsignedLong(header.get(ValueLayout.JAVA_INT_UNALIGNED, 0));
    }

    private static long length(MemorySegment header) {
        return Integer.toUnsignedLong(header.get(ValueLayout.JAVA_INT_UNALIGNED, Integer.BYTES));
    }

    private static void getConfig(VhostCall call) {
        MemorySegment header = configHeader(call);
        MemorySegment bytes = MemorySegment.ofArray(new byte[(int) length(header)]);
        call.session().running().readConfig((int) offset(header), bytes);
        call.caller().memory().write(call.address() + CONFIG_HEADER_BYTES, bytes);
    }

    private static void setConfig(VhostCall call) {
        MemorySegment header = configHeader(call);
        MemorySegment bytes = MemorySegment.ofArray(new byte[(int) length(header)]);
        call.caller().memory().read(call.address() + CONFIG_HEADER_BYTES, bytes);
        call.session().running().writeConfig((int) offset(header), bytes);
    }
}
