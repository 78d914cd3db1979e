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
    private static final int TOKEN_BYTES = 16;

    private FeatureRequests() {}

    static void run(DeviceCall call) {
        FeatureCall feature = FeatureCall.read(call);
        switch (feature.number()) {
            case VfioDeviceFeature.VFIO_DEVICE_FEATURE_PCI_VF_TOKEN -> token(feature);
            case VfioDeviceFeature.VFIO_DEVICE_FEATURE_MIGRATION -> MigrationRequests.supported(feature);
            case VfioDeviceFeature.VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE -> MigrationRequests.state(feature);
            case VfioDeviceFeature.VFIO_DEVICE_FEATURE_MIG_DATA_SIZE -> MigrationRequests.dataSize(feature);
            case VfioDeviceFeature.VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2 -> MigrationRequests.precopyInfo(feature);
            case VfioDeviceFeature.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY -> lowPower(feature);
            case VfioDeviceFeature.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP -> lowPowerWithWakeup(feature);
            case VfioDeviceFeature.VFIO_DEVICE_FEATURE_LOW_POWER_EXIT -> wake(feature);
            case VfioDeviceFeature.VFIO_DEVICE_FEATURE_DMA_LOGGING_START -> LoggingRequests.start(feature);
            case VfioDeviceFeature.VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP -> LoggingRequests.stop(feature);
            case VfioDeviceFeature.VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT -> LoggingRequests.report(feature);
            default -> throw new IommufdException(Errno.ENOTTY, "feature %d is not supported".formatted(feature.number()));
        }
    }

    private static void token(FeatureCall feature) {
        VfToken token = feature.session().device().token()
                .orElseThrow(() -> new IommufdException(Errno.ENOTTY, "the device has no virtual functions"));
        if (feature.wanted(FeatureCall.SET, TOKEN_BYTES)) {
            token.set(DeviceFile.readToken(feature.call().caller(), feature.data()));
        }
    }

    private static void lowPower(FeatureCall feature) {
        if (feature.wanted(FeatureCall.SET, 0)) {
            feature.session().power().enter(Eventfd.NONE);
        }
    }

    private static void lowPowerWithWakeup(FeatureCall feature) {
        if (feature.wanted(FeatureCall.SET, VfioDeviceLowPowerEntryWithWakeup.SIZE_BYTES)) {
            MemorySegment entry = feature.read(VfioDeviceLowPowerEntryWithWakeup.SIZE_BYTES);
            int descriptor = VfioDeviceLowPowerEntryWithWakeup.wakeupEventfd(entry);
            if (descriptor < 0) {
                throw new IommufdException(Errno.EINVAL, "no eventfd");
            }
            feature.session().power().enter(Eventfd.take(feature.call().caller(), descriptor));
        }
    }

    private static void wake(FeatureCall feature) {
        if (feature.wanted(FeatureCall.SET, 0)) {
            feature.session().power().exit();
        }
    }
}
