package iommu.smmuv3.format;

/** Command queue entry (IHI 0070, §4): two words; the opcode is bits 7:0 of the first. */
public final class SmmuCommand {
    /** Size of a command. */
    public static final int BYTES = 16;
    /** log2 of {@link #BYTES}. */
    public static final int BYTES_LG2 = 4;

    /** §4.2.1. */
    public static final int PREFETCH_CONFIG = 0x01;
    /** §4.2.2. */
    public static final int PREFETCH_ADDR = 0x02;
    /** §4.3.1. */
    public static final int CFGI_STE = 0x03;
    /** Range 31 is CFGI_ALL (§4.3.2). */
    public static final int CFGI_STE_RANGE = 0x04;
    /** §4.3.3. */
    public static final int CFGI_CD = 0x05;
    /** §4.3.4. */
    public static final int CFGI_CD_ALL = 0x06;
    /** §4.4.2.1. */
    public static final int TLBI_NH_ALL = 0x10;
    /** §4.4.2.2. */
    public static final int TLBI_NH_ASID = 0x11;
    /** §4.4.2.4. */
    public static final int TLBI_NH_VA = 0x12;
    /** §4.4.2.3. */
    public static final int TLBI_NH_VAA = 0x13;
    /** §4.4.2.7. */
    public static final int TLBI_EL2_ALL = 0x20;
    /** §4.4.2.10. */
    public static final int TLBI_EL2_ASID = 0x21;
    /** §4.4.2.8. */
    public static final int TLBI_EL2_VA = 0x22;
    /** §4.4.2.9. */
    public static final int TLBI_EL2_VAA = 0x23;
    /** §4.4.3.2. */
    public static final int TLBI_S12_VMALL = 0x28;
    /** §4.4.3.1. */
    public static final int TLBI_S2_IPA = 0x2a;
    /** §4.4.4. */
    public static final int TLBI_NSNH_ALL = 0x30;
    /** §4.5.1. */
    public static final int ATC_INV = 0x40;
    /** §4.5.2. */
    public static final int PRI_RESP = 0x41;
    /** §4.7.1. */
    public static final int RESUME = 0x44;
    /** §4.7.2. */
    public static final int STALL_TERM = 0x45;
    /** §4.7.3. */
    public static final int SYNC = 0x46;

    /** Word 0: the command names a Secure stream, which this queue may not. */
    public static final long SECURE_STREAM = 1L << 10;
    /** Word 0: SubstreamID is valid. */
    public static final long SUBSTREAM_VALID = 1L << 11;
    /** Word 0 of ATC_INV: translations of all PASIDs. */
    public static final long ATC_GLOBAL = 1L << 9;
    /** Word 1 of ATC_INV: log2 of the 4 KiB pages. */
    public static final long ATC_SIZE = 0x3f;
    /** {@link #ATC_SIZE} of everything. */
    public static final int ATC_SIZE_ALL = 52;
    /** Word 1 of PRI_RESP: the group. */
    public static final long PRI_GROUP = 0x1ff;
    /** Word 1 of PRI_RESP: shift of the answer: 0 failure, 1 invalid, 2 success. */
    public static final int PRI_ANSWER_SHIFT = 12;
    /** Word 0 of RESUME: the request is tried again. */
    public static final long RESUME_RETRY = 1L << 12;
    /** Word 0 of RESUME: the request is aborted, not completed with zeros. */
    public static final long RESUME_ABORT = 1L << 13;
    /** Word 1 of RESUME: the request's token. */
    public static final long RESUME_TAG = 0xffff;
    /** Word 0: shift of StreamID. */
    public static final int STREAM_SHIFT = 32;
    /** Word 0: shift of SubstreamID, 20 bits. */
    public static final int SUBSTREAM_SHIFT = 12;
    /** SubstreamID once shifted down. */
    public static final int SUBSTREAM_MASK = 0xf_ffff;
    /** Word 1: only the last level, or the range of streams as log2 - 1. */
    public static final long LEAF = 1;
    /** Word 1: log2 of the number of streams, less 1. */
    public static final long RANGE = 0x1f;
    /** Word 0: shift of the range's multiplier less 1, 5 bits (§4.4.1.1). */
    public static final int NUM_SHIFT = 12;
    /** Word 0: shift of the range's scale, 5 bits. */
    public static final int SCALE_SHIFT = 20;
    /** Word 0: shift of VMID. */
    public static final int VMID_SHIFT = 32;
    /** Word 0: shift of ASID. */
    public static final int ASID_SHIFT = 48;
    /** Word 1: shift of the level hint, 2 bits. */
    public static final int TTL_SHIFT = 8;
    /** Word 1: shift of the granule, 2 bits: granule is 2^(2 TG + 10); 0 for no range. */
    public static final int TG_SHIFT = 10;
    /** Word 1: address. */
    public static final long ADDRESS = ~0xfffL;
    /** Word 1: intermediate physical address. */
    public static final long IPA = 0x00FF_FFFF_FFFF_F000L;
    /** Word 0 of SYNC: shift of the completion signal. */
    public static final int CS_SHIFT = 12;
    /** Completion signal: none. */
    public static final int CS_NONE = 0;
    /** Completion signal: interrupt. */
    public static final int CS_IRQ = 1;
    /** Completion signal: processor event. */
    public static final int CS_SEV = 2;
    /** Word 0 of SYNC: shift of the message's payload. */
    public static final int MSI_DATA_SHIFT = 32;
    /** Word 1 of SYNC: address of the message. */
    public static final long MSI_ADDRESS = 0x00FF_FFFF_FFFF_FFFCL;

    /** CMDQ_CONS.ERR: malformed or unknown (§7.1). */
    public static final int CERROR_ILL = 1;
    /** CMDQ_CONS.ERR: the command could not be read. */
    public static final int CERROR_ABT = 2;
    /** CMDQ_CONS.ERR: a device did not answer an ATC_INV before this SYNC. */
    public static final int CERROR_ATC_INV_SYNC = 3;

    private SmmuCommand() {}

    /** Opcode of a command's first word. */
    public static int opcode(long word0) {
        return (int) word0 & 0xff;
    }
}
