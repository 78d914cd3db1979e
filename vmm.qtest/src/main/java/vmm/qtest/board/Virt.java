package vmm.qtest.board;

import iommufd.api.IommufdException;
import iommufd.api.memory.PhysicalMemory;
import java.util.List;
import java.util.Optional;
import vmm.qtest.board.DirectUpstream.MessageWindow;
import vmm.qtest.board.Ram.Bank;

/**
 * QEMU's {@code virt} for AArch64: RAM from {@link #RAM}; SMMUv3 at {@link #MACHINE_IOMMU} or {@link #DEVICE_IOMMU}; PCI by the enhanced
 * window at {@link #CONFIG}; messages at the ITS's page.
 */
public final class Virt {
    /** What QEMU calls it. */
    public static final String NAME = "virt";
    /** What its interrupt controller is called; its inputs are shared peripheral interrupts. */
    public static final String INTERRUPT_CONTROLLER = "gic";
    /** First byte of RAM. */
    public static final long RAM = 0x4000_0000L;
    /** The SMMU that the machine option asks for. */
    public static final long MACHINE_IOMMU = 0x0905_0000L;
    /** The SMMU that is a device: the platform bus. */
    public static final long DEVICE_IOMMU = 0x0c00_0000L;
    /** The enhanced configuration window. */
    public static final long CONFIG = 0x40_1000_0000L;
    private static final long CONFIG_BYTES = 256 << 20;
    /** The page of GITS_TRANSLATER. */
    private static final MessageWindow ITS_TRANSLATION = new MessageWindow(0x0809_0000L, 0x1_0000);

    private static final int SHARED_INTERRUPTS = 224;
    private static final int FIRST_PCI_INPUT = 3;
    private static final int PCI_INPUTS = 4;
    private static final int MACHINE_IOMMU_INPUT = 74;
    private static final int DEVICE_IOMMU_INPUT = 112;

    private static final PciIds HOST_BRIDGE = new PciIds(0x1b36, 0x0008, 0x060000, 0);

    private Virt() {}

    /**
     * Such a board, after reset.
     *
     * @param iommuAddress {@link #MACHINE_IOMMU} or {@link #DEVICE_IOMMU}
     * @throws IommufdException for a RAM size that cannot be had, and what {@link iommufd.api.hardware.IommuModel#create} throws
     */
    public static Board build(PhysicalMemory memory, long ramBytes, Optional<IommuOrder> iommu, long iommuAddress) {
        Ram ram = new Ram(memory.allocateGuestRam(ramBytes, false), List.of(new Bank(RAM, ramBytes)));
        InterruptLines lines = new InterruptLines(INTERRUPT_CONTROLLER, SHARED_INTERRUPTS);
        Board board = new Board(NAME, ram, lines, slot -> FIRST_PCI_INPUT + slot % PCI_INPUTS, ITS_TRANSLATION, false);
        int firstInput = iommuAddress == DEVICE_IOMMU ? DEVICE_IOMMU_INPUT : MACHINE_IOMMU_INPUT;
        try {
            board.map(CONFIG, CONFIG_BYTES, new EnhancedConfig(board.pci()));
            board.plug(new BridgeFunction(HOST_BRIDGE), 0);
            iommu.ifPresent(order -> board.add(iommuAddress, order.model().create(order.name(), order.properties(),
                    new UnitWires(ram.map(), board.messages(), lines, firstInput))));
        } catch (IommufdException refused) {
            board.close();
            throw refused;
        }
        return board;
    }
}
