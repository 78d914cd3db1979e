package iommu.vtd.unit;

import iommu.common.unit.RegisterFile;
import iommu.vtd.format.Registers;

/** The register-based invalidation interface (§6.5.1, §11.4.6): legacy mode only. Guarded by the unit's lock. */
final class RegisterInvalidation {
    /** The IOTLB register; the address register is before it. */
    static final int IOTLB = VtdFeatures.IOTLB_OFFSET + 8;

    /** Bits of the context command that software sets and that read back. */
    private static final long CONTEXT_KEPT = 3L << Registers.CONTEXT_REQUESTED_SHIFT | 0xFFFF;
    /** Bits of the IOTLB register that software sets and that read back. */
    private static final long IOTLB_KEPT = 3L << Registers.IOTLB_REQUESTED_SHIFT | 3L << 48
            | 0xFFFFL << Registers.IOTLB_DOMAIN_SHIFT;

    private final RegisterFile registers;
    private final VtdFeatures features;
    private final Invalidator invalidator;

    RegisterInvalidation(RegisterFile registers, VtdFeatures features, Invalidator invalidator) {
        this.registers = registers;
        this.features = features;
        this.invalidator = invalidator;
        registers.define64(Registers.CCMD, 0, -1L, 0);
        registers.define64(VtdFeatures.IOTLB_OFFSET, 0, -1L, 0);
        registers.define64(IOTLB, 0, -1L, 0);
    }

    /** The upper half of the context command was written. */
    void contextCommand(int tableMode) {
        long value = registers.get64(Registers.CCMD);
        if ((value & Registers.CONTEXT_INVALIDATE) == 0) {
            return;
        }
        int granularity = (int) (value >>> Registers.CONTEXT_REQUESTED_SHIFT) & 3;
        boolean done = tableMode == Registers.LEGACY_MODE && invalidator.contextCache(granularity,
                features.domain((int) value & 0xFFFF), (int) (value >>> Registers.CONTEXT_SOURCE_SHIFT) & 0xFFFF,
                (int) (value >>> Registers.CONTEXT_FUNCTION_MASK_SHIFT) & 3) && invalidator.drain();
        registers.put64(Registers.CCMD, value & CONTEXT_KEPT
                | (done ? (long) granularity << Registers.CONTEXT_ACTUAL_SHIFT : 0));
    }

    /** The upper half of the IOTLB register was written. */
    void iotlbCommand(int tableMode) {
        long value = registers.get64(IOTLB);
        if ((value & Registers.IOTLB_INVALIDATE) == 0) {
            return;
        }
        int granularity = (int) (value >>> Registers.IOTLB_REQUESTED_SHIFT) & 3;
        long address = registers.get64(VtdFeatures.IOTLB_OFFSET);
        boolean done = tableMode == Registers.LEGACY_MODE && invalidator.iotlb(granularity,
                features.domain((int) (value >>> Registers.IOTLB_DOMAIN_SHIFT) & 0xFFFF), address & -1L << 12, (int) address & 0x3F)
                && invalidator.drain();
        registers.put64(IOTLB, value & IOTLB_KEPT | (done ? (long) granularity << Registers.IOTLB_ACTUAL_SHIFT : 0));
    }
}
