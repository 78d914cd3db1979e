package vmm.devices.ioat;

import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** Configuration {@code vmm.devices.ioat}. */
@ObjectClassDefinition(name = "Intel I/OAT DMA engine")
public @interface IoatConfiguration {
    /** Where it sits: segment, bus, device and function. */
    @AttributeDefinition(name = "Address", description = "PCI address, such as 0000:00:0b.0")
    String address() default "0000:00:0b.0";
}
