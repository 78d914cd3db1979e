package vmm.qtest.board;

import iommufd.api.dma.RequesterId;
import java.util.Optional;

/** The board's only PCI bus, number 0. Guarded by the board's lock. */
final class PciBus {
    /** What a bus answers where nobody does. */
    private static final long ONES = -1L;
    private static final int SLOTS = 32;
    private static final int FUNCTIONS_PER_SLOT = 8;

    private final PciFunction[] functions = new PciFunction[SLOTS * FUNCTIONS_PER_SLOT];

    /** What a function in a slot is wired to. */
    interface Wires {
        PciFunction.Wiring of(RequesterId requester);
    }

    /**
     * Puts a function into the lowest slot that is free.
     *
     * @return where it is
     * @throws IllegalArgumentException if none is
     */
    int plug(PciFunction function, Wires wires) {
        for (int slot = 0; slot < SLOTS; slot++) {
            if (isFree(slot)) {
                return plug(function, slot * FUNCTIONS_PER_SLOT, wires);
            }
        }
        throw new IllegalArgumentException("PCI: no slot is free");
    }

    private boolean isFree(int slot) {
        for (int function = 0; function < FUNCTIONS_PER_SLOT; function++) {
            if (functions[slot * FUNCTIONS_PER_SLOT + function] != null) {
                return false;
            }
        }
        return true;
    }

    /**
     * Puts a function into a slot.
     *
     * @param deviceFunction device in bits 7:3, function in 2:0
     * @throws IllegalArgumentException if another one sits there
     */
    int plug(PciFunction function, int deviceFunction, Wires wires) {
        if (functions[deviceFunction] != null) {
            throw new IllegalArgumentException("PCI: slot %d function %d not available, in use by %s"
                    .formatted(deviceFunction >> 3, deviceFunction & 7, functions[deviceFunction].config()));
        }
        functions[deviceFunction] = function;
        function.connect(wires.of(RequesterId.of(0, 0, deviceFunction >> 3, deviceFunction & 7)));
        return deviceFunction;
    }

    /** Reads configuration space. */
    long readConfig(int bus, int deviceFunction, int offset, int width) {
        PciFunction function = bus == 0 ? functions[deviceFunction] : null;
        return function == null ? ONES : function.config().read(offset, width);
    }

    /** Writes configuration space. */
    void writeConfig(int bus, int deviceFunction, int offset, int width, long value) {
        PciFunction function = bus == 0 ? functions[deviceFunction] : null;
        if (function != null) {
            function.writeConfig(offset, width, value);
        }
    }

    /** The function that answers at a bus address. */
    Optional<PciFunction> at(long address) {
        for (PciFunction function : functions) {
            if (function != null && function.barOffset(address) >= 0) {
                return Optional.of(function);
            }
        }
        return Optional.empty();
    }

    void reset() {
        for (PciFunction function : functions) {
            if (function != null) {
                function.reset();
            }
        }
    }
}
