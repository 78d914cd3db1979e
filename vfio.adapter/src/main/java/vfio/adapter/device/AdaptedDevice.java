package vfio.adapter.device;

import iommufd.api.Errno;
import iommufd.api.IommufdContext;
import iommufd.api.IommufdException;
import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaFabric;
import java.util.Optional;
import java.util.UUID;
import vfio.adapter.config.BarAddresses;
import vfio.adapter.config.ConfigEffects;
import vfio.adapter.config.ConfigSpace;
import vfio.adapter.memory.BarMemory;
import vfio.device.DmaKind;
import vfio.device.MsixCapability;
import vfio.device.PciFunction;
import vfio.device.SriovCapability;
import vfio.device.VfioDevice;

/** A device that clients can have. What changes is guarded by its reset set's lock. */
public final class AdaptedDevice implements AutoCloseable {
    private final VfioDevice model;
    private final PciFunction function;
    private final int number;
    private final ResetSet resets;
    private final DeviceGroup group;
    private final BarMemory memory;
    private final Optional<DmaEndpoint> endpoint;
    private final Optional<MsixCapability> msix;
    private final Optional<VfToken> token;
    private volatile Optional<Binding> binding = Optional.empty();
    private volatile Optional<DeviceSession> session = Optional.empty();
    private int openFiles;
    private volatile boolean gone;

    /**
     * Plugs a device in.
     *
     * @param number of {@code vfioN}
     * @throws IommufdException {@link Errno#EBUSY} if its address is taken; {@link Errno#ENOMEM}
     */
    AdaptedDevice(VfioDevice model, PciFunction function, int number, ResetSet resets, DeviceGroup group, DmaFabric fabric) {
        this.model = model;
        this.function = function;
        this.number = number;
        this.resets = resets;
        this.group = group;
        msix = function.capability(MsixCapability.class);
        token = function.capability(SriovCapability.class).map(capability -> new VfToken());
        memory = new BarMemory("vfio" + number, function.bars());
        try {
            endpoint = function.dma() == DmaKind.ENDPOINT ? Optional.of(fabric.plug(function.endpoint())) : Optional.empty();
        } catch (RuntimeException refused) {
            memory.close();
            throw refused;
        }
    }

    /** Its PCI address as text, such as {@code 0000:00:0a.0}. */
    public String name() {
        return function.address().toString();
    }

    /** Number of its node. */
    public int number() {
        return number;
    }

    /** Where its node is. */
    public String nodePath() {
        return "/dev/vfio/devices/vfio" + number;
    }

    /** What it is. */
    public PciFunction function() {
        return function;
    }

    /** Its MSI-X capability. */
    public Optional<MsixCapability> msix() {
        return msix;
    }

    /** Its token, if it is a physical function with virtual ones. */
    public Optional<VfToken> token() {
        return token;
    }

    VfioDevice model() {
        return model;
    }

    /** What is reset with it. */
    public ResetSet resets() {
        return resets;
    }

    /** Its group. */
    public DeviceGroup group() {
        return group;
    }

    /** What clients map. */
    public BarMemory memory() {
        return memory;
    }

    /** Its endpoint, unless its DMA is by software. */
    public Optional<DmaEndpoint> endpoint() {
        return endpoint;
    }

    private void assertLocked() {
        assert resets.lock().isHeldByCurrentThread();
    }

    /** Whose it is, if anybody's. Stable while the lock is held. */
    public Optional<Binding> binding() {
        return binding;
    }

    /** What runs, if a client has it. */
    public Optional<DeviceSession> session() {
        assertLocked();
        return session;
    }

    /** Its configuration space as it is now: a client's, or as it is at the beginning. */
    public byte[] configuration() {
        return session.map(DeviceSession::config).orElseGet(() -> new ConfigSpace(function, new BarAddresses(number), ConfigEffects.NONE)).copy();
    }

    /** @throws IommufdException {@link Errno#ENODEV} once it is being withdrawn */
    public void requireThere() {
        if (gone) {
            throw new IommufdException(Errno.ENODEV, name() + " is gone");
        }
    }

    /** Checks a token. @throws IommufdException {@link Errno#EINVAL}, {@link Errno#EACCES} */
    public void checkToken(Optional<UUID> given) {
        VfToken.check(token, given);
    }

    /** Binds it for a group, which unbinds it. */
    void bind(IommufdContext context) {
        assertLocked();
        requireThere();
        binding = Optional.of(Binding.bind(this, context));
    }

    void unbind() {
        assertLocked();
        binding.ifPresent(Binding::unbind);
        binding = Optional.empty();
    }

    /**
     * A first client takes it through its own node: binds and starts it.
     *
     * @throws IommufdException {@link Errno#EINVAL} if somebody has it; else what binding or starting says, and nothing is done
     */
    public DeviceSession openBound(IommufdContext context) {
        assertLocked();
        if (openFiles != 0) {
            throw new IommufdException(Errno.EINVAL, name() + " is open already");
        }
        bind(context);
        try {
            return open();
        } catch (RuntimeException | Error failed) {
            unbind();
            throw failed;
        }
    }

    /** A client opens it through its group; the first one starts it. */
    DeviceSession open() {
        assertLocked();
        requireThere();
        if (openFiles == 0) {
            session = Optional.of(new DeviceSession(this, binding.orElseThrow()));
        }
        openFiles++;
        return session.orElseThrow();
    }

    /** Undoes {@link #openBound}. */
    public void closeBound() {
        close(true);
    }

    /** Undoes {@link #open}. @param unbind whether it was bound for this client alone */
    void close(boolean unbind) {
        assertLocked();
        if (--openFiles == 0) {
            session.ifPresent(DeviceSession::end);
            session = Optional.empty();
            if (unbind) {
                unbind();
            }
        }
    }

    /** Nobody gets it any more. */
    void withdraw() {
        gone = true;
    }

    /** Unplugs it. */
    @Override
    public void close() {
        endpoint.ifPresent(DmaEndpoint::close);
        memory.close();
    }
}
