package vmm.runtime.demo;

import iommufd.api.DmaAccess;
import iommufd.api.HardwareSwap.HardwareState;
import iommufd.api.HardwareSwap.HardwareState.State;
import iommufd.api.HardwareSwap.SwapReport;
import iommufd.api.Ioas;
import iommufd.api.IommufdContext;
import iommufd.api.dma.RequesterId;
import iommufd.api.memory.GuestRam;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** What a VMM would set up for a guest: memory, an IO address space that shows it, and two devices attached to it. */
final class Testbed implements AutoCloseable {
    /** Where the guest memory starts for the devices: above 4 GiB, clear of every interrupt window. */
    static final long RAM_IOVA = 1L << 32;
    /** Where steps may map what they need besides: above any guest memory. */
    static final long SPARE_IOVA = 1L << 36;
    /** Devices plugged in. */
    static final int DEVICES = 2;

    private final Services services;
    private final DemoOptions options;
    private final IommufdContext context;
    private final GuestRam ram;
    private final Ioas ioas;
    private final List<EmulatedDevice> devices = new ArrayList<>();

    private Testbed(Services services, DemoOptions options, IommufdContext context, GuestRam ram) {
        this.services = services;
        this.options = options;
        this.context = context;
        this.ram = ram;
        this.ioas = context.allocateIoas();
    }

    /** Builds it; what was built is taken down again if a part is refused. */
    static Testbed build(Services services, DemoOptions options) {
        IommufdContext context = services.iommufd().open();
        GuestRam ram = services.memory().allocateGuestRam(options.ramBytes(), true);
        Testbed bed = new Testbed(services, options, context, ram);
        try {
            bed.ioas.mapAt(RAM_IOVA, ram, 0, ram.lengthBytes(), DmaAccess.READ_WRITE);
            for (int i = 0; i < DEVICES; i++) {
                EmulatedDevice device = EmulatedDevice.plug(services.fabric(), context, RequesterId.of(0, 0, i + 1, 0));
                bed.devices.add(device);
                device.attach(bed.ioas);
            }
            return bed;
        } catch (RuntimeException refused) {
            bed.close();
            throw refused;
        }
    }

    Services services() {
        return services;
    }

    DemoOptions options() {
        return options;
    }

    IommufdContext context() {
        return context;
    }

    /** The guest's memory, mapped at {@link #RAM_IOVA}. */
    GuestRam ram() {
        return ram;
    }

    /** What the devices are attached to. */
    Ioas ioas() {
        return ioas;
    }

    /** The devices. */
    List<EmulatedDevice> devices() {
        return List.copyOf(devices);
    }

    /** Stops every device at work. */
    void stopDevices() throws InterruptedException {
        for (EmulatedDevice device : devices) {
            device.stop();
        }
    }

    /** The hardware the devices are served by. */
    HardwareState serving() {
        return working().max(Comparator.comparingInt(HardwareState::endpoints)).orElseThrow(this::noneLeft);
    }

    /** The hardware that waits to take over. */
    HardwareState standby() {
        String serving = serving().name();
        return working().filter(hardware -> !hardware.name().equals(serving)).findFirst().orElseThrow(this::noneLeft);
    }

    /** Exchanges the hardware under the devices. */
    SwapReport swap() {
        return services.hardware().swap(serving().name(), standby().name());
    }

    /** Something to do while the hardware of that name serves. */
    interface Visit {
        void on(String hardware) throws InterruptedException;
    }

    /** Does it on the hardware that serves, then on the other one, and leaves the first serving. */
    void onBoth(Visit visit) throws InterruptedException {
        visit.on(serving().name());
        swap();
        try {
            visit.on(serving().name());
        } finally {
            swap();
        }
    }

    private Stream<HardwareState> working() {
        return services.hardware().hardware().stream().filter(hardware -> hardware.state() != State.FAILED);
    }

    private Step.StepFailed noneLeft() {
        return new Step.StepFailed("the hardware that is left cannot do this: " + services.hardware().hardware());
    }

    @Override
    public void close() {
        context.close();
        devices.forEach(EmulatedDevice::close);
        ram.close();
    }
}
