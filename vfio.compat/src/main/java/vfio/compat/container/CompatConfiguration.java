package vfio.compat.container;

import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** Configuration {@code vfio.compat}: what are parameters of kernel modules in Linux. */
@ObjectClassDefinition(name = "VFIO containers")
public @interface CompatConfiguration {
    /** {@code vfio_iommu_type1.dma_entry_limit}. */
    @AttributeDefinition(name = "Mappings", description = "how many mappings a container may have; for containers to come", min = "0")
    int dma_entry_limit() default 65535;

    /** {@code vfio.enable_unsafe_noiommu_mode}. */
    @AttributeDefinition(name = "No-IOMMU mode", description = "whether containers say that they know devices without an IOMMU")
    boolean enable_unsafe_noiommu_mode() default false;
}
