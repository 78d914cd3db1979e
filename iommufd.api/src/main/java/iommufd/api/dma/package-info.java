/**
 * What a device holds: an endpoint plugged into the fabric, and ports through which its DMA goes. A device knows nothing of
 * the IOMMU behind; the hardware may be exchanged while it works.
 */
@Export
@Version("1.0.0")
package iommufd.api.dma;

import org.osgi.annotation.bundle.Export;
import org.osgi.annotation.versioning.Version;
