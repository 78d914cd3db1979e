package vmm.devices.edu;

import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** Where the device is, and what it can address. */
@ObjectClassDefinition(name = "edu device", description = "QEMU's educational PCI device")
public @interface EduConfiguration {
    /** PCI address. */
    @AttributeDefinition(name = "PCI address", description = "Segment, bus, device and function, such as 0000:00:0c.0")
    String address() default "0000:00:0c.0";

    /** Address bits of the DMA engine. */
    @AttributeDefinition(name = "DMA address bits", description = "Width of the addresses its DMA engine can send", min = "12", max = "64")
    int dma_address_bits() default 28;
}
