package iommufd.core;

import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** Configuration of the engine, PID {@code iommufd.core}. */
@ObjectClassDefinition(name = "iommufd engine", description = "How long devices and contexts wait for IOMMU hardware")
public @interface EngineConfiguration {
    /** Until a device's DMA is aborted. */
    @AttributeDefinition(name = "Gate time (ms)", min = "0",
            description = "How long DMA waits while no IOMMU hardware serves the device; then it is aborted")
    long gate_millis() default 30_000;

    /** Until a backend counts as failed. */
    @AttributeDefinition(name = "Call time (ms)", min = "1",
            description = "How long an IOMMU backend may take for one call; then it counts as failed and is replaced")
    long call_millis() default 10_000;

    /** Whether large entries are split while dirty tracking is on. */
    @AttributeDefinition(name = "Dirty pages",
            description = "Whether dirty tracking is precise to the page: large IO page-table entries are split while it is on, and put together after")
    boolean dirty_pages() default true;

    /** Which deployed hardware this runtime uses. */
    @AttributeDefinition(name = "Hardware", required = false,
            description = "LDAP filter over service properties of IOMMU hardware, such as (iommu.vendor=vtd); a change swaps at once")
    String hardware_target() default "(objectClass=*)";
}
