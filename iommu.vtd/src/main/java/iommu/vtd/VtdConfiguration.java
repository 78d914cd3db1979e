package iommu.vtd;

import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;
import org.osgi.service.metatype.annotations.Option;

/** How a unit is built and driven. */
@ObjectClassDefinition(name = "Intel VT-d unit", description = "A VT-d remapping unit with its driver")
public @interface VtdConfiguration {
    /** Name of the unit, unique in the runtime. */
    @AttributeDefinition(name = "Name", description = "Name of the unit, unique in the runtime")
    String iommu_name() default "vtd0";

    /** Translation table mode. */
    @AttributeDefinition(name = "Mode", description = "Translation table mode: scalable mode adds PASIDs and dirty tracking",
            options = {@Option(label = "Legacy", value = "legacy"), @Option(label = "Scalable", value = "scalable")})
    String mode() default "scalable";

    /** Levels of page tables. */
    @AttributeDefinition(name = "Levels", description = "Levels of page tables: 3, 4 or 5", min = "3", max = "5")
    int levels() default 4;

    /** PCI segment the unit serves. */
    @AttributeDefinition(name = "Segment", description = "PCI segment whose devices are behind the unit", min = "0", max = "65535")
    int segment() default 0;

    /** Width of PASIDs. */
    @AttributeDefinition(name = "PASID bits", description = "Width of PASIDs in scalable mode", min = "1", max = "20")
    int pasid_bits() default 20;

    /** Page requests. */
    @AttributeDefinition(name = "Page requests", description = "Scalable mode only: devices may translate by themselves (ATS) and ask for absent pages (PRI)")
    boolean page_requests() default false;

    /** Which hardware is preferred if there are several. */
    @AttributeDefinition(name = "Ranking", description = "The hardware with the highest ranking is preferred")
    int service_ranking() default 0;
}
