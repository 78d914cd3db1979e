package vmm.devices.virtio.net;

import org.osgi.service.metatype.annotations.AttributeDefinition;
import org.osgi.service.metatype.annotations.ObjectClassDefinition;

/** Which network device there is, and what it is plugged into. */
@ObjectClassDefinition(name = "virtio network device", description = "A virtio 1.2 network device behind vhost-vdpa")
public @interface VirtioNetConfiguration {
    /** Requester id. */
    @AttributeDefinition(name = "Address", description = "How its DMA is known: segment, bus, device and function, such as 0000:01:00.0")
    String address() default "0000:01:00.0";

    /** Ethernet address. */
    @AttributeDefinition(name = "MAC address", description = "Such as 52:54:00:12:34:56")
    String mac() default "52:54:00:12:34:56";

    /** The other end. */
    @AttributeDefinition(name = "Cable", description = "null: packets are dropped. null,generate=BYTES: and others are made up. loopback=NAME: to the "
            + "device that says the same. tap=NAME: to that interface of the host, which is made if it is missing")
    String cable() default "null";

    /** Queues. */
    @AttributeDefinition(name = "Queue pairs", description = "Each has a thread", min = "1", max = "64")
    int queue_pairs() default 1;

    /** Their size. */
    @AttributeDefinition(name = "Queue size", description = "Most entries of a queue, a power of two", min = "4", max = "32768")
    int queue_size() default 1024;

    /** MTU. */
    @AttributeDefinition(name = "MTU", description = "What the driver is told, 68 to 65535; 0 tells it nothing")
    int mtu() default 0;

    /** Doorbells. */
    @AttributeDefinition(name = "Notification pages", description = "Clients may map a page of each queue and kick by a store; threads at "
            + "rest look at them some ten thousand times a second")
    boolean notification_pages() default false;
}
