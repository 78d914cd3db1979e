package vmm.qtest.board;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** A conventional PCI function: configuration space, at most one memory BAR, one interrupt. Guarded by the board's lock. */
public abstract class PciFunction {
    /** What it is wired to once it sits in a slot. */
    interface Wiring {
        /** Where its DMA goes. */
        Upstream upstream();

        /** Memory without an IOMMU in between. */
        Upstream memory();

        /** Drives its interrupt pin. */
        void pin(boolean level);

        /** The board's time. */
        VirtualClock clock();
    }

    private static final ValueLayout.OfInt LE_INT = JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final long BAR_ADDRESS = 0xffff_fff0L;

    private final ConfigSpace config;
    private final int barBytes;
    private final MemorySegment message = Arena.ofAuto().allocate(LE_INT);
    private Wiring wiring;
    private boolean interruptPending;

    /** @param barBytes size of BAR 0, 32-bit memory, a power of two of at least 16; 0 for none */
    protected PciFunction(PciIds ids, int barBytes, boolean interrupt) {
        this.config = new ConfigSpace(ids, barBytes, interrupt ? 1 : 0, interrupt);
        this.barBytes = barBytes;
    }

    final void connect(Wiring newWiring) {
        wiring = newWiring;
    }

    final ConfigSpace config() {
        return config;
    }

    /** Writes configuration space, with what follows from it. */
    void writeConfig(int offset, int width, long value) {
        config.write(offset, width, value);
        updatePin();
    }

    /** Offset of a bus address in BAR 0, or a negative number if the function does not answer there. */
    final long barOffset(long address) {
        long start = config.read(ConfigSpace.BAR_0, Integer.BYTES) & BAR_ADDRESS;
        // Address 0 is what a BAR holds that nobody has set.
        boolean decodes = barBytes > 0 && start != 0 && config.has(ConfigSpace.COMMAND, ConfigSpace.COMMAND_MEMORY);
        long offset = address - start;
        return decodes && offset >= 0 && offset < barBytes ? offset : -1;
    }

    final int barBytes() {
        return barBytes;
    }

    /** BAR 0's registers. */
    protected abstract Mmio registers();

    /** What its owner does at reset; configuration space is reset already. */
    protected abstract void resetDevice();

    final void reset() {
        config.reset();
        interruptPending = false;
        resetDevice();
    }

    /** The board's time. */
    protected final VirtualClock clock() {
        return wiring.clock();
    }

    /** Reads memory. @return whether it could: the function must be bus master, and the IOMMU must let it */
    protected final boolean dmaRead(long address, MemorySegment target, long targetOffset, long lengthBytes) {
        return isBusMaster() && wiring.upstream().read(address, target, targetOffset, lengthBytes);
    }

    /** Writes memory; see {@link #dmaRead}. */
    protected final boolean dmaWrite(long address, MemorySegment source, long sourceOffset, long lengthBytes) {
        return isBusMaster() && wiring.upstream().write(address, source, sourceOffset, lengthBytes);
    }

    /** Reads memory as the board's processor sees it, past any IOMMU. @return whether all of it is RAM */
    protected final boolean readPastIommu(long address, MemorySegment target, long targetOffset, long lengthBytes) {
        return wiring.memory().read(address, target, targetOffset, lengthBytes);
    }

    /** There is a reason for an interrupt: a message if software enabled them, else its pin. */
    protected final void raiseInterrupt() {
        interruptPending = true;
        if (messagesEnabled()) {
            long address = config.read(ConfigSpace.MSI_ADDRESS, Long.BYTES);
            message.set(LE_INT, 0, (int) config.read(ConfigSpace.MSI_DATA, Short.BYTES));
            dmaWrite(address, message, 0, Integer.BYTES);
        }
        updatePin();
    }

    /** There is none any more. */
    protected final void clearInterrupt() {
        interruptPending = false;
        updatePin();
    }

    private void updatePin() {
        config.interruptPending(interruptPending);
        wiring.pin(interruptPending && !messagesEnabled() && !config.has(ConfigSpace.COMMAND, ConfigSpace.COMMAND_INTX_DISABLE));
    }

    private boolean messagesEnabled() {
        return config.has(ConfigSpace.MSI_CONTROL, ConfigSpace.MSI_ENABLE);
    }

    private boolean isBusMaster() {
        return config.has(ConfigSpace.COMMAND, ConfigSpace.COMMAND_BUS_MASTER);
    }
}
