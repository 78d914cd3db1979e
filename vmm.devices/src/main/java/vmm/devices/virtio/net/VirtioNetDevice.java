package vmm.devices.virtio.net;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.dma.RequesterId;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.ConfigurationPolicy;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.metatype.annotations.Designate;
import vdpa.device.RunningVdpa;
import vdpa.device.VdpaDevice;
import vdpa.device.VdpaFunction;
import vdpa.device.VdpaHost;
import vdpa.device.VirtioFeature;
import vmm.devices.virtio.Virtqueue;
import vmm.devices.virtio.RunningVirtio;

/** A virtio network device behind vhost-vdpa: one for each configuration of {@value #PID}. */
@Component(service = VdpaDevice.class, immediate = true, configurationPid = VirtioNetDevice.PID, configurationPolicy = ConfigurationPolicy.REQUIRE)
@Designate(ocd = VirtioNetConfiguration.class, factory = true)
public final class VirtioNetDevice implements VdpaDevice {
    /** Configuration Admin's name for these devices, a factory. */
    public static final String PID = "vmm.devices.virtio.net";

    private static final int DEVICE_ID = 1;
    private static final int VENDOR = 0x1234;
    private static final int DATA_GROUP = 0;
    private static final int CONTROL_GROUP = 1;
    private static final int MIN_FRAME_BYTES = 60;
    private static final int MAX_FRAME_BYTES = 65535;

    private final VdpaFunction function;
    private final NetState state;
    private final Cable cable;

    /** @throws IommufdException if the configuration makes no sense, or the cable cannot be had */
    @Activate
    public VirtioNetDevice(VirtioNetConfiguration configuration) {
        this(RequesterId.parse(configuration.address()), new NetOptions(NetOptions.parseMac(configuration.mac()), configuration.queue_pairs(),
                configuration.queue_size(), configuration.mtu()), configuration.cable(), configuration.notification_pages());
    }

    /**
     * @param cable as {@link VirtioNetConfiguration#cable} says
     * @throws IommufdException if it cannot be had
     */
    public VirtioNetDevice(RequesterId address, NetOptions options, String cable) {
        this(address, options, cable, false);
    }

    /** The same, which its driver may kick by stores. */
    public VirtioNetDevice(RequesterId address, NetOptions options, String cable, boolean notificationPages) {
        int queues = 2 * options.pairs() + 1;
        List<Integer> groups = new ArrayList<>(Collections.nCopies(queues - 1, DATA_GROUP));
        groups.add(CONTROL_GROUP);   // so that a VMM can answer it in its own address space
        VdpaFunction.Builder builder = VdpaFunction.at(address, DEVICE_ID).vendor(VENDOR)
                .features(Virtqueue.FEATURES | VirtioFeature.IN_ORDER | VirtioFeature.ORDER_PLATFORM | options.features())
                .queues(queues, options.queueSize())
                .groups(groups)
                .addressSpaces(2)
                .config(NetModel.CONFIG_BYTES)
                .suspends()
                .enablesLate();
        function = (notificationPages ? builder.notificationPages() : builder).build();
        state = new NetState(options);
        this.cable = plug(cable.strip(), options.pairs());
    }

    private static Cable plug(String text, int pairs) {
        if (text.equals("null")) {
            return new NullCable(pairs, 0);
        }
        String generate = "null,generate=";
        if (text.startsWith(generate)) {
            return new NullCable(pairs, frameBytes(text.substring(generate.length())));
        }
        if (text.startsWith("loopback=")) {
            return Loopback.plug(text.substring("loopback=".length()), pairs);
        }
        if (text.startsWith("tap=")) {
            return new TapCable(text.substring("tap=".length()), pairs);
        }
        throw new IommufdException(Errno.EINVAL, "cable \"" + text + "\" is none of null, null,generate=BYTES, loopback=NAME, tap=NAME");
    }

    private static int frameBytes(String text) {
        try {
            int bytes = Integer.parseInt(text.strip());
            if (bytes >= MIN_FRAME_BYTES && bytes <= MAX_FRAME_BYTES) {
                return bytes;
            }
        } catch (NumberFormatException nonsense) {
            throw new IommufdException(Errno.EINVAL, "\"" + text + "\" is no length of a packet");
        }
        throw new IommufdException(Errno.EINVAL, "packets of %d to %d bytes can be generated, not of %s".formatted(MIN_FRAME_BYTES, MAX_FRAME_BYTES, text));
    }

    @Override
    public VdpaFunction function() {
        return function;
    }

    @Override
    public RunningVdpa start(VdpaHost host) {
        return new RunningVirtio(function, host, new NetModel(state, cable), "virtio-net-" + function.address());
    }

    /** The configuration or the bundle goes; the adapter has closed the running device. */
    @Deactivate
    public void stop() {
        cable.close();
    }

    @Override
    public String toString() {
        return "%s: virtio network device, %d queue pairs, %s; %d packets sent, %d received, %d dropped".formatted(function.address(),
                state.options().pairs(), cable, state.sent.sum(), state.received.sum(), state.dropped.sum());
    }
}
