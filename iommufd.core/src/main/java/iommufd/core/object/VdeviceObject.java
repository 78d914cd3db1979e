package iommufd.core.object;

import iommufd.api.BoundDevice;
import iommufd.api.Vdevice;
import java.util.Optional;

/** A device's number in a guest. It dies with the device's binding, and its own number then stays taken. */
final class VdeviceObject extends ContextObject implements Vdevice {
    private final ViommuObject viommu;
    private final DeviceObject device;
    private final long virtualId;

    VdeviceObject(ViommuObject viommu, DeviceObject device, long virtualId) {
        super(viommu.context());
        this.viommu = viommu;
        this.device = device;
        this.virtualId = virtualId;
        viommu.add(this);
        device.becomes(Optional.of(this));
    }

    @Override
    String kind() {
        return "vdevice";
    }

    @Override
    void release() {
        device.becomes(Optional.empty());
        viommu.remove(this);
    }

    @Override
    public BoundDevice device() {
        return device;
    }

    @Override
    public long virtualId() {
        return virtualId;
    }
}
