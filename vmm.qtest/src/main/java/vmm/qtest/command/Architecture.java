package vmm.qtest.command;

import java.util.List;
import vmm.qtest.board.Q35;
import vmm.qtest.board.Virt;
import vmm.qtest.device.EduDevice;
import vmm.qtest.device.IommuTestDevice;

/** A processor that boards are made for, though they have none. */
public enum Architecture {
    /** PCs. */
    X86_64("x86_64", Q35.NAME, "intel-iommu", "vtd"),
    /** Arm's 64-bit machines. */
    AARCH64("aarch64", Virt.NAME, "arm-smmuv3", "smmuv3");

    private final String qemuName;
    private final String machine;
    private final String iommuDriver;
    private final String iommuVendor;

    Architecture(String qemuName, String machine, String iommuDriver, String iommuVendor) {
        this.qemuName = qemuName;
        this.machine = machine;
        this.iommuDriver = iommuDriver;
        this.iommuVendor = iommuVendor;
    }

    /** As in {@code qemu-system-x86_64}. */
    public String qemuName() {
        return qemuName;
    }

    /** The board that is made for it. */
    public String machine() {
        return machine;
    }

    /** QEMU's name of the IOMMU that boards may have. */
    public String iommuDriver() {
        return iommuDriver;
    }

    /** The vendor of {@link iommufd.api.hardware.IommuModel}. */
    public String iommuVendor() {
        return iommuVendor;
    }

    /** Names of all devices that boards may have. */
    public List<String> devices() {
        return List.of(EduDevice.NAME, IommuTestDevice.NAME, iommuDriver);
    }
}
