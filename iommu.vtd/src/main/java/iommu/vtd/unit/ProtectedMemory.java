package iommu.vtd.unit;

import iommu.common.unit.RegisterFile;
import iommu.vtd.format.HostAddress;
import iommu.vtd.format.Registers;

/**
 * Memory that no DMA reaches, translated or not (§11.4.8). Regions are whole multiples of 2 MiB, so that no large page lies across
 * a boundary. Changes are guarded by the unit's lock.
 */
final class ProtectedMemory {
    private static final long GRANULE = 1L << 21;

    /** What is in force. Bounds are inclusive; a region that ends before it starts is none. */
    private record Regions(long lowFirst, long lowLast, long highFirst, long highLast) {
        static final Regions NONE = new Regions(1, 0, 1, 0);

        boolean contain(long address) {
            return address >= lowFirst && address <= lowLast || address >= highFirst && address <= highLast;
        }
    }

    private final RegisterFile registers;
    private final boolean low;
    private final boolean high;
    private volatile Regions regions = Regions.NONE;

    ProtectedMemory(RegisterFile registers, VtdFeatures features) {
        this.registers = registers;
        low = features.has(VtdFeature.PROTECTED_LOW);
        high = features.has(VtdFeature.PROTECTED_HIGH);
        if (low || high) {
            registers.define32(Registers.PMEN, 0, Registers.PROTECTED_ENABLE, 0);
        }
        if (low) {
            registers.define32(Registers.PLMBASE, 0, (int) -GRANULE, 0);
            registers.define32(Registers.PLMLIMIT, 0, (int) -GRANULE, 0);
        }
        if (high) {
            long implemented = ~HostAddress.RESERVED & -GRANULE;
            registers.define64(Registers.PHMBASE, 0, implemented, 0);
            registers.define64(Registers.PHMLIMIT, 0, implemented, 0);
        }
    }

    /** Whether DMA must not reach the bus address. */
    boolean covers(long busAddress) {
        Regions current = regions;
        return current != Regions.NONE && current.contain(busAddress);
    }

    /** The register was written. @return whether the regions changed: what is cached may be forbidden now */
    boolean written() {
        int value = registers.get32(Registers.PMEN);
        boolean wanted = (value & Registers.PROTECTED_ENABLE) != 0;
        if (wanted == ((value & Registers.PROTECTED_STATUS) != 0)) {
            return false;
        }
        regions = wanted ? programmed() : Regions.NONE;
        return true;
    }

    /** Requests under way have ended. */
    void settled() {
        int value = registers.get32(Registers.PMEN);
        registers.put32(Registers.PMEN, value & ~Registers.PROTECTED_STATUS
                | ((value & Registers.PROTECTED_ENABLE) != 0 ? Registers.PROTECTED_STATUS : 0));
    }

    void reset() {
        regions = Regions.NONE;
    }

    private Regions programmed() {
        long inside = GRANULE - 1;
        return new Regions(low ? Integer.toUnsignedLong(registers.get32(Registers.PLMBASE)) : 1,
                low ? Integer.toUnsignedLong(registers.get32(Registers.PLMLIMIT)) | inside : 0,
                high ? registers.get64(Registers.PHMBASE) : 1, high ? registers.get64(Registers.PHMLIMIT) | inside : 0);
    }
}
