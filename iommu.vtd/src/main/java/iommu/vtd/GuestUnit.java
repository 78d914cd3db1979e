package iommu.vtd;

import iommu.vtd.unit.VtdFeatures;
import iommu.vtd.unit.VtdUnit;
import iommufd.api.dma.RequesterId;
import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.hardware.IommuUnit;
import iommufd.api.hardware.UnitBoard;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.WeakHashMap;

/** A unit in front of a guest. Thread-safe. */
final class GuestUnit implements IommuUnit {
    private static final long CLOSE_NANOS = 5_000_000_000L;
    private static final int REGISTER_BYTES = 4096;

    private final VtdUnit unit;
    /** Guarded by itself. */
    private final Set<HardwarePort> ports = Collections.newSetFromMap(new WeakHashMap<>());

    GuestUnit(String name, VtdFeatures features, UnitBoard board) {
        unit = new VtdUnit(name, features, board.memory(), board::message);
    }

    @Override
    public long registerBytes() {
        return REGISTER_BYTES;
    }

    @Override
    public long read(long offset, int bytes) {
        return inside(offset) ? unit.read((int) offset, bytes) : 0;
    }

    @Override
    public void write(long offset, int bytes, long value) {
        if (inside(offset)) {
            unit.write((int) offset, bytes, value);
        }
    }

    private static boolean inside(long offset) {
        return offset >= 0 && offset < REGISTER_BYTES;
    }

    @Override
    public HardwarePort openPort(RequesterId requester, int pasid) {
        return opened(unit.openPort(requester, pasid));
    }

    @Override
    public AtsPort openAtsPort(RequesterId requester, int pasid, AtsPort.Device device) {
        return opened(unit.openAtsPort(requester, pasid, device));
    }

    private <P extends HardwarePort> P opened(P port) {
        synchronized (ports) {
            ports.add(port);
        }
        return port;
    }

    @Override
    public void reset() {
        unit.reset();
    }

    @Override
    public void close() {
        List<HardwarePort> open;
        synchronized (ports) {
            open = List.copyOf(ports);
            ports.clear();
        }
        open.forEach(port -> port.close(CLOSE_NANOS));
        unit.close();
    }
}
