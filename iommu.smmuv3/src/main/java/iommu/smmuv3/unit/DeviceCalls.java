package iommu.smmuv3.unit;

import iommufd.api.hardware.AtsPort;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/** What a command queue has to tell devices: collected with the unit's lock, made without it. By one thread at a time. */
final class DeviceCalls {
    /** More are not collected. */
    private static final int MOST = 64;

    private final AtsDevices devices;
    private final List<Call> calls = new ArrayList<>();
    private boolean answered = true;

    private record Call(int streamId, Predicate<AtsPort.Device> call) {}

    DeviceCalls(AtsDevices devices) {
        this.devices = devices;
    }

    /** @param call returns whether the device answered */
    void add(int streamId, Predicate<AtsPort.Device> call) {
        calls.add(new Call(streamId, call));
    }

    /** Whether they should be made before more are collected. */
    boolean isDue() {
        return calls.size() >= MOST;
    }

    /** Makes them. */
    void make() {
        if (calls.isEmpty()) {
            return;   // without an iterator: most commands concern no device
        }
        for (Call call : calls) {
            for (AtsPort.Device device : devices.of(call.streamId())) {
                answered &= call.call().test(device);
            }
        }
        calls.clear();
    }

    /** Makes them. @return whether all devices answered since the last time this was asked */
    boolean makeAndAccount() {
        make();
        boolean all = answered;
        answered = true;
        return all;
    }
}
