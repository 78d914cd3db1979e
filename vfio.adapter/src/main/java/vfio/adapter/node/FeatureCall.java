package vfio.adapter.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.MemorySegment;
import vfio.adapter.device.DeviceSession;
import vfio.adapter.uapi.VfioDeviceFeature;

/**
 * A {@code VFIO_DEVICE_FEATURE} under way.
 *
 * @param call the request
 * @param flags the feature's number, and what is to be done with it
 * @param dataBytes how much data the client has
 */
record FeatureCall(DeviceCall call, int flags, long dataBytes) {
    static final int GET = VfioDeviceFeature.VFIO_DEVICE_FEATURE_GET;
    static final int SET = VfioDeviceFeature.VFIO_DEVICE_FEATURE_SET;
    private static final int PROBE = VfioDeviceFeature.VFIO_DEVICE_FEATURE_PROBE;

    static FeatureCall read(DeviceCall call) {
        MemorySegment header = call.read(VfioDeviceFeature.SIZE_BYTES, VfioDeviceFeature.MIN_BYTES);
        int flags = VfioDeviceFeature.flags(header);
        boolean both = (flags & (GET | SET)) == (GET | SET);
        if ((flags & ~(VfioDeviceFeature.VFIO_DEVICE_FEATURE_MASK | GET | SET | PROBE)) != 0 || both && (flags & PROBE) == 0) {
            throw new IommufdException(Errno.EINVAL, "flags 0x%x".formatted(flags));
        }
        return new FeatureCall(call, flags, DeviceCall.userBytes(header) - VfioDeviceFeature.MIN_BYTES);
    }

    /** Which feature. */
    int number() {
        return flags & VfioDeviceFeature.VFIO_DEVICE_FEATURE_MASK;
    }

    DeviceSession session() {
        return call.session();
    }

    /** Whether it is to be got rather than set. */
    boolean gets() {
        return (flags & GET) != 0;
    }

    /** The address of the feature's data. */
    long data() {
        return call.address() + VfioDeviceFeature.SIZE_BYTES;
    }

    /** The feature's data. @throws IommufdException {@link Errno#EFAULT} */
    MemorySegment read(int lengthBytes) {
        MemorySegment bytes = MemorySegment.ofArray(new long[(lengthBytes + Long.BYTES - 1) / Long.BYTES]).asSlice(0, lengthBytes);
        call.memory().read(data(), bytes);
        return bytes;
    }

    /** Answers with data. */
    void respond(MemorySegment bytes) {
        call.memory().write(data(), bytes);
    }

    /**
     * The rules that every feature has.
     *
     * @param operations {@link #GET} and {@link #SET}, as far as the feature knows them
     * @param minBytes of its data
     * @return false if the client only asks whether it is there
     * @throws IommufdException {@link Errno#EINVAL}
     */
    boolean wanted(int operations, int minBytes) {
        if ((flags & (GET | SET) & ~operations) != 0) {
            throw new IommufdException(Errno.EINVAL, "the feature cannot be got, or not be set");
        }
        if ((flags & PROBE) != 0) {
            return false;
        }
        if ((flags & (GET | SET)) == 0 || dataBytes < minBytes) {
            throw new IommufdException(Errno.EINVAL, "neither get nor set, or less than %d bytes of data".formatted(minBytes));
        }
        return true;
    }
}
