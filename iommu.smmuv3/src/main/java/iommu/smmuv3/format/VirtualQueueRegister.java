package iommu.smmuv3.format;

/**
 * Offsets and fields of the registers of command queues that a guest owns, as NVIDIA's Tegra241 CMDQV has them. Offsets count from
 * the start of its register space.
 */
public final class VirtualQueueRegister {
    /** Enables all of it. */
    public static final int CONFIG = 0x0;
    /** Sizes. */
    public static final int PARAM = 0x4;
    /** Shift of log2 of the streams that an interface maps. */
    public static final int PARAM_SIDS_SHIFT = 12;
    /** Shift of log2 of the interfaces. */
    public static final int PARAM_INTERFACES_SHIFT = 8;
    /** Shift of log2 of the queues. */
    public static final int PARAM_QUEUES_SHIFT = 4;
    /** Whether it is enabled. */
    public static final int STATUS = 0x8;
    /** Interfaces whose queues have errors, 64 bits in two words. */
    public static final int INTERFACE_ERRORS = 0x14;
    /** Interfaces whose errors are no interrupts, 64 bits in two words. */
    public static final int INTERFACE_MASK = 0x1c;
    /** Queues that have errors, four words. */
    public static final int QUEUE_ERRORS = 0x24;
    /** Words of {@link #QUEUE_ERRORS}. */
    public static final int QUEUE_ERROR_WORDS = 4;
    /** Whose a queue is, a word for each. */
    public static final int ALLOCATION = 0x200;
    /** Shift of the interface, 6 bits. */
    public static final int ALLOCATION_INTERFACE_SHIFT = 15;
    /** Mask of the interface, once shifted down. */
    public static final int ALLOCATION_INTERFACE = 0x3f;
    /** Shift of the queue's number in its interface, 7 bits. */
    public static final int ALLOCATION_NUMBER_SHIFT = 1;
    /** Mask of that number, once shifted down. */
    public static final int ALLOCATION_NUMBER = 0x7f;

    /** Registers of interfaces. */
    public static final int INTERFACE = 0x1000;
    /** log2 of the distance of interfaces. */
    public static final int INTERFACE_LG2 = 8;
    /** In an interface: enable, VMID and owner. */
    public static final int INTERFACE_CONFIG = 0x0;
    /** Shift of the VMID, 16 bits. */
    public static final int INTERFACE_VMID_SHIFT = 1;
    /** The interface is the hypervisor's own: its commands are taken as they are. */
    public static final int INTERFACE_HYPERVISOR = 1 << 17;
    /** All fields of {@link #INTERFACE_CONFIG}. */
    public static final int INTERFACE_CONFIG_FIELDS = (1 << 18) - 1;
    /** In an interface: whether it is enabled. */
    public static final int INTERFACE_STATUS = 0x4;
    /** In an interface: StreamIDs as the guest has them, a word for each; bit 0 enables. */
    public static final int SID_MATCH = 0x40;
    /** Shift of the guest's StreamID, 20 bits. */
    public static final int SID_MATCH_SHIFT = 1;
    /** Mask of the guest's StreamID, once shifted down. */
    public static final int SID_MATCH_MASK = 0xf_ffff;
    /** In an interface: StreamIDs as they are, a word for each. */
    public static final int SID_REPLACE = 0x80;
    /** In an interface: its queues that have errors, 128 bits in four words. */
    public static final int INTERFACE_QUEUE_ERRORS = 0xc0;

    /** Bit that enables, or says that something is enabled or allocated. */
    public static final int ENABLE = 1;

    /** Size of a page of registers. */
    public static final int PAGE_BYTES = 0x1_0000;
    /** Queues: indices, control and errors. */
    public static final int QUEUE_PAGE0 = PAGE_BYTES;
    /** Queues: where they lie. */
    public static final int QUEUE_PAGE1 = 2 * PAGE_BYTES;
    /** The two pages of each interface's own queues. */
    public static final int INTERFACE_PAGES = 3 * PAGE_BYTES;
    /** log2 of the distance of queues. */
    public static final int QUEUE_LG2 = 7;
    /** In page 0: hardware's index, and the error code as in CMDQ_CONS. */
    public static final int QUEUE_CONS = 0x0;
    /** In page 0: software's index. */
    public static final int QUEUE_PROD = 0x4;
    /** In page 0: enable. */
    public static final int QUEUE_CONFIG = 0x8;
    /** In page 0: whether it is enabled. */
    public static final int QUEUE_STATUS = 0xc;
    /** In page 0: errors; active where it differs from {@link #QUEUE_GERRORN}. */
    public static final int QUEUE_GERROR = 0x10;
    /** In page 0: acknowledged errors. */
    public static final int QUEUE_GERRORN = 0x14;
    /** In page 1: where it lies, and log2 of its entries. */
    public static final int QUEUE_BASE = 0x0;
    /** In page 1: kept, without effect. */
    public static final int QUEUE_CONS_COPY = 0x8;

    private VirtualQueueRegister() {}
}
