package vmm.devices.virtio.blk;

import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** Which block device there is, and where its blocks are kept. */
@ObjectClassDefinition(name = "virtio block device", description = "A virtio 1.2 block device behind vhost-vdpa whose blocks are a file")
public @interface VirtioBlkConfiguration {
    /** Requester id. */
    @AttributeDefinition(name = "Address", description = "How its DMA is known: segment, bus, device and function, such as 0000:01:01.0")
    String address() default "0000:01:01.0";

    /** Blocks. */
    @AttributeDefinition(name = "File", description = "FILE[,size=BYTES][,block=512|4096][,readonly]; sizes may end in K, M, G, T. When the file "
            + "becomes longer or shorter the driver is told")
    String file();

    /** Serial number. */
    @AttributeDefinition(name = "Serial number", description = "Up to 20 ASCII characters")
    String serial() default "VMM0001";

    /** Queues. */
    @AttributeDefinition(name = "Queues", description = "Request queues; each has a thread", min = "1", max = "256")
    int queues() default 1;

    /** Their size. */
    @AttributeDefinition(name = "Queue size", description = "Most entries of a queue, a power of two", min = "4", max = "1024")
    int queue_size() default 256;

    /** Doorbells. */
    @AttributeDefinition(name = "Notification pages", description = "Clients may map a page of each queue and kick by a store; threads at "
            + "rest look at them some ten thousand times a second")
    boolean notification_pages() default false;
}
