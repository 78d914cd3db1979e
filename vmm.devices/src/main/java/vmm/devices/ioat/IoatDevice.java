package vmm.devices.ioat;

import iommufd.api.IommufdException;
import iommufd.api.dma.RequesterId;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ConfigurationPolicy;
import org.osgi.service.metatype.annotations.Designate;
import vfio.device.Bar;
import vfio.device.DeviceHost;
import vfio.device.MsixCapability;
import vfio.device.PciExpressCapability;
import vfio.device.PciFunction;
import vfio.device.PciIds;
import vfio.device.RunningDevice;
import vfio.device.VfioDevice;

/**
 * Intel I/OAT of the Xeon Scalable family as a PCI function. Its registers are shared memory: the drivers map them. The interrupt
 * table has a BAR of its own, so that nothing of the registers has to be trapped.
 */
@Component(service = VfioDevice.class, configurationPid = IoatDevice.PID, configurationPolicy = ConfigurationPolicy.REQUIRE)
@Designate(ocd = IoatConfiguration.class, factory = true)
public final class IoatDevice implements VfioDevice {
    /** Its configuration; each one is a device. */
    public static final String PID = "vmm.devices.ioat";

    static final int REGISTER_BAR = 0;
    static final long REGISTER_BYTES = 16 * 1024;
    private static final int TABLE_BAR = 2;
    private static final int TABLE_BYTES = 8 * 1024;
    private static final PciIds IDS = new PciIds(0x8086, 0x2021, 0x8086, 0x0000, 0x08_80_00, 4);

    private final PciFunction function;

    /** @throws IommufdException if the configuration names no address a function can have */
    @Activate
    public IoatDevice(IoatConfiguration configuration) {
        RequesterId address = RequesterId.parse(configuration.address());
        function = PciFunction.at(address, IDS)
                .bar(Bar.shared(REGISTER_BAR, REGISTER_BYTES, new Bar.Area(0, REGISTER_BYTES)))
                .bar(Bar.trapped(TABLE_BAR, TABLE_BYTES))
                .capability(new PciExpressCapability(true))
                .capability(new MsixCapability(1, TABLE_BAR, 0, TABLE_BAR, TABLE_BYTES / 2))
                .build();
    }

    @Override
    public PciFunction function() {
        return function;
    }

    @Override
    public RunningDevice start(DeviceHost host) {
        return new RunningIoat(host, function.address().toString());
    }
}
