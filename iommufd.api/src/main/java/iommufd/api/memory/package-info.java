/**
 * Where bytes live. A physical address is an offset in {@link iommufd.api.memory.HostMemory#WINDOW}; 0 is never valid.
 * {@link iommufd.api.memory.UserMemory} is memory somebody owns and maps, {@link iommufd.api.memory.PinnedRuns} the physical
 * runs behind a part of it.
 */
@Export
@Version("1.0.0")
package iommufd.api.memory;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
