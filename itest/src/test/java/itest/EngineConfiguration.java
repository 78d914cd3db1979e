package itest;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.service.cm.Configuration;
import org.osgi.service.cm.ConfigurationAdmin;

/** The engine's configuration, through Configuration Admin. */
final class EngineConfiguration {
    /** Its persistent identity, and the symbolic name of its bundle. */
    static final String PID = "iommufd.core";
    /** How long a DMA request waits for hardware. */
    static final String GATE_MILLIS = "gate.millis";
    /** How long a call of a backend may take. */
    static final String CALL_MILLIS = "call.millis";
    /** Which hardware services it takes: an LDAP filter. */
    static final String HARDWARE_TARGET = "hardware.target";

    private final BundleContext context;
    private final ConfigurationAdmin admin;
    private final Map<String, Object> properties = new HashMap<>();

    EngineConfiguration(BundleContext context) {
        this.context = context;
        admin = Bundles.service(context, ConfigurationAdmin.class);
    }

    /** Changes one property under the running engine, and keeps what was set before. */
    void set(String property, Object value) throws IOException {
        properties.put(property, value);
        configuration().update(Bundles.properties(properties));
    }

    /** Changes one property that an engine reads at its birth: starts a new one. Contexts of the old one are gone. */
    void setAndRestart(String property, Object value) throws Exception {
        Bundle core = Bundles.named(context, PID);
        core.stop();
        set(property, value);
        core.start();
    }

    /** A new engine that has no configuration. */
    void resetAndRestart() throws Exception {
        Bundle core = Bundles.named(context, PID);
        core.stop();
        configuration().delete();
        core.start();
    }

    private Configuration configuration() throws IOException {
        return admin.getConfiguration(PID, "?");
    }
}
