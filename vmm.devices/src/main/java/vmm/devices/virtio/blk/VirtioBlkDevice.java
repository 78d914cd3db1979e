package vmm.devices.virtio.blk;

import iommufd.api.IommufdException;
import iommufd.api.dma.RequesterId;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ConfigurationPolicy;
import org.osgi.service.metatype.annotations.Designate;
import vdpa.device.RunningVdpa;
import vdpa.device.VdpaDevice;
import vdpa.device.VdpaFunction;
import vdpa.device.VdpaHost;
import vdpa.device.VirtioFeature;
import vmm.devices.nvme.NamespaceOptions;
import vmm.devices.virtio.Virtqueue;
import vmm.devices.virtio.RunningVirtio;

/** A virtio block device behind vhost-vdpa: one for each configuration of {@value #PID}. */
@Component(service = VdpaDevice.class, immediate = true, configurationPid = VirtioBlkDevice.PID, configurationPolicy = ConfigurationPolicy.REQUIRE)
@Designate(ocd = VirtioBlkConfiguration.class, factory = true)
public final class VirtioBlkDevice implements VdpaDevice {
    /** Configuration Admin's name for these devices, a factory. */
    public static final String PID = "vmm.devices.virtio.blk";

    private static final int DEVICE_ID = 2;
    private static final int VENDOR = 0x1234;

    private final VdpaFunction function;
    private final Disk disk;

    /** @throws IommufdException if the configuration makes no sense, or the file cannot be opened */
    @Activate
    public VirtioBlkDevice(VirtioBlkConfiguration configuration) {
        this(RequesterId.parse(configuration.address()), new BlkOptions(NamespaceOptions.parse(configuration.file()), configuration.serial(),
                configuration.queues(), configuration.queue_size()), configuration.notification_pages());
    }

    /** @throws IommufdException if the file cannot be opened */
    public VirtioBlkDevice(RequesterId address, BlkOptions options) {
        this(address, options, false);
    }

    /** The same, which its driver may kick by stores. @throws IommufdException if the file cannot be opened */
    public VirtioBlkDevice(RequesterId address, BlkOptions options, boolean notificationPages) {
        VdpaFunction.Builder builder = VdpaFunction.at(address, DEVICE_ID).vendor(VENDOR)
                .features(Virtqueue.FEATURES | VirtioFeature.IN_ORDER | VirtioFeature.ORDER_PLATFORM | options.features())
                .queues(options.queues(), options.queueSize())
                .config(BlkConfigSpace.BYTES)
                .suspends()
                .enablesLate();
        function = (notificationPages ? builder.notificationPages() : builder).build();
        disk = new Disk(options);
    }

    @Override
    public VdpaFunction function() {
        return function;
    }

    @Override
    public RunningVdpa start(VdpaHost host) {
        return new RunningVirtio(function, host, new BlkModel(disk), "virtio-blk-" + function.address());
    }

    @Override
    public String toString() {
        return "%s: virtio block device, %d queues, %s".formatted(function.address(), function.queues(), disk.options().file().file());
    }
}
