package iommu.smmuv3;

import iommu.smmuv3.unit.DirtyMarkSink;
import iommu.smmuv3.unit.SmmuFeatures;
import iommu.smmuv3.unit.SmmuInterrupts;
import iommu.smmuv3.unit.SmmuUnit;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.IommuUnit;
import iommufd.api.hardware.UnitBoard;

/**
 * A unit in front of a guest, which has the driver. A wired output pulses once for each interrupt; lines are numbered as
 * {@link SmmuInterrupts.Line}: 0 event queue, 1 page request queue, 2 CMD_SYNC, 3 global error, 4 a guest's queue. Thread-safe.
 */
final class GuestSmmu implements IommuUnit {
    /** Nobody tracks what a guest's hardware makes dirty in the guest's own tables. */
    private static final DirtyMarkSink UNTRACKED = entryAddress -> { };

    private final SmmuUnit unit;

    GuestSmmu(String name, SmmuFeatures features, UnitBoard board) {
        SmmuInterrupts wires = line -> {
            board.line(line.ordinal(), true);
            board.line(line.ordinal(), false);
        };
        unit = new SmmuUnit(name, features, board.memory(), wires, board::message, UNTRACKED);
    }

    @Override
    public long registerBytes() {
        return unit.registerBytes();
    }

    @Override
    public long read(long offset, int bytes) {
        return offset == (int) offset ? unit.read((int) offset, bytes) : 0;
    }

    @Override
    public void write(long offset, int bytes, long value) {
        if (offset == (int) offset) {
            unit.write((int) offset, bytes, value);
        }
    }

    @Override
    public HardwarePort openPort(RequesterId requester, int pasid) {
        return unit.openPort(requester, pasid);
    }

    @Override
    public AtsPort openAtsPort(RequesterId requester, int pasid, AtsPort.Device device) {
        return unit.openAtsPort(requester, pasid, device);
    }

    @Override
    public void reset() {
        unit.reset();
    }

    @Override
    public void close() {
        unit.close();
    }
}
