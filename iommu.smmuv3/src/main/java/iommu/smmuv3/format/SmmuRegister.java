package iommu.smmuv3.format;

/** Offsets and fields of the Non-secure registers (IHI 0070, §6.2 and §6.3). */
public final class SmmuRegister {
    /** Size of pages 0 and 1 together (§6.1). */
    public static final int SPACE_BYTES = 0x20000;

    /** Features (§6.3.1). */
    public static final int IDR0 = 0x0;
    /** Stage 2. */
    public static final int IDR0_S2P = 1;
    /** Stage 1. */
    public static final int IDR0_S1P = 1 << 1;
    /** Translation tables are VMSAv8-64. */
    public static final int IDR0_TTF_AARCH64 = 2 << 2;
    /** Walks and queues are coherent. */
    public static final int IDR0_COHACC = 1 << 4;
    /** The access flag is updated by hardware. */
    public static final int IDR0_HTTU_ACCESS = 1 << 6;
    /** Accessed flag and dirty state are updated by hardware. */
    public static final int IDR0_HTTU_ACCESS_AND_DIRTY = 2 << 6;
    /** HTTU field. */
    public static final int IDR0_HTTU = 3 << 6;
    /** Stage 1 of hypervisors. */
    public static final int IDR0_HYP = 1 << 9;
    /** Translation requests of devices. */
    public static final int IDR0_ATS = 1 << 10;
    /** No stage 1 translations alone for devices. */
    public static final int IDR0_NS1ATS = 1 << 11;
    /** ASIDs of 16 bits. */
    public static final int IDR0_ASID16 = 1 << 12;
    /** Message-signalled interrupts. */
    public static final int IDR0_MSI = 1 << 13;
    /** Address translation registers. */
    public static final int IDR0_ATOS = 1 << 15;
    /** Page requests of devices. */
    public static final int IDR0_PRI = 1 << 16;
    /** TLB invalidation of groups of VMIDs. */
    public static final int IDR0_VMW = 1 << 17;
    /** VMIDs of 16 bits. */
    public static final int IDR0_VMID16 = 1 << 18;
    /** Two-level context descriptor tables. */
    public static final int IDR0_CD2L = 1 << 19;
    /** Tables are little-endian only. */
    public static final int IDR0_TTENDIAN_LITTLE = 2 << 21;
    /** More events of ATS and PRI. */
    public static final int IDR0_ATSRECERR = 1 << 23;
    /** Faulting requests never stall. */
    public static final int IDR0_STALL_MODEL_TERMINATE = 1 << 24;
    /** A terminated request is always aborted: CD.A must be 1. */
    public static final int IDR0_TERM_MODEL = 1 << 26;
    /** Two-level stream tables. */
    public static final int IDR0_ST_LEVEL_2 = 1 << 27;

    /** Sizes (§6.3.2). */
    public static final int IDR1 = 0x4;
    /** STE.PRIVCFG and INSTCFG count. */
    public static final int IDR1_ATTR_PERMS_OVR = 1 << 26;
    /** Shift of log2 of the most page request queue entries. */
    public static final int IDR1_PRIQS_SHIFT = 11;
    /** Shift of log2 of the most command queue entries. */
    public static final int IDR1_CMDQS_SHIFT = 21;
    /** Shift of log2 of the most event queue entries. */
    public static final int IDR1_EVENTQS_SHIFT = 16;
    /** Shift of the SubstreamIDs' width. */
    public static final int IDR1_SSIDSIZE_SHIFT = 6;
    /** Mask of each of those fields, once shifted down. */
    public static final int IDR1_FIELD = 0x1f;
    /** Width of StreamIDs. */
    public static final int IDR1_SIDSIZE = 0x3f;

    /** §6.3.3. */
    public static final int IDR2 = 0x8;
    /** More features (§6.3.4). */
    public static final int IDR3 = 0xc;
    /** CD.HAD0 and HAD1 count. */
    public static final int IDR3_HAD = 1 << 2;
    /** Stage 2 tells privileged execution from other. */
    public static final int IDR3_XNX = 1 << 4;
    /** Automatic page responses have the request's PASID. */
    public static final int IDR3_PPS = 1 << 5;
    /** Small translation tables. */
    public static final int IDR3_STT = 1 << 9;
    /** CD.E0PD0 and E0PD1 count. */
    public static final int IDR3_E0PD = 1 << 13;
    /** Range invalidation and level hints. */
    public static final int IDR3_RIL = 1 << 10;
    /** Break-before-make level. */
    public static final int IDR3_BBML = 3 << 11;
    /** Break-before-make level 2: block sizes may change in place. */
    public static final int IDR3_BBML2 = 2 << 11;
    /** §6.3.5. */
    public static final int IDR4 = 0x10;
    /** Address sizes and granules (§6.3.6). */
    public static final int IDR5 = 0x14;
    /** Output address size field. */
    public static final int IDR5_OAS = 7;
    /** Granule of 4 KiB. */
    public static final int IDR5_GRAN4K = 1 << 4;
    /** Granule of 16 KiB. */
    public static final int IDR5_GRAN16K = 1 << 5;
    /** Granule of 64 KiB. */
    public static final int IDR5_GRAN64K = 1 << 6;
    /** Virtual addresses of 52 bits. */
    public static final int IDR5_VAX_52 = 1 << 10;
    /** Shift of the most stalled requests. */
    public static final int IDR5_STALL_MAX_SHIFT = 16;
    /** Who made it (§6.3.7). */
    public static final int IIDR = 0x18;
    /** Revision of the architecture (§6.3.8). */
    public static final int AIDR = 0x1c;
    /** SMMUv3.1. */
    public static final int AIDR_V3_1 = 1;

    /** Enables (§6.3.9). */
    public static final int CR0 = 0x20;
    /** Streams are translated. */
    public static final int CR0_SMMUEN = 1;
    /** Page requests are written. */
    public static final int CR0_PRIQEN = 1 << 1;
    /** Events are written. */
    public static final int CR0_EVENTQEN = 1 << 2;
    /** Commands are processed. */
    public static final int CR0_CMDQEN = 1 << 3;
    /** Translated requests of devices are checked. */
    public static final int CR0_ATSCHK = 1 << 4;
    /** Shift of how many low bits of VMIDs invalidations ignore, 3 bits. */
    public static final int CR0_VMW_SHIFT = 6;
    /** Mask of that field once shifted down. */
    public static final int CR0_VMW_MASK = 7;
    /** Most bits it can name; larger values are reserved and as 0. */
    public static final int CR0_VMW_MAX = 4;
    /** Enables in force (§6.3.10). */
    public static final int CR0ACK = 0x24;
    /** Attributes of table and queue accesses (§6.3.11). */
    public static final int CR1 = 0x28;
    /** TABLE_SH, TABLE_OC, TABLE_IC: fixed while SMMUEN. */
    public static final int CR1_TABLE = 0xfc0;
    /** QUEUE_SH, QUEUE_OC, QUEUE_IC: fixed while a queue is enabled. */
    public static final int CR1_QUEUE = 0x3f;
    /** §6.3.12. */
    public static final int CR2 = 0x2c;
    /** Hypervisor streams have ASIDs. */
    public static final int CR2_E2H = 1;
    /** Record C_BAD_STREAMID. */
    public static final int CR2_RECINVSID = 1 << 1;
    /** Private TLB maintenance: ignore broadcasts. */
    public static final int CR2_PTM = 1 << 2;
    /** Record more events of ATS and PRI. */
    public static final int CR2_REC_CFG_ATS = 1 << 3;
    /** What happens to requests while SMMUEN is 0 (§6.3.14). */
    public static final int GBPA = 0x44;
    /** Written as 1 with every change. */
    public static final int GBPA_UPDATE = 1 << 31;
    /** All requests are aborted. */
    public static final int GBPA_ABORT = 1 << 20;
    /** Shareability as it comes in. */
    public static final int GBPA_SHCFG_INCOMING = 1 << 12;
    /** Attribute overrides: kept, without effect. */
    public static final int GBPA_ATTRIBUTES = 0xf3f1f;

    /** Interrupt enables (§6.3.16). */
    public static final int IRQ_CTRL = 0x50;
    /** For global errors. */
    public static final int IRQ_CTRL_GERROR = 1;
    /** For the page request queue. */
    public static final int IRQ_CTRL_PRIQ = 1 << 1;
    /** For the event queue. */
    public static final int IRQ_CTRL_EVENTQ = 1 << 2;
    /** Interrupt enables in force (§6.3.18). */
    public static final int IRQ_CTRLACK = 0x54;

    /** Global errors; active where it differs from {@link #GERRORN} (§6.3.19). */
    public static final int GERROR = 0x60;
    /** Acknowledged global errors (§6.3.20). */
    public static final int GERRORN = 0x64;
    /** A command failed. */
    public static final int GERROR_CMDQ_ERR = 1;
    /** An event could not be written. */
    public static final int GERROR_EVENTQ_ABT_ERR = 1 << 2;
    /** A page request could not be written. */
    public static final int GERROR_PRIQ_ABT_ERR = 1 << 3;
    /** CMD_SYNC's message could not be written. */
    public static final int GERROR_MSI_CMDQ_ABT_ERR = 1 << 4;
    /** The event queue's message could not be written. */
    public static final int GERROR_MSI_EVENTQ_ABT_ERR = 1 << 5;
    /** The page request queue's message could not be written. */
    public static final int GERROR_MSI_PRIQ_ABT_ERR = 1 << 6;
    /** The global error message could not be written. */
    public static final int GERROR_MSI_GERROR_ABT_ERR = 1 << 7;
    /** All errors this unit has. */
    public static final int GERROR_ALL = GERROR_CMDQ_ERR | GERROR_EVENTQ_ABT_ERR | GERROR_MSI_CMDQ_ABT_ERR
            | GERROR_MSI_EVENTQ_ABT_ERR | GERROR_MSI_GERROR_ABT_ERR | GERROR_PRIQ_ABT_ERR | GERROR_MSI_PRIQ_ABT_ERR;
    /** Message of global errors: 64-bit address, 32-bit payload, attributes (§6.3.21 to §6.3.23). */
    public static final int GERROR_IRQ_CFG0 = 0x68;
    /** Address bits of the message registers. */
    public static final long IRQ_CFG0_ADDRESS = 0x00FF_FFFF_FFFF_FFFCL;
    /** Payload, from the first message register. */
    public static final int IRQ_CFG1 = 8;
    /** Attributes, from the first message register. */
    public static final int IRQ_CFG2 = 12;

    /** Stream table (§6.3.24). */
    public static final int STRTAB_BASE = 0x80;
    /** Address bits of {@link #STRTAB_BASE}. */
    public static final long STRTAB_BASE_ADDRESS = 0x00FF_FFFF_FFFF_FFC0L;
    /** Read-allocate hint of {@link #STRTAB_BASE}, and of the queues' bases. */
    public static final long BASE_HINT = 1L << 62;
    /** Form of the stream table (§6.3.25). */
    public static final int STRTAB_BASE_CFG = 0x88;
    /** log2 of the number of streams. */
    public static final int STRTAB_LOG2SIZE = 0x3f;
    /** Shift of StreamID bits that index a second-level table. */
    public static final int STRTAB_SPLIT_SHIFT = 6;
    /** Two levels instead of one. */
    public static final int STRTAB_FMT_2LEVEL = 1 << 16;
    /** Both bits of the format. */
    public static final int STRTAB_FMT = 3 << 16;

    /** Command queue (§6.3.26). */
    public static final int CMDQ_BASE = 0x90;
    /** Address bits of a queue's base register. */
    public static final long QUEUE_BASE_ADDRESS = 0x00FF_FFFF_FFFF_FFE0L;
    /** log2 of a queue's entries. */
    public static final int QUEUE_LOG2SIZE = 0x1f;
    /** Software's index of the command queue (§6.3.27). */
    public static final int CMDQ_PROD = 0x98;
    /** Hardware's index of the command queue (§6.3.28). */
    public static final int CMDQ_CONS = 0x9c;
    /** Shift of the error code in {@link #CMDQ_CONS}. */
    public static final int CMDQ_CONS_ERR_SHIFT = 24;
    /** Error code in {@link #CMDQ_CONS}. */
    public static final int CMDQ_CONS_ERR = 0x7f << CMDQ_CONS_ERR_SHIFT;
    /** Index and wrap bit of a queue of the largest size. */
    public static final int QUEUE_INDEX = 0xf_ffff;
    /** Event queue (§6.3.29). */
    public static final int EVENTQ_BASE = 0xa0;
    /** Message of the event queue; see {@link #GERROR_IRQ_CFG0} (§6.3.32). */
    public static final int EVENTQ_IRQ_CFG0 = 0xb0;
    /** Page request queue (§6.3.33). */
    public static final int PRIQ_BASE = 0xc0;
    /** Message of the page request queue; see {@link #GERROR_IRQ_CFG0} (§6.3.34). */
    public static final int PRIQ_IRQ_CFG0 = 0xd0;
    /** In the page request queue's attributes: an interrupt for the last request of each group. */
    public static final int PRIQ_IRQ_LAST_ONLY = 1 << 31;
    /** Starts an address translation (§6.3.37). */
    public static final int GATOS_CTRL = 0x100;
    /** The translation runs. */
    public static final int GATOS_CTRL_RUN = 1;
    /** Whose address (§6.3.38). */
    public static final int GATOS_SID = 0x108;
    /** SubstreamID is valid. */
    public static final long GATOS_SID_SSV = 1L << 52;
    /** What address, and what for (§6.3.39). */
    public static final int GATOS_ADDR = 0x110;
    /** Address, type and attributes. */
    public static final long GATOS_ADDR_FIELDS = ~0x3fL;
    /** The result (§6.3.40). */
    public static final int GATOS_PAR = 0x118;
    /** Where page 1 starts. */
    public static final int PAGE1 = 0x10000;
    /** Hardware's index of the event queue (§6.3.30). */
    public static final int EVENTQ_PROD = PAGE1 + 0xa8;
    /** Software's index of the event queue (§6.3.31). */
    public static final int EVENTQ_CONS = PAGE1 + 0xac;
    /** Hardware's index of the page request queue (§6.3.97). */
    public static final int PRIQ_PROD = PAGE1 + 0xc8;
    /** Software's index of the page request queue (§6.3.98). */
    public static final int PRIQ_CONS = PAGE1 + 0xcc;
    /** Overflow flag in {@link #EVENTQ_PROD} and {@link #PRIQ_PROD}, its acknowledgement in the consumer index. */
    public static final int EVENTQ_OVERFLOW = 1 << 31;

    private SmmuRegister() {}
}
