package vfio.adapter.node;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.lang.foreign.MemorySegment;
import vfio.adapter.device.VfToken;
import vfio.adapter.interrupt.Eventfd;
import vfio.adapter.uapi.VfioDeviceFeature;
import vfio.adapter.uapi.VfioDeviceLowPowerEntryWithWakeup;

/** {@code VFIO_DEVICE_FEATURE}. */
final class FeatureRequests {
    static final int GET = VfioDeviceFeature.VFIO_DEVICE_FEATURE_GET;
    static final int SET = VfioDeviceFeature.VFIO_DEVICE_FEATURE_SET;
    private static final int PROBE = VfioDeviceFeature.VFIO_DEVICE_FEATURE_PROBE;
    private static final int TOKEN_BYTES = 16;

    private final DeviceCall call;
    private final int flags;
    private final long dataBytes;

    private FeatureRequests(DeviceCall call, int flags, long dataBytes) {
        this.call = call;
        this.flags = flags;
        this.dataBytes = dataBytes;
    }

    static void run(DeviceCall call) {
        MemorySegment header = call.read(VfioDeviceFeature.SIZE_BYTES, VfioDeviceFeature.MIN_BYTES);
        int flags = VfioDeviceFeature.flags(header);
        boolean both = (flags & (GET | SET)) == (GET | SET);
        if ((flags & ~(VfioDeviceFeature.VFIO_DEVICE_FEATURE_MASK | GET | SET | PROBE)) != 0 || both && (flags & PROBE) == 0) {
            throw new IommufdException(Errno.EINVAL, "flags 0x%x".formatted(flags));
        }
        new FeatureRequests(call, flags, DeviceCall.userBytes(header) - VfioDeviceFeature.MIN_BYTES).dispatch();
    }

    private void dispatch() {
        switch (flags & VfioDeviceFeature.VFIO_DEVICE_FEATURE_MASK) {
            case VfioDeviceFeature.VFIO_DEVICE_FEATURE_PCI_VF_TOKEN -> token();
            case VfioDeviceFeature.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY -> lowPower();
            case VfioDeviceFeature.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP -> lowPowerWithWakeup();
            case VfioDeviceFeature.VFIO_DEVICE_FEATURE_LOW_POWER_EXIT -> wake();
            default -> throw new IommufdException(Errno.ENOTTY, "feature %d is not supported".formatted(flags & VfioDeviceFeature.VFIO_DEVICE_FEATURE_MASK));
        }
    }

    /** The address of the feature's data. */
    private long data() {
        return call.address() + VfioDeviceFeature.SIZE_BYTES;
    }

    /**
     * The rules that every feature has.
     *
     * @param operations {@link #GET} and {@link #SET}, as far as the feature knows them
     * @param minBytes of its data
     * @return false if the client only asks whether it is there
     * @throws IommufdException {@link Errno#EINVAL}
     */
    private boolean wanted(int operations, int minBytes) {
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

    private void token() {
        VfToken token = call.session().device().token()
                .orElseThrow(() -> new IommufdException(Errno.ENOTTY, "the device has no virtual functions"));
        if (wanted(SET, TOKEN_BYTES)) {
            token.set(DeviceFile.readToken(call.caller(), data()));
        }
    }

    private void lowPower() {
        if (wanted(SET, 0)) {
            call.session().power().enter(Eventfd.NONE);
        }
    }

    private void lowPowerWithWakeup() {
        if (wanted(SET, VfioDeviceLowPowerEntryWithWakeup.SIZE_BYTES)) {
            MemorySegment entry = MemorySegment.ofArray(new byte[VfioDeviceLowPowerEntryWithWakeup.SIZE_BYTES]);
            call.memory().read(data(), entry);
            int descriptor = VfioDeviceLowPowerEntryWithWakeup.wakeupEventfd(entry);
            if (descriptor < 0) {
                throw new IommufdException(Errno.EINVAL, "no eventfd");
            }
            call.session().power().enter(Eventfd.take(call.caller(), descriptor));
        }
    }

    private void wake() {
        if (wanted(SET, 0)) {
            call.session().power().exit();
        }
    }
}
