package itest;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import org.osgi.framework.BundleContext;
import org.osgi.service.cm.Configuration;
import org.osgi.service.cm.ConfigurationAdmin;

/** The engine's configuration, through Configuration Admin. */
final class EngineConfiguration {
    /** Its persistent identity. */
    static final String PID = "iommufd.core";
    /** How long a DMA request waits for hardware. */
    static final String GATE_MILLIS = "gate.millis";
    /** How long a call of a backend may take. */
    static final String CALL_MILLIS = "call.millis";
    /** Which hardware services it takes: an LDAP filter. */
    static final String HARDWARE_TARGET = "hardware.target";

    private final ConfigurationAdmin admin;
    private final Map<String, Object> properties = new HashMap<>();

    EngineConfiguration(BundleContext context) {
        admin = Bundles.service(context, ConfigurationAdmin.class);
    }

    /** Changes one property and keeps what was set before. */
    void set(String property, Object value) throws IOException {
        properties.put(property, value);
        configuration().update(Bundles.properties(properties));
    }

    /** Back to what the engine does without a configuration. */
    void reset() throws IOException {
        configuration().delete();
    }

    private Configuration configuration() throws IOException {
        return admin.getConfiguration(PID, "?");
    }
}
