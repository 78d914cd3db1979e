package vmm.runtime;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.hardware.IommuHardware;
import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Hashtable;
import java.util.Map;
import java.util.stream.Collectors;
import org.osgi.framework.BundleContext;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.InvalidSyntaxException;
import org.osgi.framework.ServiceReference;
import org.osgi.service.cm.ConfigurationAdmin;
import org.osgi.util.tracker.ServiceTracker;

/** Which of the deployed IOMMUs serves: the engine's configuration, which is not kept. */
final class ChosenHardware {
    private static final String ENGINE_PID = "iommufd.core";
    private static final String TARGET = "hardware.target";
    /** By vendor, the factory PID of hardware that is there only once it is configured. */
    private static final Map<String, String> CONFIGURED = Map.of("s390", "iommu.s390");

    private ChosenHardware() {}

    /**
     * Has the engine use hardware of that vendor or name only, and waits until there is some. What is there only once it is
     * configured is configured by naming its vendor.
     *
     * @throws IommufdException {@link Errno#ENODEV} if there is none
     * @throws IOException if the configuration cannot be kept
     */
    static void use(BundleContext bundles, String vendorOrName, Duration patience) throws IOException, InterruptedException {
        if (!vendorOrName.matches("[A-Za-z0-9._-]+")) {
            throw new IommufdException(Errno.ENODEV, "no IOMMU can be called '%s'".formatted(vendorOrName));
        }
        String target = "(|(%s=%s)(%s=%s))".formatted(IommuHardware.VENDOR, vendorOrName, IommuHardware.NAME, vendorOrName);
        ServiceTracker<ConfigurationAdmin, ConfigurationAdmin> tracker = new ServiceTracker<>(bundles, ConfigurationAdmin.class, null);
        tracker.open();
        try {
            ConfigurationAdmin admin = tracker.waitForService(patience.toMillis());
            if (admin == null) {
                throw new IommufdException(Errno.ENODEV, "no configuration service came; is the bundle org.apache.felix.configadmin deployed and active?");
            }
            if (CONFIGURED.containsKey(vendorOrName)) {
                admin.createFactoryConfiguration(CONFIGURED.get(vendorOrName), "?").update(new Hashtable<>());
            }
            if (!arrives(bundles, target, patience)) {
                throw new IommufdException(Errno.ENODEV, "there is no IOMMU '%s'; there are %s".formatted(vendorOrName, names(bundles)));
            }
            admin.getConfiguration(ENGINE_PID, "?").update(new Hashtable<>(Map.of(TARGET, target)));
        } finally {
            tracker.close();
        }
    }

    private static boolean arrives(BundleContext bundles, String target, Duration patience) throws InterruptedException {
        String filter = "(&(objectClass=%s)%s)".formatted(IommuHardware.class.getName(), target);
        try {
            ServiceTracker<Object, Object> tracker = new ServiceTracker<>(bundles, FrameworkUtil.createFilter(filter), null);
            tracker.open();
            try {
                return tracker.waitForService(patience.toMillis()) != null;
            } finally {
                tracker.close();
            }
        } catch (InvalidSyntaxException impossible) {
            throw new IommufdException(Errno.ENODEV, "no IOMMU can be asked for by " + filter, impossible);
        }
    }

    private static String names(BundleContext bundles) {
        try {
            ServiceReference<?>[] found = bundles.getServiceReferences(IommuHardware.class.getName(), null);
            return found == null ? "none" : Arrays.stream(found)
                    .map(reference -> "%s (%s)".formatted(reference.getProperty(IommuHardware.NAME), reference.getProperty(IommuHardware.VENDOR)))
                    .sorted().collect(Collectors.joining(", "));
        } catch (InvalidSyntaxException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
