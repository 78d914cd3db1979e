package vmm.qtest.board;

import iommufd.api.hardware.IommuUnit;

/** An IOMMU's registers; what sizes it takes is its own business. */
record UnitRegisters(IommuUnit unit) implements Mmio {
    @Override
    public long read(long offset, int bytes) {
        return unit.read(offset, bytes);
    }

    @Override
    public void write(long offset, int bytes, long value) {
        unit.write(offset, bytes, value);
    }
}
