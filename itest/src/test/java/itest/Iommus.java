package itest;

import iommufd.api.HardwareSwap;
import iommufd.api.HardwareSwap.HardwareState;
import iommufd.api.HardwareSwap.SwapReport;
import iommufd.api.hardware.IommuHardware;
import java.util.Comparator;
import java.util.List;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceReference;

/** The deployed IOMMU hardware, as the engine sees it. */
final class Iommus {
    private final BundleContext context;

    Iommus(BundleContext context) {
        this.context = context;
    }

    /** All of it that works. */
    List<HardwareState> working() {
        return engine().hardware().stream().filter(hardware -> hardware.state() != HardwareState.State.FAILED).toList();
    }

    /** Waits until so many work. */
    void awaitWorking(int count) {
        Await.until(() -> count + " working IOMMUs, there are " + engine().hardware(), () -> working().size() == count);
    }

    /** Name of what serves the endpoints. */
    String serving() {
        return working().stream().max(Comparator.comparingInt(HardwareState::endpoints)).map(HardwareState::name)
                .orElseThrow(() -> new AssertionError("no hardware works: " + engine().hardware()));
    }

    /** Vendor of what serves the endpoints. */
    String servingVendor() {
        return working().stream().max(Comparator.comparingInt(HardwareState::endpoints)).map(HardwareState::vendor)
                .orElseThrow(() -> new AssertionError("no hardware works: " + engine().hardware()));
    }

    /** Waits until endpoints are served by hardware of that vendor and by no other. */
    void awaitServedBy(String vendor) {
        Await.until(() -> "endpoints served by " + vendor + ", but: " + engine().hardware(), () -> {
            List<String> serving = working().stream().filter(hardware -> hardware.endpoints() > 0).map(HardwareState::vendor).toList();
            return serving.equals(List.of(vendor));
        });
    }

    /** Name of the first hardware of that vendor. */
    String ofVendor(String vendor) {
        return working().stream().filter(hardware -> hardware.vendor().equals(vendor)).findFirst().map(HardwareState::name)
                .orElseThrow(() -> new AssertionError("no hardware of vendor " + vendor + ": " + engine().hardware()));
    }

    /** State the engine gives the hardware of that name. */
    HardwareState.State state(String name) {
        return engine().hardware().stream().filter(hardware -> hardware.name().equals(name)).findFirst().map(HardwareState::state)
                .orElseThrow(() -> new AssertionError("no hardware " + name + ": " + engine().hardware()));
    }

    /** Moves everything to the hardware of that name. */
    SwapReport swapTo(String name) {
        return engine().swap(serving(), name);
    }

    /** Moves everything to the first other hardware. */
    SwapReport swap() {
        String serving = serving();
        return swapTo(working().stream().map(HardwareState::name).filter(name -> !name.equals(serving)).findFirst()
                .orElseThrow(() -> new AssertionError("there is nothing to swap to: " + engine().hardware())));
    }

    /** The bundle whose hardware has that name. */
    Bundle bundleOf(String name) {
        ServiceReference<IommuHardware> reference = Bundles.references(context, IommuHardware.class, "(%s=%s)".formatted(IommuHardware.NAME, name)).iterator().next();
        return reference.getBundle();
    }

    /** The service that swaps. */
    HardwareSwap engine() {
        return Bundles.service(context, HardwareSwap.class);
    }
}
