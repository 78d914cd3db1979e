package iommufd.core.object;

import iommufd.api.Attachable;
import iommufd.api.BoundDevice;
import iommufd.api.Errno;
import iommufd.api.HardwareInfo;
import iommufd.api.Hwpt;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.Pasid;
import iommufd.core.fabric.FabricEndpoint;
import java.util.Optional;

/** An endpoint in the hands of a context. */
final class DeviceObject extends ContextObject implements BoundDevice {
    private final FabricEndpoint endpoint;
    private final DeviceGroup group;
    private Optional<VdeviceObject> vdevice = Optional.empty();

    DeviceObject(Context context, FabricEndpoint endpoint, DeviceGroup group) {
        super(context);
        this.endpoint = endpoint;
        this.group = group;
    }

    FabricEndpoint fabricEndpoint() {
        return endpoint;
    }

    Optional<VdeviceObject> vdevice() {
        return vdevice;
    }

    void becomes(Optional<VdeviceObject> known) {
        vdevice = known;
    }

    @Override
    String kind() {
        return "device " + endpoint.description().requesterId() + " number";
    }

    @Override
    void release() {
        vdevice.ifPresent(VdeviceObject::endAsTombstone);
        group.detachFromAll(this);
        context().unbind(this);
    }

    @Override
    public DmaEndpoint endpoint() {
        return endpoint;
    }

    @Override
    public Hwpt attach(Attachable target) {
        return attach(Pasid.NONE, target);
    }

    @Override
    public Hwpt replace(Attachable target) {
        return replace(Pasid.NONE, target);
    }

    @Override
    public void detach() {
        detach(Pasid.NONE);
    }

    @Override
    public Hwpt attach(Pasid pasid, Attachable target) {
        return attach(checked(pasid), target);
    }

    @Override
    public Hwpt replace(Pasid pasid, Attachable target) {
        return replace(checked(pasid), target);
    }

    @Override
    public void detach(Pasid pasid) {
        detach(pasid.value());
    }

    private int checked(Pasid pasid) {
        if (pasid.value() >>> endpoint.description().pasidBits() != 0) {
            throw new IommufdException(Errno.EINVAL, "%s has PASIDs of %d bits, too few for %d"
                    .formatted(this, endpoint.description().pasidBits(), pasid.value()));
        }
        return pasid.value();
    }

    private Hwpt attach(int pasid, Attachable target) {
        return context().control(() -> {
            checkAlive();
            return group.attach(this, pasid, target).asHwpt();
        });
    }

    private Hwpt replace(int pasid, Attachable target) {
        return context().control(() -> {
            checkAlive();
            return group.replace(this, pasid, target).asHwpt();
        });
    }

    private void detach(int pasid) {
        context().run(() -> {
            checkAlive();
            group.detach(this, pasid);
        });
    }

    @Override
    public Optional<Hwpt> attached() {
        return attached(Pasid.NONE);
    }

    @Override
    public Optional<Hwpt> attached(Pasid pasid) {
        return attached(pasid.value());
    }

    private Optional<Hwpt> attached(int pasid) {
        return context().control(() -> {
            checkAlive();
            return group.attached(this, pasid).map(HwptObject::asHwpt);
        });
    }

    @Override
    public HardwareInfo hardwareInfo() {
        checkAlive();
        return endpoint.seat().info();
    }
}
