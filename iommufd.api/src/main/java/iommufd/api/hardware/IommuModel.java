package iommufd.api.hardware;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.util.Map;
import org.osgi.annotation.versioning.ConsumerType;

/**
 * Makes IOMMUs that a VMM puts in front of a guest: an OSGi service of a hardware bundle. It is the same unit that serves the host
 * behind {@link IommuHardware}, without the driver: the guest's own driver programs it. Thread-safe.
 */
@ConsumerType
public interface IommuModel {
    /** Service property: the vendor's format family, as {@link IommuHardware#VENDOR}. */
    String VENDOR = IommuHardware.VENDOR;

    /** Value of {@link #VENDOR}. */
    String vendor();

    /**
     * A unit after reset.
     *
     * @param name for people, in fault descriptions
     * @param properties what it is built with, by the names the bundle documents; what is not given has the bundle's default
     * @param board what it is wired to
     * @throws IommufdException {@link Errno#EINVAL} for an unknown property or value, or for values that no such hardware combines
     */
    IommuUnit create(String name, Map<String, String> properties, UnitBoard board);
}
