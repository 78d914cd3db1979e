package vmm.devices.nvme;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.RequesterId;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Hashtable;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceRegistration;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ConfigurationPolicy;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.metatype.annotations.Designate;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import vfio.device.Bar;
import vfio.device.DeviceHost;
import vfio.device.MsixCapability;
import vfio.device.PciExpressCapability;
import vfio.device.PciFunction;
import vfio.device.PciIds;
import vfio.device.PowerManagementCapability;
import vfio.device.RunningDevice;
import vfio.device.SriovCapability;
import vfio.device.VfioDevice;

/**
 * An NVMe controller as a PCI function: one for each configuration of {@value #PID}. It may be a physical function with virtual ones
 * (SR-IOV): each is a controller of its own, with its own namespace, its own requester id and IOMMU group, and a service of its own.
 */
@Component(service = VfioDevice.class, immediate = true, configurationPid = NvmeDevice.PID, configurationPolicy = ConfigurationPolicy.REQUIRE)
@Designate(ocd = NvmeConfiguration.class, factory = true)
public final class NvmeDevice implements VfioDevice {
    /** Configuration Admin's name for these devices, a factory. */
    public static final String PID = "vmm.devices.nvme";
    /** Service property of virtual functions: the address of the function they belong to. */
    public static final String PHYSICAL_FUNCTION = "physical.function";
    static final int REGISTERS_BAR = 0;

    private static final Logger LOG = LoggerFactory.getLogger(NvmeDevice.class);
    private static final int BAR_BYTES = 0x4000;
    private static final int VECTORS_OFFSET = 0x2000;
    private static final int PENDING_OFFSET = 0x3000;
    /** No vendor has this number; emulators use it. */
    private static final int VENDOR = 0x1234;
    private static final int DEVICE = 0x4e56;
    /** Of virtual functions. */
    private static final int VIRTUAL_DEVICE = 0x4e57;
    private static final int CLASS_NVME = 0x010802;

    private final NvmeSubsystem subsystem;
    private final PciFunction function;
    private final BarAccess access;
    private final int vectors;
    private final List<NvmeDevice> virtualFunctions;
    private final List<ServiceRegistration<VfioDevice>> registrations = new ArrayList<>();
    private volatile Optional<RunningNvme> running = Optional.empty();

    /** @throws IommufdException if the configuration makes no sense, or a namespace cannot be opened */
    @Activate
    public NvmeDevice(NvmeConfiguration configuration, BundleContext bundle) {
        this(RequesterId.parse(configuration.address()), BarAccess.parse(configuration.doorbells()), new NvmeOptions(configuration.serial(),
                configuration.queue_pairs(), namespaces(configuration.namespaces())), namespaces(configuration.virtual_functions()));
        for (NvmeDevice virtual : virtualFunctions) {
            registrations.add(bundle.registerService(VfioDevice.class, virtual, new Hashtable<>(Map.of(PHYSICAL_FUNCTION, configuration.address()))));
        }
    }

    private static List<NamespaceOptions> namespaces(String[] texts) {
        return Arrays.stream(texts).map(NamespaceOptions::parse).toList();
    }

    /** A function without virtual ones. @throws IommufdException if a namespace cannot be opened */
    public NvmeDevice(RequesterId address, BarAccess access, NvmeOptions options) {
        this(address, access, options, List.of());
    }

    /**
     * A physical function.
     *
     * @param virtual the namespace of each virtual function; their addresses follow this one's, one after the other
     * @throws IommufdException if a namespace cannot be opened; then none is
     */
    public NvmeDevice(RequesterId address, BarAccess access, NvmeOptions options, List<NamespaceOptions> virtual) {
        this(address, access, options, DEVICE, virtual);
    }

    private NvmeDevice(RequesterId address, BarAccess access, NvmeOptions options, int deviceId, List<NamespaceOptions> virtual) {
        this.access = access;
        vectors = options.queuePairs() + 1;
        PciFunction.Builder builder = PciFunction.at(address, new PciIds(VENDOR, deviceId, VENDOR, deviceId, CLASS_NVME, 1))
                .bar(Bar.shared(REGISTERS_BAR, BAR_BYTES, access.mapped().toArray(Bar.Area[]::new)))
                .capability(new PciExpressCapability(false))
                .capability(new PowerManagementCapability())
                .capability(new MsixCapability(vectors, REGISTERS_BAR, VECTORS_OFFSET, REGISTERS_BAR, PENDING_OFFSET));
        if (!virtual.isEmpty()) {
            builder.capability(new SriovCapability(virtual.size(), 1, 1, VIRTUAL_DEVICE));
        }
        function = (deviceId == VIRTUAL_DEVICE ? builder : builder.interruptPin()).build();   // virtual functions have no INTx
        subsystem = new NvmeSubsystem(options);
        List<NvmeDevice> created = new ArrayList<>();
        try {
            for (int i = 0; i < virtual.size(); i++) {
                NvmeOptions own = new NvmeOptions("%s-VF%d".formatted(options.serial(), i), options.queuePairs(), List.of(virtual.get(i)));
                created.add(new NvmeDevice(virtualAddress(address, i), access, own, VIRTUAL_DEVICE, List.of()));
            }
        } catch (RuntimeException | Error failed) {
            created.forEach(NvmeDevice::stop);
            subsystem.close();
            throw failed;
        }
        virtualFunctions = List.copyOf(created);
    }

    private static RequesterId virtualAddress(RequesterId physical, int index) {
        int routingId = physical.sourceId() + 1 + index;
        if (routingId > 0xffff) {
            throw new IommufdException(Errno.EINVAL, "%s has no room for %d virtual functions behind it".formatted(physical, index + 1));
        }
        return new RequesterId(physical.value() & ~0xffff | routingId);
    }

    /** Its virtual functions. */
    public List<NvmeDevice> virtualFunctions() {
        return virtualFunctions;
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
        registrations.forEach(NvmeDevice::unregister);
        virtualFunctions.forEach(NvmeDevice::stop);
        running.ifPresent(RunningNvme::close);
        subsystem.close();
    }

    private static void unregister(ServiceRegistration<VfioDevice> registration) {
        try {
            registration.unregister();
        } catch (IllegalStateException stopped) {
            LOG.trace("the framework took the service of a virtual function back before", stopped);
        }
    }

    @Override
    public String toString() {
        return "%s: %s; %s".formatted(function.address(), subsystem, running.map(RunningNvme::toString).orElse("no client"));
    }
}
