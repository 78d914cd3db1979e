package vmm.devices.nvme;

import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;
import org.osgi.service.metatype.annotations.Option;

/** Which controller there is, and where its blocks are kept. */
@ObjectClassDefinition(name = "NVMe controller", description = "An NVMe 1.4 controller whose namespaces are files")
public @interface NvmeConfiguration {
    /** PCI address. */
    @AttributeDefinition(name = "PCI address", description = "Segment, bus, device and function, such as 0000:00:0a.0")
    String address() default "0000:00:0a.0";

    /** Namespaces. */
    @AttributeDefinition(name = "Namespaces",
            description = "One each, from NSID 1 on: FILE[,size=BYTES][,block=512|4096][,readonly]; sizes may end in K, M, G, T")
    String[] namespaces() default {};

    /** Virtual functions. */
    @AttributeDefinition(name = "Virtual functions",
            description = "The namespace of each, as above; they are PCI functions of their own, whose addresses follow this one's")
    String[] virtual_functions() default {};

    /** Serial number. */
    @AttributeDefinition(name = "Serial number", description = "Up to 20 ASCII characters; namespaces derive their UUIDs from it")
    String serial() default "VMM0001";

    /** I/O queues. */
    @AttributeDefinition(name = "Queue pairs", description = "Most I/O queues of each kind; there is an interrupt vector for each", min = "1", max = "255")
    int queue_pairs() default 16;

    /** How doorbells reach the controller. */
    @AttributeDefinition(name = "Doorbells",
            description = "Trapped: each is a call. Polled: clients map them, and a thread of the controller looks at them all the time. "
                    + "All polled: clients map the registers too, as drivers in user space want it",
            options = {@Option(label = "Trapped", value = "trap"), @Option(label = "Polled", value = "poll"),
                @Option(label = "All polled", value = "poll-all")})
    String doorbells() default "poll";
}
