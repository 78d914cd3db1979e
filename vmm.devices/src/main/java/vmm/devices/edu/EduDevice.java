package vmm.devices.edu;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.RequesterId;
import java.util.List;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ConfigurationPolicy;
import org.osgi.service.metatype.annotations.Designate;
import vfio.device.Bar;
import vfio.device.DeviceHost;
import vfio.device.MsiCapability;
import vfio.device.PciFunction;
import vfio.device.PciIds;
import vfio.device.RunningDevice;
import vfio.device.VfioDevice;

/** QEMU's edu device as a PCI function: one for each configuration of {@value #PID}. */
@Component(service = VfioDevice.class, immediate = true, configurationPid = EduDevice.PID, configurationPolicy = ConfigurationPolicy.REQUIRE)
@Designate(ocd = EduConfiguration.class, factory = true)
public final class EduDevice implements VfioDevice {
    /** Configuration Admin's name for these devices, a factory. */
    public static final String PID = "vmm.devices.edu";
    private static final PciIds IDS = new PciIds(0x1234, 0x11e8, 0x1af4, 0x1100, 0x00ff00, 0x10);

    private final PciFunction function;
    private final long addressMask;

    /** @throws IommufdException if the configuration makes no sense */
    @Activate
    public EduDevice(EduConfiguration configuration) {
        this(RequesterId.parse(configuration.address()), configuration.dma_address_bits());
    }

    /** @param dmaAddressBits width of the addresses its DMA engine can send, 12 to 64 */
    public EduDevice(RequesterId address, int dmaAddressBits) {
        if (dmaAddressBits < 12 || dmaAddressBits > Long.SIZE) {
            throw new IommufdException(Errno.EINVAL, "DMA addresses have 12 to 64 bits, not " + dmaAddressBits);
        }
        addressMask = -1L >>> Long.SIZE - dmaAddressBits;
        function = PciFunction.at(address, IDS)
                .bar(new Bar(0, Bar.Space.MEMORY_32, EduRegister.BAR_BYTES, false, List.of()))
                .capability(new MsiCapability(1, false))
                .interruptPin()
                .build();
    }

    @Override
    public PciFunction function() {
        return function;
    }

    @Override
    public RunningDevice start(DeviceHost host) {
        return new RunningEdu(host, addressMask);
    }

    @Override
    public String toString() {
        return "%s: edu device, DMA addresses below 0x%x".formatted(function.address(), addressMask);
    }
}
