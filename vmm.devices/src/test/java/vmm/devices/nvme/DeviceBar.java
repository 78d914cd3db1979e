package vmm.devices.nvme;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import vfio.device.RunningDevice;
import vmm.devices.FakeHost;

/** Registers of a running device as the guest driver wants them. */
record DeviceBar(RunningDevice device, FakeHost host, BarAccess access) implements GuestDriver.Registers {
    @Override
    public long read(long offset, int lengthBytes) {
        if (access == BarAccess.ALL_POLLED) {
            return lengthBytes == 8 ? host.sharedMemory(0).get(JAVA_LONG, offset) : (int) GuestDriver.STORE.getAcquire(host.sharedMemory(0), offset);
        }
        return device.read(0, offset, lengthBytes);
    }

    @Override
    public void write(long offset, int lengthBytes, long value) {
        if (access == BarAccess.ALL_POLLED && lengthBytes == 8) {
            host.sharedMemory(0).set(JAVA_LONG, offset, value);
        } else if (access != BarAccess.TRAPPED && (offset >= 0x1000 || access == BarAccess.ALL_POLLED)) {
            GuestDriver.STORE.setRelease(host.sharedMemory(0), offset, (int) value);
        } else {
            device.write(0, offset, lengthBytes, value);
        }
    }
}
