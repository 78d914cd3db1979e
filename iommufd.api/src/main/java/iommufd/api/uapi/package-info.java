/**
 * The binary uAPI of Linux 7.3's iommufd: a class of named offsets per struct of {@code linux/iommufd.h}, named like it, with
 * request numbers, flags and enumerations under their C names, and how requests read as text. Behind it stand the rules of the
 * header, not of any implementation. {@link iommufd.api.uapi.IoctlExtension} adds requests to an open {@code /dev/iommu}.
 * The same for containers and groups of {@code linux/vfio.h}, which {@code /dev/iommu} serves too.
 */
@Export
@Version("1.0.0")
package iommufd.api.uapi;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
