package vfio.adapter.sysfs;

import iommufd.api.node.SysfsEntry;
import java.util.Map;
import java.util.Optional;
import vfio.adapter.config.BarAddresses;
import vfio.adapter.device.AdaptedDevice;
import vfio.device.Bar;
import vfio.device.PciIds;
import vfio.device.SriovCapability;

/** Files of one function in {@code /sys/bus/pci/devices} (Linux, {@code Documentation/ABI/testing/sysfs-bus-pci}). */
final class PciAttributes {
    /** BARs, expansion ROM and BARs of virtual functions. */
    private static final int RESOURCES = 13;
    /** Flags of a resource ({@code linux/ioport.h}). */
    private static final int PORTS = 0x100;
    private static final int MEMORY = 0x200;
    private static final int PREFETCHABLE = 0x2000;
    private static final int SIZE_ALIGNED = 0x40000;
    private static final int MEMORY_64 = 0x100000;

    private final AdaptedDevice device;

    PciAttributes(AdaptedDevice device) {
        this.device = device;
    }

    void addTo(Map<String, SysfsEntry> entries) {
        String prefix = device.name() + "/";
        String node = "vfio" + device.number();
        PciIds ids = device.function().ids();
        text(entries, "vendor", "0x%04x", ids.vendor());
        text(entries, "device", "0x%04x", ids.device());
        text(entries, "subsystem_vendor", "0x%04x", ids.subsystemVendor());
        text(entries, "subsystem_device", "0x%04x", ids.subsystem());
        text(entries, "class", "0x%06x", ids.classCode());
        text(entries, "revision", "0x%02x", ids.revision());
        text(entries, "modalias", "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02x", ids.vendor(), ids.device(), ids.subsystemVendor(), ids.subsystem(),
                ids.classCode() >>> 16, ids.classCode() >>> 8 & 0xff, ids.classCode() & 0xff);
        text(entries, "uevent", "DRIVER=vfio-pci\nPCI_CLASS=%X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\nPCI_SLOT_NAME=%s", ids.classCode(), ids.vendor(),
                ids.device(), ids.subsystemVendor(), ids.subsystem(), device.name());
        text(entries, "resource", "%s", resources());
        text(entries, "irq", "%d", 0);
        text(entries, "numa_node", "%d", -1);
        text(entries, "enable", "%d", 1);
        text(entries, "driver_override", "vfio-pci");
        text(entries, "power_state", "D0");
        text(entries, "reset_method", "flr");
        Optional<SriovCapability> sriov = device.function().capability(SriovCapability.class);
        if (sriov.isPresent()) {
            text(entries, "sriov_totalvfs", "%d", sriov.get().virtualFunctions());
            text(entries, "sriov_numvfs", "%d", 0);
        }
        entries.put(prefix + "config", SysfsEntry.bytes(this::config));
        entries.put(prefix + "iommu_group", new SysfsEntry.Link("../../../../kernel/iommu_groups/" + device.group().number()));
        entries.put(prefix + "driver", new SysfsEntry.Link("../../drivers/vfio-pci"));
        entries.put(prefix + "subsystem", new SysfsEntry.Link("../../../../bus/pci"));
        entries.put(prefix + "vfio-dev/" + node + "/dev", new SysfsEntry.DeviceNumber(device.nodePath()));
    }

    private void text(Map<String, SysfsEntry> entries, String name, String format, Object... arguments) {
        entries.put(device.name() + "/" + name, SysfsEntry.text(format.formatted(arguments)));
    }

    private byte[] config() {
        return device.configuration();
    }

    private String resources() {
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < RESOURCES; i++) {
            int index = i;
            String line = device.function().bars().stream().filter(bar -> bar.index() == index).findFirst().map(this::resource)
                    .orElse("0x%016x 0x%016x 0x%016x".formatted(0, 0, 0));
            lines.append(i == 0 ? "" : "\n").append(line);
        }
        return lines.toString();
    }

    private String resource(Bar bar) {
        long start = new BarAddresses(device.number()).of(bar);
        int flags = switch (bar.space()) {
            case PORTS -> SIZE_ALIGNED | PORTS | 1;
            case MEMORY_32 -> SIZE_ALIGNED | MEMORY;
            case MEMORY_64 -> SIZE_ALIGNED | MEMORY | MEMORY_64 | 4;
        };
        return "0x%016x 0x%016x 0x%016x".formatted(start, start + bar.sizeBytes() - 1, bar.prefetchable() ? flags | PREFETCHABLE | 8 : flags);
    }
}
