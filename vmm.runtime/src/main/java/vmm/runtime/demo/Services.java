package vmm.runtime.demo;

import iommufd.api.HardwareSwap;
import iommufd.api.IommufdService;
import iommufd.api.dma.DmaFabric;
import iommufd.api.memory.PhysicalMemory;
import java.time.Duration;
import java.util.Arrays;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.Constants;
import org.osgi.util.tracker.ServiceTracker;

/**
 * What the demonstration uses of the runtime.
 *
 * @param bundles to register listeners with
 */
record Services(BundleContext bundles, IommufdService iommufd, DmaFabric fabric, HardwareSwap hardware, PhysicalMemory memory) {
    /** Hardware the demonstration needs: one to serve, one to take over. */
    static final int HARDWARE_NEEDED = 2;

    private static final String VENDOR = "iommufd";

    /** Something is not there; the message says what and what to do. */
    static final class Missing extends Exception {
        private static final long serialVersionUID = 1L;

        Missing(String message) {
            super(message);
        }
    }

    /** Waits until all is there. @throws Missing if something is not there after {@code patience} */
    static Services await(BundleContext bundles, Duration patience) throws Missing, InterruptedException {
        long deadlineNanos = System.nanoTime() + patience.toNanos();
        HardwareSwap hardware = await(bundles, HardwareSwap.class, deadlineNanos);
        Services services = new Services(bundles, await(bundles, IommufdService.class, deadlineNanos),
                await(bundles, DmaFabric.class, deadlineNanos), hardware, await(bundles, PhysicalMemory.class, deadlineNanos));
        if (!Waiting.until(() -> hardware.hardware().size() >= HARDWARE_NEEDED, Duration.ofNanos(deadlineNanos - System.nanoTime()))) {
            throw new Missing("%d of the %d IOMMUs it needs came; start the bundles iommu.vtd and iommu.smmuv3.\n%s"
                    .formatted(hardware.hardware().size(), HARDWARE_NEEDED, notActive(bundles)));
        }
        return services;
    }

    private static <T> T await(BundleContext bundles, Class<T> type, long deadlineNanos) throws Missing, InterruptedException {
        ServiceTracker<T, T> tracker = new ServiceTracker<>(bundles, type, null);
        tracker.open();
        try {
            long leftMillis = Math.max(1, Duration.ofNanos(deadlineNanos - System.nanoTime()).toMillis());
            T service = tracker.waitForService(leftMillis);
            if (service == null) {
                throw new Missing("no service %s came; the bundle iommufd.core registers it. Is it deployed and active?\n%s"
                        .formatted(type.getName(), notActive(bundles)));
            }
            return service;
        } finally {
            tracker.close();
        }
    }

    /** A line that names those of our bundles that do not run, for a first guess. */
    private static String notActive(BundleContext bundles) {
        String names = String.join(", ", Arrays.stream(bundles.getBundles())
                .filter(bundle -> VENDOR.equals(bundle.getHeaders().get(Constants.BUNDLE_VENDOR)) && bundle.getState() != Bundle.ACTIVE)
                .map(Bundle::getSymbolicName)
                .toList());
        return names.isEmpty() ? "Every installed bundle of ours is active." : "Installed but not active: " + names + ".";
    }
}
