/**
 * What an IOMMU backend implements. The engine calls these; ranges cross this border, never single pages.
 *
 * <p>A backend is an OSGi service {@link iommufd.api.hardware.IommuHardware}. The engine never holds more of it than the
 * objects it made, and gives all of them back before the service's bundle has stopped. Threads: per object, the engine calls
 * one method at a time unless the method says otherwise; different objects are used concurrently.
 */
@Export
@Version("1.0.0")
package iommufd.api.hardware;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
