package vmm.devices.nvme;

import iommufd.api.IommufdException;
import iommufd.api.dma.RequesterId;
import java.util.Arrays;
import java.util.Optional;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ConfigurationPolicy;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.metatype.annotations.Designate;
import vfio.device.Bar;
import vfio.device.DeviceHost;
import vfio.device.MsixCapability;
import vfio.device.PciExpressCapability;
import vfio.device.PciFunction;
import vfio.device.PciIds;
import vfio.device.PowerManagementCapability;
import vfio.device.RunningDevice;
import vfio.device.VfioDevice;

/** An NVMe controller as a PCI function: one for each configuration of {@value #PID}. */
@Component(service = VfioDevice.class, immediate = true, configurationPid = NvmeDevice.PID, configurationPolicy = ConfigurationPolicy.REQUIRE)
@Designate(ocd = NvmeConfiguration.class, factory = true)
public final class NvmeDevice implements VfioDevice {
    /** Configuration Admin's name for these devices, a factory. */
    public static final String PID = "vmm.devices.nvme";
    static final int REGISTERS_BAR = 0;

    private static final int BAR_BYTES = 0x4000;
    private static final int VECTORS_OFFSET = 0x2000;
    private static final int PENDING_OFFSET = 0x3000;
    /** No vendor has this number; emulators use it. */
    private static final int VENDOR = 0x1234;
    private static final int DEVICE = 0x4e56;
    private static final int CLASS_NVME = 0x010802;

    private final NvmeSubsystem subsystem;
    private final PciFunction function;
    private final BarAccess access;
    private final int vectors;
    private volatile Optional<RunningNvme> running = Optional.empty();

    /** @throws IommufdException if the configuration makes no sense, or a namespace cannot be opened */
    @Activate
    public NvmeDevice(NvmeConfiguration configuration) {
        this(RequesterId.parse(configuration.address()), BarAccess.parse(configuration.doorbells()), new NvmeOptions(configuration.serial(),
                configuration.queue_pairs(), Arrays.stream(configuration.namespaces()).map(NamespaceOptions::parse).toList()));
    }

    /** @throws IommufdException if a namespace cannot be opened */
    public NvmeDevice(RequesterId address, BarAccess access, NvmeOptions options) {
        this.access = access;
        vectors = options.queuePairs() + 1;
        function = PciFunction.at(address, new PciIds(VENDOR, DEVICE, VENDOR, DEVICE, CLASS_NVME, 1))
                .bar(Bar.shared(REGISTERS_BAR, BAR_BYTES, access.mapped().toArray(Bar.Area[]::new)))
                .capability(new PciExpressCapability(false))
                .capability(new PowerManagementCapability())
                .capability(new MsixCapability(vectors, REGISTERS_BAR, VECTORS_OFFSET, REGISTERS_BAR, PENDING_OFFSET))
                .interruptPin()
                .build();
        subsystem = new NvmeSubsystem(options);
    }

    @Override
    public PciFunction function() {
        return function;
    }

    @Override
    public RunningDevice start(DeviceHost host) {
        RunningNvme started = new RunningNvme(subsystem, host, vectors, access, () -> running = Optional.empty());
        running = Optional.of(started);
        return started;
    }

    /** The configuration or the bundle goes; the adapter has closed the running device. */
    @Deactivate
    public void stop() {
        running.ifPresent(RunningNvme::close);
        subsystem.close();
    }

    @Override
    public String toString() {
        return "%s: %s; %s".formatted(function.address(), subsystem, running.map(RunningNvme::toString).orElse("no client"));
    }
}
