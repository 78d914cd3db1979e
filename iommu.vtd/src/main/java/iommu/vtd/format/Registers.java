package iommu.vtd.format;

/** Offsets and fields of the registers (§11.4). */
public final class Registers {
    /** Size of the register page. */
    public static final int PAGE_BYTES = 4096;

    /** Version, read-only: major in 7:4, minor in 3:0. §11.4.1 */
    public static final int VER = 0x000;
    /** Capability, 64 bits, read-only; see {@link Capability}. §11.4.2 */
    public static final int CAP = 0x008;
    /** Extended capability, 64 bits, read-only; see {@link ExtendedCapability}. §11.4.3 */
    public static final int ECAP = 0x010;
    /** Global command, write-only; {@link #GSTS} answers. §11.4.4.1 */
    public static final int GCMD = 0x018;
    /** Global status, read-only, bits as in {@link #GCMD}. §11.4.4.2 */
    public static final int GSTS = 0x01C;
    /** Root table address, 64 bits; takes effect by {@link #COMMAND_SET_ROOT_TABLE}. §11.4.5 */
    public static final int RTADDR = 0x020;
    /** Context command, 64 bits; legacy mode only. §11.4.6.1 */
    public static final int CCMD = 0x028;
    /** Fault status. §11.4.7.1 */
    public static final int FSTS = 0x034;
    /** Fault event control. §11.4.7.2 */
    public static final int FECTL = 0x038;
    /** Fault event data. §11.4.7.3 */
    public static final int FEDATA = 0x03C;
    /** Fault event address. §11.4.7.4 */
    public static final int FEADDR = 0x040;
    /** Fault event upper address. §11.4.7.5 */
    public static final int FEUADDR = 0x044;
    /** Invalidation queue head, 64 bits, read-only: byte offset of the next descriptor. §11.4.9.1 */
    public static final int IQH = 0x080;
    /** Invalidation queue tail, 64 bits: byte offset behind the last descriptor. §11.4.9.2 */
    public static final int IQT = 0x088;
    /** Invalidation queue address, 64 bits. §11.4.9.3 */
    public static final int IQA = 0x090;
    /** Invalidation completion status. §11.4.9.4 */
    public static final int ICS = 0x09C;
    /** Invalidation event control. §11.4.9.5 */
    public static final int IECTL = 0x0A0;
    /** Invalidation event data. §11.4.9.6 */
    public static final int IEDATA = 0x0A4;
    /** Invalidation event address. §11.4.9.7 */
    public static final int IEADDR = 0x0A8;
    /** Invalidation event upper address. §11.4.9.8 */
    public static final int IEUADDR = 0x0AC;
    /** Invalidation queue error record, 64 bits, read-only. §11.4.9.9 */
    public static final int IQERCD = 0x0B0;

    /** Protected memory enable. §11.4.8.1 */
    public static final int PMEN = 0x064;
    /** Protected low memory: first address. §11.4.8.2 */
    public static final int PLMBASE = 0x068;
    /** Protected low memory: last address. §11.4.8.3 */
    public static final int PLMLIMIT = 0x06C;
    /** Protected high memory, 64 bits: first address. §11.4.8.4 */
    public static final int PHMBASE = 0x070;
    /** Protected high memory, 64 bits: last address. §11.4.8.5 */
    public static final int PHMLIMIT = 0x078;
    /** Interrupt remapping table address, 64 bits; takes effect by {@link #COMMAND_SET_INTERRUPT_TABLE}. §11.4.10 */
    public static final int IRTA = 0x0B8;
    /** Page request queue head, 64 bits: software's. §11.4.11.1 */
    public static final int PQH = 0x0C0;
    /** Page request queue tail, 64 bits: the unit's. §11.4.11.2 */
    public static final int PQT = 0x0C8;
    /** Page request queue address, 64 bits. §11.4.11.3 */
    public static final int PQA = 0x0D0;
    /** Page request status. §11.4.11.4 */
    public static final int PRS = 0x0DC;
    /** Page request event control; data, address and upper address follow. §11.4.11.5 */
    public static final int PECTL = 0x0E0;

    /** {@link #GCMD}/{@link #GSTS}: DMA remapping is on. */
    public static final int COMMAND_TRANSLATION = 1 << 31;
    /** {@link #GCMD}: take {@link #RTADDR} over; {@link #GSTS}: done. */
    public static final int COMMAND_SET_ROOT_TABLE = 1 << 30;
    /** {@link #GCMD}/{@link #GSTS}: the invalidation queue is on. */
    public static final int COMMAND_QUEUED_INVALIDATION = 1 << 26;
    /** {@link #GCMD}: flush write buffers; {@link #GSTS}: under way. */
    public static final int COMMAND_FLUSH_WRITE_BUFFER = 1 << 27;
    /** {@link #GCMD}/{@link #GSTS}: interrupt remapping is on. */
    public static final int COMMAND_INTERRUPT_REMAPPING = 1 << 25;
    /** {@link #GCMD}: take {@link #IRTA} over; {@link #GSTS}: done. */
    public static final int COMMAND_SET_INTERRUPT_TABLE = 1 << 24;
    /** {@link #GCMD}/{@link #GSTS}: interrupts in compatibility format pass. */
    public static final int COMMAND_COMPATIBILITY_FORMAT = 1 << 23;
    /** Bits of {@link #GSTS} that software writes back with every command; the others are one-shot. */
    public static final int COMMAND_KEPT = 0x96FF_FFFF;

    /** {@link #RTADDR}: lowest bit of the translation table mode. */
    public static final int TABLE_MODE_SHIFT = 10;
    /** Translation table mode: root and context tables. §3.4.2 */
    public static final int LEGACY_MODE = 0;
    /** Translation table mode: scalable-mode tables with PASIDs. §3.4.3 */
    public static final int SCALABLE_MODE = 1;
    /** Translation table mode: every request is aborted. §3.4.4 */
    public static final int ABORT_DMA_MODE = 3;

    /** {@link #CCMD}: carry it out; reads 0 when done. */
    public static final long CONTEXT_INVALIDATE = 1L << 63;
    /** {@link #CCMD}: lowest bit of the granularity that is asked for. */
    public static final int CONTEXT_REQUESTED_SHIFT = 61;
    /** {@link #CCMD}: lowest bit of the granularity carried out; 0 is an error. */
    public static final int CONTEXT_ACTUAL_SHIFT = 59;
    /** {@link #CCMD}: lowest bit of the function mask. */
    public static final int CONTEXT_FUNCTION_MASK_SHIFT = 32;
    /** {@link #CCMD}: lowest bit of the source-id. */
    public static final int CONTEXT_SOURCE_SHIFT = 16;

    /** IOTLB register: carry it out; reads 0 when done. §11.4.6.3 */
    public static final long IOTLB_INVALIDATE = 1L << 63;
    /** IOTLB register: lowest bit of the granularity that is asked for. */
    public static final int IOTLB_REQUESTED_SHIFT = 60;
    /** IOTLB register: lowest bit of the granularity carried out; 0 is an error. */
    public static final int IOTLB_ACTUAL_SHIFT = 57;
    /** IOTLB register: lowest bit of the domain-id. */
    public static final int IOTLB_DOMAIN_SHIFT = 32;

    /** {@link #FSTS}: a record was lost. */
    public static final int FAULT_OVERFLOW = 1;
    /** {@link #FSTS}: a fault recording register is in use. */
    public static final int FAULT_PENDING = 1 << 1;
    /** {@link #FSTS}: the invalidation queue stopped at an error. */
    public static final int FAULT_QUEUE_ERROR = 1 << 4;
    /** {@link #FSTS}: an invalidation completion made no sense. */
    public static final int FAULT_COMPLETION_ERROR = 1 << 5;
    /** {@link #FSTS}: an invalidation timed out. */
    public static final int FAULT_TIMEOUT = 1 << 6;
    /** {@link #FSTS}: everything that makes a fault event. */
    public static final int FAULT_CONDITIONS = FAULT_OVERFLOW | FAULT_PENDING | FAULT_QUEUE_ERROR | FAULT_COMPLETION_ERROR
            | FAULT_TIMEOUT;
    /** {@link #FSTS}: lowest bit of the index of the first pending record. */
    public static final int FAULT_INDEX_SHIFT = 8;

    /** {@link #FECTL}, {@link #IECTL}: no message is sent. */
    public static final int EVENT_MASKED = 1 << 31;
    /** {@link #FECTL}, {@link #IECTL}: a message waits for the mask to go. */
    public static final int EVENT_PENDING = 1 << 30;

    /** {@link #PMEN}: software's wish. */
    public static final int PROTECTED_ENABLE = 1 << 31;
    /** {@link #PMEN}: in force. */
    public static final int PROTECTED_STATUS = 1;

    /** {@link #IRTA}: destinations have 32 bits (x2APIC). */
    public static final long INTERRUPT_EXTENDED = 1L << 11;
    /** {@link #IRTA}: the table has 2^(n+1) entries. */
    public static final long INTERRUPT_SIZE = 0xF;

    /** {@link #PQH}, {@link #PQT}: the offset. */
    public static final long PAGE_REQUEST_OFFSET = 0x7_FFE0L;
    /** {@link #PRS}: requests were written. */
    public static final int PAGE_REQUEST_PENDING = 1;
    /** {@link #PRS}: requests were discarded. */
    public static final int PAGE_REQUEST_OVERFLOW = 1 << 1;

    /** {@link #IQERCD}: lowest bit of the source-id of a timeout. */
    public static final int QUEUE_TIMEOUT_SOURCE_SHIFT = 32;
    /** {@link #IQERCD}: lowest bit of the source-id of a completion that made no sense. */
    public static final int QUEUE_COMPLETION_SOURCE_SHIFT = 48;

    /** {@link #ICS}: a wait descriptor with interrupt flag completed. */
    public static final int WAIT_COMPLETED = 1;

    /** {@link #IQT}: the offset. */
    public static final long QUEUE_OFFSET = 0x7_FFF0L;
    /** {@link #IQA}: descriptors have 256 bits. */
    public static final long QUEUE_WIDE = 1L << 11;
    /** {@link #IQA}: the queue has 2^n pages. */
    public static final long QUEUE_SIZE = 7;

    /** {@link #IQERCD}: the tail is outside the queue. */
    public static final int QUEUE_BAD_TAIL = 1;
    /** {@link #IQERCD}: a descriptor could not be fetched. */
    public static final int QUEUE_FETCH_FAILED = 2;
    /** {@link #IQERCD}: the descriptor's type is not valid in this mode (Table 26). */
    public static final int QUEUE_BAD_TYPE = 3;
    /** {@link #IQERCD}: a reserved field of the descriptor is not 0. */
    public static final int QUEUE_RESERVED_FIELD = 4;
    /** {@link #IQERCD}: the descriptor width does not fit the mode. */
    public static final int QUEUE_BAD_WIDTH = 5;
    /** {@link #IQERCD}: the tail is not aligned to the descriptor width. */
    public static final int QUEUE_MISALIGNED_TAIL = 6;
    /** {@link #IQERCD}: the translation table mode is reserved. */
    public static final int QUEUE_BAD_TABLE_MODE = 7;

    private Registers() {}
}
