package vmm.qtest.device;

/** Registers of edu (QEMU, docs/specs/edu, "MMIO area spec"). Below {@link #WIDE} 4 bytes wide, from there on 4 or 8. */
final class EduRegister {
    static final int IDENTIFICATION = 0x00;
    /** Reads as the complement of what was written. */
    static final int LIVENESS = 0x04;
    /** Write n, read n!. */
    static final int FACTORIAL = 0x08;
    static final int STATUS = 0x20;
    static final int INTERRUPT_STATUS = 0x24;
    static final int INTERRUPT_RAISE = 0x60;
    static final int INTERRUPT_ACKNOWLEDGE = 0x64;
    static final int DMA_SOURCE = 0x80;
    static final int DMA_DESTINATION = 0x88;
    static final int DMA_COUNT = 0x90;
    static final int DMA_COMMAND = 0x98;
    /** From here on registers may be accessed by 8 bytes. */
    static final int WIDE = 0x80;

    /** Version 1.0 of a device called "ed". */
    static final int IDENTITY = 0x0100_00ed;
    /** Status: an interrupt tells of each factorial. */
    static final int STATUS_INTERRUPT = 0x80;
    /** Interrupt status: a factorial is there. */
    static final int INTERRUPT_FACTORIAL = 0x1;
    /** Interrupt status: a transfer ended. */
    static final int INTERRUPT_DMA = 0x100;
    /** DMA command: start; reads as 1 until the transfer ended. */
    static final int DMA_START = 1;
    /** DMA command: from the device to memory, else from memory to the device. */
    static final int DMA_TO_MEMORY = 2;
    /** DMA command: interrupt at the end. */
    static final int DMA_INTERRUPT = 4;

    /** Where the device's own buffer is, in DMA addresses. */
    static final long BUFFER = 0x40000;
    static final int BUFFER_BYTES = 4096;
    static final int BAR_BYTES = 1 << 20;

    private EduRegister() {}
}
