package vmm.qtest.board;

import iommufd.api.IommufdException;
import iommufd.api.memory.PhysicalMemory;
import java.util.List;
import java.util.Optional;
import vmm.qtest.board.DirectUpstream.MessageWindow;
import vmm.qtest.board.Ram.Bank;

/**
 * QEMU's {@code q35}: a PC with Intel's Q35 chipset. RAM from 0, the rest of it from 4 GiB; VT-d at {@link #IOMMU}; PCI by ports 0xcf8
 * and 0xcfc, and by an enhanced window that PCIEXBAR of the host bridge opens; messages at {@link #MESSAGES}.
 */
public final class Q35 {
    /** What QEMU calls it. */
    public static final String NAME = "q35";
    /** What its interrupt controller is called. */
    public static final String INTERRUPT_CONTROLLER = "ioapic";
    /** Registers of VT-d. */
    public static final long IOMMU = 0xfed9_0000L;
    /** Local APICs: where messages go. */
    public static final long MESSAGES = 0xfee0_0000L;
    private static final long MESSAGE_BYTES = 1 << 20;
    private static final long FOUR_GIB = 1L << 32;
    /** From this size on only {@link #LOW_RAM} of RAM lies below 4 GiB. */
    private static final long LARGE_RAM = 0xb000_0000L;
    private static final long LOW_RAM = 0x8000_0000L;

    private static final int IOAPIC_INPUTS = 24;
    /** PIRQE# to PIRQH# (ICH9): slots take turns. */
    private static final int FIRST_PCI_INPUT = 20;
    private static final int PCI_INPUTS = 4;

    private static final int HOST_BRIDGE_SLOT = 0;
    private static final int LPC_BRIDGE_SLOT = 0x1f << 3;
    private static final PciIds LPC_BRIDGE = new PciIds(0x8086, 0x2918, 0x060100, 2);

    private Q35() {}

    /**
     * Such a board, after reset.
     *
     * @throws IommufdException for a RAM size that cannot be had, and what {@link iommufd.api.hardware.IommuModel#create} throws
     */
    public static Board build(PhysicalMemory memory, long ramBytes, Optional<IommuOrder> iommu) {
        List<Bank> banks = ramBytes < LARGE_RAM
                ? List.of(new Bank(0, ramBytes))
                : List.of(new Bank(0, LOW_RAM), new Bank(FOUR_GIB, ramBytes - LOW_RAM));
        Ram ram = new Ram(memory.allocateGuestRam(ramBytes, false), banks);
        InterruptLines lines = new InterruptLines(INTERRUPT_CONTROLLER, IOAPIC_INPUTS);
        Board board = new Board(NAME, ram, lines, slot -> FIRST_PCI_INPUT + slot % PCI_INPUTS, new MessageWindow(MESSAGES, MESSAGE_BYTES), true);
        try {
            board.plug(new Q35HostBridge(board), HOST_BRIDGE_SLOT);
            board.plug(new BridgeFunction(LPC_BRIDGE), LPC_BRIDGE_SLOT);
            iommu.ifPresent(order -> board.add(IOMMU, order.model().create(order.name(), order.properties(),
                    new UnitWires(ram.map(), board.messages(), lines, IOAPIC_INPUTS))));
        } catch (IommufdException refused) {
            board.close();
            throw refused;
        }
        return board;
    }
}
