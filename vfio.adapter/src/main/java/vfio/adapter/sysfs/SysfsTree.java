package vfio.adapter.sysfs;

import iommufd.api.node.SysfsEntry;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import vfio.adapter.device.AdaptedDevice;

/** The directories in which devices appear. Thread-safe. */
public final class SysfsTree {
    /** PCI functions. */
    public static final String DEVICES = "/sys/bus/pci/devices";
    /** The driver they are bound to. */
    public static final String DRIVER = "/sys/bus/pci/drivers/vfio-pci";
    /** IOMMU groups. */
    public static final String GROUPS = "/sys/kernel/iommu_groups";
    /** VFIO's devices. */
    public static final String CLASS = "/sys/class/vfio-dev";
    /** The kernel module, as it were: DPDK looks whether it is loaded. */
    public static final String MODULE = "/sys/module/vfio";
    /** The same of the PCI driver. */
    public static final String PCI_MODULE = "/sys/module/vfio_pci";

    /** Guarded by {@code this}. */
    private final List<AdaptedDevice> devices = new ArrayList<>();
    private volatile Map<String, Map<String, SysfsEntry>> directories = directories();

    /** Paths of all directories; they are there also while there is no device. */
    public static List<String> paths() {
        return List.of(DEVICES, DRIVER, GROUPS, CLASS, MODULE, PCI_MODULE);
    }

    /** What is in a directory. */
    public Map<String, SysfsEntry> entries(String path) {
        return directories.get(path);
    }

    /** A device comes. */
    public synchronized void add(AdaptedDevice device) {
        devices.add(device);
        directories = directories();
    }

    /** A device goes. */
    public synchronized void remove(AdaptedDevice device) {
        devices.remove(device);
        directories = directories();
    }

    private Map<String, Map<String, SysfsEntry>> directories() {
        Map<String, SysfsEntry> functions = new LinkedHashMap<>();
        Map<String, SysfsEntry> driver = new LinkedHashMap<>();
        Map<String, SysfsEntry> groups = new LinkedHashMap<>();
        Map<String, SysfsEntry> nodes = new LinkedHashMap<>();
        for (AdaptedDevice device : devices) {
            String name = device.name();
            String node = "vfio" + device.number();
            int group = device.group().number();
            new PciAttributes(device).addTo(functions);
            driver.put(name, new SysfsEntry.Link("../../../../bus/pci/devices/" + name));
            groups.put(group + "/devices/" + name, new SysfsEntry.Link("../../../../bus/pci/devices/" + name));
            groups.put(group + "/type", SysfsEntry.text("DMA-FQ"));
            nodes.put(node + "/dev", new SysfsEntry.DeviceNumber(device.nodePath()));
            nodes.put(node + "/device", new SysfsEntry.Link("../../../bus/pci/devices/" + name));
        }
        return Map.of(DEVICES, Map.copyOf(functions), DRIVER, Map.copyOf(driver), GROUPS, Map.copyOf(groups), CLASS, Map.copyOf(nodes),
                MODULE, Map.of("parameters/enable_unsafe_noiommu_mode", SysfsEntry.text("N")),
                PCI_MODULE, Map.of("parameters/disable_idle_d3", SysfsEntry.text("N")));
    }
}
