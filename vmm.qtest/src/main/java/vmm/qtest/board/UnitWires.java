package vmm.qtest.board;

import iommufd.api.hardware.UnitBoard;
import iommufd.api.memory.MemoryMap;

/** What an IOMMU of a board is wired to: RAM, the message log, and inputs of the interrupt controller from {@code firstLine} on. */
record UnitWires(MemoryMap memory, MessageLog messages, InterruptLines lines, int firstLine) implements UnitBoard {
    @Override
    public void message(long address, int data) {
        messages.add(address, data);
    }

    @Override
    public void line(int line, boolean level) {
        lines.set(firstLine + line, level);
    }
}
