package iommu.smmuv3.unit;

import iommufd.api.hardware.AtsPort;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.Collections;

/** The devices behind a unit that translate by themselves, by StreamID. Thread-safe; calls devices without its lock. */
final class AtsDevices {
    private final Map<Integer, List<AtsPort.Device>> devices = new HashMap<>();

    synchronized void add(int streamId, AtsPort.Device device) {
        devices.computeIfAbsent(streamId, stream -> new ArrayList<>()).add(device);
    }

    synchronized void remove(int streamId, AtsPort.Device device) {
        List<AtsPort.Device> same = devices.getOrDefault(streamId, new ArrayList<>());
        for (int i = 0; i < same.size(); i++) {
            if (same.get(i) == device) {
                same.remove(i);
                break;
            }
        }
        if (same.isEmpty()) {
            devices.remove(streamId);
        }
    }

    /** Each once, however many ports it has. */
    synchronized Set<AtsPort.Device> of(int streamId) {
        Set<AtsPort.Device> distinct = Collections.newSetFromMap(new IdentityHashMap<>());
        distinct.addAll(devices.getOrDefault(streamId, List.of()));
        return distinct;
    }
}
