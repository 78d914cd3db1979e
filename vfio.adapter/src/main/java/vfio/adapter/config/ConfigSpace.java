package vfio.adapter.config;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.OptionalInt;
import vfio.device.Bar;
import vfio.device.MsiCapability;
import vfio.device.MsixCapability;
import vfio.device.PciExpressCapability;
import vfio.device.PciFunction;
import vfio.device.PciIds;
import vfio.device.PowerManagementCapability;

/**
 * The configuration space of one running function. What software may change follows Linux 7.3's vfio-pci: BARs can be sized and
 * moved without any effect, MSI and MSI-X are enabled by the host only, a reset leaves it all as it is. Thread-safe.
 */
public final class ConfigSpace {
    /** Size of a function without PCI Express. */
    public static final int CONVENTIONAL_BYTES = 256;
    /** Size of a function with PCI Express. */
    public static final int EXPRESS_BYTES = 4096;
    private static final int POWER_STATE = 3;
    private static final int MSI_ENABLED_SHIFT = 4;
    private static final int MSI_ENABLED_MASK = 7 << MSI_ENABLED_SHIFT;

    private final ConfigBytes bytes;
    private final ConfigEffects effects;
    private final OptionalInt expressOffset;
    private final OptionalInt powerOffset;
    private final OptionalInt msiOffset;
    private final OptionalInt msixOffset;
    /** Largest number of MSI messages the host gave, as a power of two. */
    private int msiVectorsLg2;
    private boolean msiActive;
    private boolean lineAsserted;

    /** @param addresses where the host has put the BARs */
    public ConfigSpace(PciFunction function, BarAddresses addresses, ConfigEffects effects) {
        this.effects = effects;
        bytes = new ConfigBytes(function.capability(PciExpressCapability.class).isPresent() ? EXPRESS_BYTES : CONVENTIONAL_BYTES);
        header(function);
        for (Bar bar : function.bars()) {
            bar(bar, addresses.of(bar));
        }
        CapabilityChain chain = new CapabilityChain(bytes);
        chain.add(function);
        expressOffset = chain.offset(PciExpressCapability.class);
        powerOffset = chain.offset(PowerManagementCapability.class);
        msiOffset = chain.offset(MsiCapability.class);
        msixOffset = chain.offset(MsixCapability.class);
        // Nobody's hardware sees what software writes there, so Linux lets it write whole bytes.
        msiOffset.ifPresent(offset -> {
            bytes.writable(offset + MsiCapability.CONTROL_OFFSET, 1, 0xFF);
            bytes.writable(offset + MsiCapability.ADDRESS_OFFSET, Integer.BYTES, 0xFFFF_FFFFL);
        });
    }

    private void header(PciFunction function) {
        PciIds ids = function.ids();
        bytes.set(ConfigHeader.VENDOR_OFFSET, 2, ids.vendor());
        bytes.set(ConfigHeader.DEVICE_OFFSET, 2, ids.device());
        bytes.set(ConfigHeader.REVISION_OFFSET, 1, ids.revision());
        bytes.set(ConfigHeader.CLASS_OFFSET, 3, ids.classCode());
        bytes.set(ConfigHeader.SUBSYSTEM_VENDOR_OFFSET, 2, ids.subsystemVendor());
        bytes.set(ConfigHeader.SUBSYSTEM_OFFSET, 2, ids.subsystem());
        bytes.writable(ConfigHeader.CACHE_LINE_OFFSET, 1, 0xFF);
        bytes.writable(ConfigHeader.INTERRUPT_LINE_OFFSET, 1, 0xFF);
        bytes.set(ConfigHeader.INTERRUPT_PIN_OFFSET, 1, function.interruptPin() ? ConfigHeader.PIN_A : 0);
        boolean ports = function.bars().stream().anyMatch(bar -> bar.space() == Bar.Space.PORTS);
        boolean memory = function.bars().stream().anyMatch(bar -> bar.space() != Bar.Space.PORTS);
        int decoding = (ports ? ConfigHeader.COMMAND_IO : 0) | (memory ? ConfigHeader.COMMAND_MEMORY : 0);
        bytes.set(ConfigHeader.COMMAND_OFFSET, 2, decoding);
        bytes.writable(ConfigHeader.COMMAND_OFFSET, 2,
                decoding | ConfigHeader.COMMAND_MASTER | ConfigHeader.COMMAND_ERRORS | ConfigHeader.COMMAND_INTX_DISABLE);
    }

    private void bar(Bar bar, long address) {
        int offset = ConfigHeader.BAR_OFFSET + bar.index() * Integer.BYTES;
        int flags = switch (bar.space()) {
            case PORTS -> ConfigHeader.BAR_PORTS;
            case MEMORY_32 -> bar.prefetchable() ? ConfigHeader.BAR_PREFETCHABLE : 0;
            case MEMORY_64 -> ConfigHeader.BAR_MEMORY_64 | (bar.prefetchable() ? ConfigHeader.BAR_PREFETCHABLE : 0);
        };
        int width = bar.space() == Bar.Space.MEMORY_64 ? Long.BYTES : Integer.BYTES;
        bytes.set(offset, width, address | flags);
        bytes.writable(offset, width, -bar.sizeBytes());
    }

    /** Size. */
    public int lengthBytes() {
        return bytes.lengthBytes();
    }

    /**
     * Reads.
     *
     * @param widthBytes 1, 2 or 4, naturally aligned
     * @throws IommufdException {@link Errno#EFAULT} outside
     */
    public synchronized int read(long offset, int widthBytes) {
        check(offset, widthBytes);
        int content = bytes.get((int) offset, widthBytes);
        boolean status = offset <= ConfigHeader.STATUS_OFFSET && offset + widthBytes > ConfigHeader.STATUS_OFFSET;
        if (status && lineAsserted) {
            content |= ConfigHeader.STATUS_INTERRUPT << (ConfigHeader.STATUS_OFFSET - offset) * Byte.SIZE;
        }
        return content;
    }

    /** Writes what may be written. Arguments as of {@link #read}. */
    public void write(long offset, int widthBytes, int content) {
        check(offset, widthBytes);
        boolean resets = false;
        boolean lineBefore;
        boolean lineAfter;
        boolean masterChanged;
        synchronized (this) {
            lineBefore = command(ConfigHeader.COMMAND_INTX_DISABLE);
            boolean masterBefore = mayMaster();
            bytes.write((int) offset, widthBytes, content);
            constrainMsi();
            resets = takeReset();
            lineAfter = command(ConfigHeader.COMMAND_INTX_DISABLE);
            masterChanged = masterBefore != mayMaster();
        }
        if (lineBefore != lineAfter) {
            effects.lineDisabled(lineAfter);
        }
        if (masterChanged) {
            effects.mastershipChanged();
        }
        if (resets) {
            effects.functionLevelReset();
        }
    }

    private void check(long offset, int widthBytes) {
        if (offset < 0 || offset + widthBytes > bytes.lengthBytes()) {
            throw new IommufdException(Errno.EFAULT, "0x%x + %d is outside the configuration space of %d bytes".formatted(offset, widthBytes, bytes.lengthBytes()));
        }
    }

    /** MSI is enabled by the host; software can only ask for fewer messages than it got. */
    private void constrainMsi() {
        if (msiOffset.isPresent()) {
            int offset = msiOffset.getAsInt() + MsiCapability.CONTROL_OFFSET;
            int control = bytes.get(offset, 2);
            int wanted = (control & MSI_ENABLED_MASK) >> MSI_ENABLED_SHIFT;
            control = control & ~MSI_ENABLED_MASK | Math.min(wanted, msiVectorsLg2) << MSI_ENABLED_SHIFT;
            bytes.set(offset, 2, msiActive ? control : control & ~MsiCapability.ENABLE);
        }
    }

    private boolean takeReset() {
        if (expressOffset.isEmpty()) {
            return false;
        }
        int offset = expressOffset.getAsInt() + PciExpressCapability.DEVICE_CONTROL_OFFSET;
        int control = bytes.get(offset, 2);
        bytes.set(offset, 2, control & ~PciExpressCapability.INITIATE_RESET);
        return (control & PciExpressCapability.INITIATE_RESET) != 0;
    }

    private boolean command(int bits) {
        return (bytes.get(ConfigHeader.COMMAND_OFFSET, 2) & bits) != 0;
    }

    private boolean awake() {
        return powerOffset.isEmpty() || (bytes.get(powerOffset.getAsInt() + PowerManagementCapability.CONTROL_OFFSET, 2) & POWER_STATE) != POWER_STATE;
    }

    /** Whether the function may send requests. */
    public synchronized boolean mayMaster() {
        return command(ConfigHeader.COMMAND_MASTER) && awake();
    }

    /** Whether the function answers requests to its memory. */
    public synchronized boolean memoryEnabled() {
        return command(ConfigHeader.COMMAND_MEMORY) && awake();
    }

    /** Back to D0, as a reset does. */
    public synchronized void wake() {
        powerOffset.ifPresent(offset -> {
            int control = bytes.get(offset + PowerManagementCapability.CONTROL_OFFSET, 2);
            bytes.set(offset + PowerManagementCapability.CONTROL_OFFSET, 2, control & ~POWER_STATE);
        });
    }

    /** The host has enabled or disabled MSI. @param vectors how many messages */
    public synchronized void msiEnabled(boolean enabled, int vectors) {
        msiActive = enabled;
        if (enabled) {
            msiVectorsLg2 = Integer.SIZE - Integer.numberOfLeadingZeros(2 * vectors - 1) - 1;
        } else {
            constrainMsi();
        }
    }

    /** The host has enabled or disabled MSI-X. */
    public synchronized void msixEnabled(boolean enabled) {
        msixOffset.ifPresent(offset -> {
            int control = bytes.get(offset + MsixCapability.CONTROL_OFFSET, 2);
            bytes.set(offset + MsixCapability.CONTROL_OFFSET, 2, enabled ? control | MsixCapability.ENABLE : control & ~MsixCapability.ENABLE);
        });
    }

    /** What the INTx line is, for the status register. */
    public synchronized void lineAsserted(boolean asserted) {
        lineAsserted = asserted;
    }

    /** All of it as it is now. */
    public synchronized byte[] copy() {
        return bytes.copy();
    }
}
