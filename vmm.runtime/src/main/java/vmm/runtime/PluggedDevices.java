package vmm.runtime;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Hashtable;
import java.util.List;
import org.osgi.framework.BundleContext;
import org.osgi.framework.FrameworkUtil;
import org.osgi.framework.InvalidSyntaxException;
import org.osgi.service.cm.Configuration;
import org.osgi.service.cm.ConfigurationAdmin;
import org.osgi.util.tracker.ServiceTracker;
import vmm.runtime.ExecOptions.DeviceOption;

/** Devices that are there for one program: a configuration each, which the bundle of the model makes a device of. */
final class PluggedDevices implements AutoCloseable {
    private static final String PID_PREFIX = "vmm.devices.";

    private final List<Configuration> configurations = new ArrayList<>();

    private PluggedDevices() {}

    /**
     * Plugs them in, and waits until each is there.
     *
     * @throws IommufdException {@link Errno#ENODEV} if one does not come
     * @throws IOException if the configuration cannot be kept
     */
    static PluggedDevices plug(BundleContext bundles, List<DeviceOption> options, Duration patience) throws IOException, InterruptedException {
        PluggedDevices plugged = new PluggedDevices();
        if (options.isEmpty()) {
            return plugged;
        }
        ServiceTracker<ConfigurationAdmin, ConfigurationAdmin> tracker = new ServiceTracker<>(bundles, ConfigurationAdmin.class, null);
        tracker.open();
        try {
            ConfigurationAdmin admin = tracker.waitForService(patience.toMillis());
            if (admin == null) {
                throw new IommufdException(Errno.ENODEV, "no configuration service came; is the bundle org.apache.felix.configadmin deployed and active?");
            }
            for (DeviceOption option : options) {
                Configuration configuration = admin.createFactoryConfiguration(PID_PREFIX + option.model(), "?");
                plugged.configurations.add(configuration);
                configuration.update(properties(option));
                awaitDevice(bundles, configuration, option, patience);
            }
            return plugged;
        } catch (IOException | InterruptedException | IommufdException failed) {
            plugged.close();
            throw failed;
        } finally {
            tracker.close();
        }
    }

    private static Hashtable<String, Object> properties(DeviceOption option) {
        Hashtable<String, Object> properties = new Hashtable<>();
        // Keys have dots; who writes them as their Java names, with underscores, means the same.
        option.settings().forEach((key, values) -> properties.put(key.replace('_', '.'), values.size() == 1 ? values.getFirst() : values.toArray(String[]::new)));
        return properties;
    }

    private static void awaitDevice(BundleContext bundles, Configuration configuration, DeviceOption option, Duration patience) throws InterruptedException {
        ServiceTracker<Object, Object> tracker = withPid(bundles, configuration.getPid());
        tracker.open(true);
        try {
            if (tracker.waitForService(patience.toMillis()) == null) {
                throw new IommufdException(Errno.ENODEV, "no device '%s' came with the settings %s; does its bundle know this model, and does the log say why it refused?"
                        .formatted(option.model(), option.settings()));
            }
        } finally {
            tracker.close();
        }
    }

    private static ServiceTracker<Object, Object> withPid(BundleContext bundles, String pid) {
        try {
            return new ServiceTracker<>(bundles, FrameworkUtil.createFilter("(service.pid=" + pid + ")"), null);
        } catch (InvalidSyntaxException impossible) {
            throw new IommufdException(Errno.EINVAL, "no device model can have such a name: " + pid, impossible);
        }
    }

    /** Unplugs them. */
    @Override
    public void close() throws IOException {
        for (Configuration configuration : configurations) {
            configuration.delete();
        }
    }
}
