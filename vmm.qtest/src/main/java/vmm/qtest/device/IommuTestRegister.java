package vmm.qtest.device;

/** Registers of iommu-testdev (QEMU, docs/specs/iommu-testdev), 4 bytes wide. */
final class IommuTestRegister {
    /** A read carries out the request that is armed. */
    static final int TRIGGER = 0x00;
    /** Where the DMA goes, low half. */
    static final int IOVA_LOW = 0x04;
    /** Where the DMA goes, high half. */
    static final int IOVA_HIGH = 0x08;
    /** Length in bytes. */
    static final int LENGTH = 0x0c;
    /** How it ended. */
    static final int RESULT = 0x10;
    /** {@link #ARM} arms, 0 disarms. */
    static final int DOORBELL = 0x14;
    /** Attributes of the transaction. */
    static final int ATTRIBUTES = 0x18;
    /** Where the bytes should arrive, low half. */
    static final int ADDRESS_LOW = 0x1c;
    /** Where the bytes should arrive, high half. */
    static final int ADDRESS_HIGH = 0x20;
    /** Size of the BAR. */
    static final int BAR_BYTES = 0x1000;

    static final int ARM = 1;

    /** Attributes: a secure transaction. */
    static final int SECURE = 1;
    /** Attributes: security space, in bits 2:1. */
    static final int SPACE_SHIFT = 1;
    static final int SPACE_MASK = 3;
    static final int SPACE_SECURE = 0;
    static final int SPACE_NON_SECURE = 1;
    /** Attributes: the space counts, else it is non-secure. */
    static final int SPACE_VALID = 1 << 3;

    static final int DONE = 0;
    static final int IDLE = 0xffff_ffff;
    static final int BUSY = 0xffff_fffe;
    static final int BAD_LENGTH = 0xdead_0001;
    static final int WRITE_FAILED = 0xdead_0002;
    static final int READ_FAILED = 0xdead_0003;
    static final int MISMATCH = 0xdead_0004;
    static final int NOT_ARMED = 0xdead_0005;
    static final int BAD_ATTRIBUTES = 0xdead_0006;

    /** What is written, over and over, little-endian. */
    static final int PATTERN = 0x1234_5678;

    private IommuTestRegister() {}
}
