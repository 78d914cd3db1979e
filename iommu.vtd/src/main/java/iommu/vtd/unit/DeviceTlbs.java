package iommu.vtd.unit;

import iommufd.api.hardware.AtsPort;
import iommufd.api.hardware.PageResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The devices that translate by themselves, by source-id. Thread-safe; devices are called without locks. */
final class DeviceTlbs {
    private final Map<Integer, List<VtdAtsPort>> ports = new ConcurrentHashMap<>();

    void add(VtdAtsPort port) {
        ports.compute(port.sourceId(), (sourceId, former) -> {
            List<VtdAtsPort> open = new ArrayList<>(former == null ? List.of() : former);
            open.removeIf(VtdAtsPort::isClosed);
            open.add(port);
            return List.copyOf(open);
        });
    }

    /** @return whether a device is there, and every one answered in time */
    boolean invalidate(int sourceId, int pasid, long iova, long lengthBytes, boolean global) {
        List<AtsPort.Device> devices = devices(sourceId);
        boolean answered = !devices.isEmpty();
        for (AtsPort.Device device : devices) {
            answered &= device.invalidate(pasid, iova, lengthBytes, global);
        }
        return answered;
    }

    /** An answer to a device that is gone is lost. */
    void respond(int sourceId, PageResponse response) {
        devices(sourceId).forEach(device -> device.pageResponse(response));
    }

    private List<AtsPort.Device> devices(int sourceId) {
        List<AtsPort.Device> distinct = new ArrayList<>();
        for (VtdAtsPort port : ports.getOrDefault(sourceId, List.of())) {
            if (!port.isClosed() && distinct.stream().noneMatch(device -> device == port.device())) {
                distinct.add(port.device());
            }
        }
        return distinct;
    }
}
