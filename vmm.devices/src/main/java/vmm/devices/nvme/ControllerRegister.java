package vmm.devices.nvme;

/** Controller registers: offsets and fields (NVMe 1.4, §3.1). */
final class ControllerRegister {
    /** Controller Capabilities, 64 bits, read-only. §3.1.1 */
    static final int CAP = 0x00;
    /** Version, read-only. §3.1.2 */
    static final int VS = 0x08;
    /** Interrupt Mask Set: writing 1 masks, reading gives the mask. §3.1.3 */
    static final int INTMS = 0x0c;
    /** Interrupt Mask Clear: writing 1 unmasks, reading gives the mask. §3.1.4 */
    static final int INTMC = 0x10;
    /** Controller Configuration. §3.1.5 */
    static final int CC = 0x14;
    /** Controller Status; NSSRO clears by writing 1. §3.1.6 */
    static final int CSTS = 0x1c;
    /** NVM Subsystem Reset, write-only. §3.1.7 */
    static final int NSSR = 0x20;
    /** Admin Queue Attributes. §3.1.8 */
    static final int AQA = 0x24;
    /** Admin Submission Queue Base Address, 64 bits. §3.1.9 */
    static final int ASQ = 0x28;
    /** Admin Completion Queue Base Address, 64 bits. §3.1.10 */
    static final int ACQ = 0x30;
    /** Doorbells: of queue y the submission tail at 8y, the completion head at 8y + 4. §3.1.16, §3.1.17 */
    static final int DOORBELLS = 0x1000;
    /** One page of doorbells, which clients may map. */
    static final int DOORBELLS_BYTES = 0x1000;
    /** All registers. */
    static final int BAR_BYTES = DOORBELLS + DOORBELLS_BYTES;

    /** 1.4.0. */
    static final int VERSION = 0x0001_0400;
    /** Entries a queue may have, 0's based. */
    static final int MAX_QUEUE_ENTRIES = 4095;

    private static final int READY_TIMEOUT_500MS = 80;
    /** Smallest memory page, 4 KiB. */
    static final int MIN_PAGE_LG2 = 12;
    /** Largest memory page, 64 KiB. */
    static final int MAX_PAGE_LG2 = 16;

    /**
     * MQES, contiguous queues required, round robin only, time to become ready, doorbell stride 4, subsystem reset, NVM command
     * set, memory pages from 4 to 64 KiB.
     */
    static final long CAPABILITIES = MAX_QUEUE_ENTRIES | 1L << 16 | (long) READY_TIMEOUT_500MS << 24 | 1L << 36 | 1L << 37
            | (long) (MIN_PAGE_LG2 - 12) << 48 | (long) (MAX_PAGE_LG2 - 12) << 52;

    /** CC.EN */
    static final int CC_ENABLE = 1;
    /** CC.CSS: anything but 0 is a command set there is not. */
    static final int CC_COMMAND_SET = 7 << 4;
    /** CC.AMS: anything but 0 is an arbitration there is not. */
    static final int CC_ARBITRATION = 7 << 11;
    /** CC.SHN: 1 normal, 2 abrupt. */
    static final int CC_SHUTDOWN = 3 << 14;
    /** Bits of CC that software may change. */
    static final int CC_WRITABLE = 0x00ff_fff1;

    /** CSTS.RDY */
    static final int CSTS_READY = 1;
    /** CSTS.CFS */
    static final int CSTS_FATAL = 1 << 1;
    /** CSTS.SHST */
    static final int CSTS_SHUTDOWN = 3 << 2;
    /** CSTS.SHST: shutdown occurs. */
    static final int CSTS_SHUTDOWN_OCCURRING = 1 << 2;
    /** CSTS.SHST: shutdown is complete. */
    static final int CSTS_SHUTDOWN_COMPLETE = 2 << 2;
    /** CSTS.NSSRO */
    static final int CSTS_SUBSYSTEM_RESET = 1 << 4;

    /** All of CSTS. */
    static final int CSTS_ALL = CSTS_READY | CSTS_FATAL | CSTS_SHUTDOWN | CSTS_SUBSYSTEM_RESET;

    /** "NVMe", what NSSR wants to see. */
    static final int SUBSYSTEM_RESET_WORD = 0x4e56_4d65;

    private ControllerRegister() {}

    /** log2 of CC.MPS's memory page. */
    static int pageLg2(int configuration) {
        return 12 + (configuration >>> 7 & 0xf);
    }

    /** CC.IOSQES: log2 of a submission queue entry. */
    static int submissionEntryLg2(int configuration) {
        return configuration >>> 16 & 0xf;
    }

    /** CC.IOCQES: log2 of a completion queue entry. */
    static int completionEntryLg2(int configuration) {
        return configuration >>> 20 & 0xf;
    }

    /** AQA.ASQS: entries of the admin submission queue. */
    static int adminSubmissionEntries(int attributes) {
        return (attributes & 0xfff) + 1;
    }

    /** AQA.ACQS: entries of the admin completion queue. */
    static int adminCompletionEntries(int attributes) {
        return (attributes >>> 16 & 0xfff) + 1;
    }
}
