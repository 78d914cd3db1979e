package iommu.smmuv3.format;

/** Stream table entry and level 1 stream table descriptor (IHI 0070, §5.1 and §5.2): eight words and one. */
public final class StreamTableEntry {
    /** Size of an entry. */
    public static final int BYTES = 64;
    /** log2 of {@link #BYTES}. */
    public static final int BYTES_LG2 = 6;
    /** Words of an entry. */
    public static final int WORDS = 8;

    /** Word 0: the entry is valid. */
    public static final long VALID = 1;
    /** Word 0: shift of Config. */
    public static final int CONFIG_SHIFT = 1;
    /** Config once shifted down: bit 2 clear, requests are aborted silently. */
    public static final int CONFIG_ABORT = 0;
    /** Config: no translation. */
    public static final int CONFIG_BYPASS = 4;
    /** Config: stage 1. */
    public static final int CONFIG_STAGE1 = 5;
    /** Config: stage 2. */
    public static final int CONFIG_STAGE2 = 6;
    /** Config: stage 1, then stage 2. */
    public static final int CONFIG_NESTED = 7;
    /** Config bit that lets requests pass. */
    public static final int CONFIG_PASS_BIT = 4;
    /** Config bit of stage 2. */
    public static final int CONFIG_STAGE2_BIT = 2;
    /** Config bit of stage 1. */
    public static final int CONFIG_STAGE1_BIT = 1;
    /** Word 0: shift of S1Fmt. */
    public static final int S1FMT_SHIFT = 4;
    /** S1Fmt: two levels, leaves of 4 KiB (64 descriptors). */
    public static final int S1FMT_2LEVEL_4K = 1;
    /** S1Fmt: two levels, leaves of 64 KiB (1024 descriptors). */
    public static final int S1FMT_2LEVEL_64K = 2;
    /** Word 0: context descriptor or table. */
    public static final long S1_CONTEXT_POINTER = 0x00FF_FFFF_FFFF_FFC0L;
    /** Word 0: shift of log2 of the number of context descriptors. */
    public static final int S1CDMAX_SHIFT = 59;

    /** Word 1: what happens to requests without SubstreamID where there are substreams. */
    public static final long S1DSS = 3;
    /** S1DSS: aborted with F_STREAM_DISABLED. */
    public static final int S1DSS_TERMINATE = 0;
    /** S1DSS: past stage 1. */
    public static final int S1DSS_BYPASS = 1;
    /** S1DSS: by context descriptor 0. */
    public static final int S1DSS_SUBSTREAM0 = 2;
    /** Word 1: automatic page responses have the request's PASID. */
    public static final long PPAR = 1L << 18;
    /** Word 1: stage 1 stalls are disabled. */
    public static final long S1STALLD = 1L << 27;

    /** Word 1: shift of EATS, 2 bits. */
    public static final int EATS_SHIFT = 28;
    /** EATS: devices get no translations. */
    public static final int EATS_NONE = 0;
    /** EATS: devices get translations by all stages. */
    public static final int EATS_FULL = 1;
    /** EATS: devices get translations by stage 1. */
    public static final int EATS_SPLIT = 2;
    /** Word 1: shift of STRW, 2 bits. */
    public static final int STRW_SHIFT = 30;
    /** STRW: hypervisor. */
    public static final int STRW_EL2 = 2;
    /** Word 1: shift of PRIVCFG, 2 bits. */
    public static final int PRIVCFG_SHIFT = 48;
    /** Word 1: shift of INSTCFG, 2 bits. */
    public static final int INSTCFG_SHIFT = 50;
    /** PRIVCFG: privileged; INSTCFG: instruction. */
    public static final int OVERRIDE_ON = 3;
    /** Word 2: VMID. */
    public static final long S2VMID = 0xffff;
    /** Word 2: shift of S2T0SZ, 6 bits. */
    public static final int S2T0SZ_SHIFT = 32;
    /** Word 2: shift of S2SL0, 2 bits. */
    public static final int S2SL0_SHIFT = 38;
    /** Word 2: stage 2 tables are write-back cacheable and inner shareable (S2IR0, S2OR0, S2SH0). */
    public static final long S2_CACHEABLE = 1L << 40 | 1L << 42 | 3L << 44;
    /** Word 2: shift of S2TG, 2 bits: 0 is 4K, 1 is 64K, 2 is 16K. */
    public static final int S2TG_SHIFT = 46;
    /** Word 2: shift of S2PS, 3 bits. */
    public static final int S2PS_SHIFT = 48;
    /** Word 2: tables are VMSAv8-64. */
    public static final long S2AA64 = 1L << 51;
    /** Word 2: tables are big-endian. */
    public static final long S2ENDI = 1L << 52;
    /** Word 2: no fault for AF = 0. */
    public static final long S2AFFD = 1L << 53;
    /** Word 2: a stage 1 walk must not touch device memory. */
    public static final long S2PTW = 1L << 54;
    /** Word 2: hardware updates the dirty state; needs {@link #S2HA}. */
    public static final long S2HD = 1L << 55;
    /** Word 2: hardware updates the access flag. */
    public static final long S2HA = 1L << 56;
    /** Word 2: faults stall. */
    public static final long S2S = 1L << 57;
    /** Word 2: faults are recorded. */
    public static final long S2R = 1L << 58;
    /** Word 3: stage 2 table. */
    public static final long S2TTB = 0x00FF_FFFF_FFFF_FFF0L;

    /** Level 1 descriptor: 2^(SPAN-1) entries follow; 0 is none. */
    public static final long L1_SPAN = 0x1f;
    /** Level 1 descriptor: the second-level table. */
    public static final long L1_POINTER = 0x00FF_FFFF_FFFF_FFC0L;

    private StreamTableEntry() {}

    /** Config of an entry's word 0. */
    public static int config(long word0) {
        return (int) (word0 >>> CONFIG_SHIFT) & 7;
    }
}
