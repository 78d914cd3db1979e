package iommu.s390;

import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** How zPCI functions are built and driven. */
@ObjectClassDefinition(name = "IBM Z zPCI", description = "zPCI functions, the translation of their DMA, and their driver")
public @interface S390Configuration {
    /** Name of the unit, unique in the runtime. */
    @AttributeDefinition(name = "Name", description = "Name of the unit, unique in the runtime")
    String iommu_name() default "zpci0";

    /** Levels of tables. */
    @AttributeDefinition(name = "Levels", description = "Levels of tables: 3 for 42-bit IOVA, 4 for 53-bit IOVA", min = "3", max = "4")
    int levels() default 4;

    /** PCI segment whose devices are functions. */
    @AttributeDefinition(name = "Segment", description = "PCI segment whose devices are functions of the unit", min = "0", max = "65535")
    int segment() default 0;

    /** Lowest address of DMA. */
    @AttributeDefinition(name = "First DMA address", description = "Lowest address of DMA, a multiple of 4096: IOVA below is reserved")
    long first_dma() default 0;

    /** Highest address of DMA. */
    @AttributeDefinition(name = "Last DMA address", description = "Highest address of DMA, the last of a page")
    long last_dma() default (1L << 53) - 1;

    /** Which hardware is preferred if there are several. */
    @AttributeDefinition(name = "Ranking", description = "The hardware with the highest ranking is preferred")
    int service_ranking() default 0;
}
