package iommufd.api.node;

import java.util.Map;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * A directory of sysfs that programs see when they are run by a {@link ClientLauncher}: a whiteboard service. Thread-safe.
 *
 * <p>It takes the place of the machine's own directory of that path, of which those programs see nothing. Services of the same path
 * show their entries together; where several have the same one, that of the first counts. What is in the directory may change at any
 * time. A directory whose path no service had when a program was started is not seen by that program: so name the directory that
 * collects what comes and goes, such as {@code /sys/bus/pci/devices}, and register it before there is anything in it.
 */
@ConsumerType
public interface SysfsDirectory {
    /** Service property, a string: where programs find it, such as {@code /sys/bus/pci/devices}. Always below {@code /sys/}. */
    String PATH = "sysfs.path";

    /**
     * What is in it now, by paths relative to the directory, such as {@code 0000:00:0a.0/vendor}; directories on the way need no
     * entry of their own. Asked whenever a program looks: it is quick and waits for nothing.
     */
    Map<String, SysfsEntry> entries();
}
