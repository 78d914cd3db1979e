package vmm.runtime.demo;

import iommufd.api.HardwareSwap.HardwareState;
import iommufd.api.HardwareSwap.HardwareState.State;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Dictionary;
import java.util.Hashtable;
import java.util.List;
import java.util.Map;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceReference;
import org.osgi.service.cm.Configuration;
import org.osgi.service.cm.ConfigurationAdmin;

/**
 * The hardware that promises are shown on: a unit of each vendor, configured so that devices may ask for absent pages. What was
 * configured before is so again in the end.
 */
final class PromiseHardware implements AutoCloseable {
    static final String VTD = "vtd";
    static final String SMMUV3 = "smmuv3";
    static final String S390 = "s390";

    /** What to configure; {@code factory} if there is a unit for each configuration. */
    private record Unit(String vendor, String pid, boolean factory, Map<String, Object> properties) {
        String name() {
            return "demo-" + vendor;
        }
    }

    private static final List<Unit> UNITS = List.of(
            new Unit(VTD, "iommu.vtd.VtdIommu", true, Map.of("page.requests", true)),
            new Unit(SMMUV3, "iommu.smmuv3", false, Map.of("stalls", true)),
            new Unit(S390, "iommu.s390", true, Map.of()));

    /** How to undo what was configured, the latest first. */
    private interface Undo {
        void run() throws IOException;
    }

    private final Services services;
    private final Deque<Undo> undos = new ArrayDeque<>();

    private PromiseHardware(Services services) {
        this.services = services;
    }

    /** Configures the units and waits until they serve. @throws Services.Missing if that cannot be, or one does not come */
    static PromiseHardware configure(Services services, Duration patience) throws Services.Missing, InterruptedException {
        PromiseHardware hardware = new PromiseHardware(services);
        boolean complete = false;
        try {
            ConfigurationAdmin admin = admin(services.bundles());
            for (Unit unit : UNITS) {
                hardware.configure(admin, unit);
            }
            for (Unit unit : UNITS) {
                if (!Waiting.until(() -> hardware.works(unit.name()), patience)) {
                    throw new Services.Missing("no IOMMU %s came; is the bundle iommu.%s deployed and active?".formatted(unit.name(), unit.vendor()));
                }
            }
            complete = true;
            return hardware;
        } catch (IOException failed) {
            throw new Services.Missing("its hardware cannot be configured: " + failed.getMessage());
        } finally {
            if (!complete) {
                hardware.close();
            }
        }
    }

    private static ConfigurationAdmin admin(BundleContext bundles) throws Services.Missing {
        ServiceReference<ConfigurationAdmin> reference = bundles.getServiceReference(ConfigurationAdmin.class);
        ConfigurationAdmin admin = reference == null ? null : bundles.getService(reference);
        if (admin == null) {
            throw new Services.Missing("there is no configuration service; is the bundle org.apache.felix.configadmin deployed and active?");
        }
        return admin;
    }

    private void configure(ConfigurationAdmin admin, Unit unit) throws IOException {
        Dictionary<String, Object> properties = new Hashtable<>(unit.properties());
        properties.put("iommu.name", unit.name());
        Configuration configuration = unit.factory() ? admin.createFactoryConfiguration(unit.pid(), "?") : admin.getConfiguration(unit.pid(), "?");
        Dictionary<String, Object> former = configuration.getProperties();
        undos.push(former == null ? configuration::delete : () -> configuration.update(former));
        configuration.update(properties);
    }

    private boolean works(String name) {
        return services.hardware().hardware().stream().anyMatch(hardware -> hardware.name().equals(name) && hardware.state() != State.FAILED);
    }

    /** Has the next device served by that vendor's unit. @return the unit's name */
    String serveBy(String vendor) {
        String name = UNITS.stream().filter(unit -> unit.vendor().equals(vendor)).findFirst().orElseThrow().name();
        String serving = services.hardware().hardware().stream().filter(hardware -> hardware.state() == State.SERVING)
                .map(HardwareState::name).findFirst().orElseThrow(() -> new Step.StepFailed("no hardware serves: " + services.hardware().hardware()));
        if (!serving.equals(name)) {
            services.hardware().swap(serving, name);
        }
        return name;
    }

    @Override
    public void close() {
        IOException failure = null;
        while (!undos.isEmpty()) {
            try {
                undos.pop().run();
            } catch (IOException failed) {
                failure = failed;
            }
        }
        if (failure != null) {
            throw new Step.StepFailed("the hardware is not configured as before: " + failure.getMessage());
        }
    }
}
