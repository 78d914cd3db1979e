package vmm.devices.ioat;

/**
 * Registers of BAR 0: those of the function, then 128 bytes for each channel (Intel Xeon Processor Scalable Family datasheet,
 * volume 2, CB DMA BAR registers). Offsets of the channel's are those of channel 0.
 */
final class IoatRegister {
    /** CHANCNT, 8 bits: how many channels there are. */
    static final int CHANNEL_COUNT = 0x00;
    /** XFERCAP, 8 bits: log2 of the longest transfer. */
    static final int TRANSFER_CAPABILITY = 0x01;
    /** CBVER, 8 bits: version, major number in the upper half. */
    static final int VERSION = 0x08;
    /** DMACAPABILITY, 32 bits: what there is besides copying. */
    static final int CAPABILITY = 0x10;
    /** DMACAPABILITY: fills memory with a pattern. */
    static final int CAPABILITY_FILL = 1 << 6;

    /** CHANCTRL, 16 bits. */
    static final int CONTROL = 0x80;
    /** CHANCTRL: an interrupt when the channel halts for an error. */
    static final int CONTROL_ERROR_INTERRUPT = 1 << 4;
    /** CHANCTRL: the status is written to the completion address when the channel halts for an error. */
    static final int CONTROL_ERROR_COMPLETION = 1 << 2;
    /** CHANCMD, 8 bits: reads as 0 when the command was carried out. */
    static final int COMMAND = 0x84;
    /** CHANCMD: lets go of everything. */
    static final int COMMAND_RESET = 0x20;
    /** CHANCMD: stops after the descriptor under way. */
    static final int COMMAND_SUSPEND = 0x04;
    /** DMACOUNT, 16 bits: how many descriptors of the chain the driver has prepared, counted since its start; the doorbell. */
    static final int COUNT = 0x86;
    /** CHANSTS, 64 bits: the last descriptor done in bits 63:6, the state in bits 2:0. */
    static final int STATUS = 0x88;
    /** CHAINADDR, 64 bits: the chain's first descriptor. */
    static final int CHAIN_ADDRESS = 0x90;
    /** CHANCMP, 64 bits: where the status is written to when a descriptor asks for it. */
    static final int COMPLETION_ADDRESS = 0x98;
    /** CHANERR, 32 bits: why the channel has halted. */
    static final int ERROR = 0xA8;

    /** CHANSTS: copies. */
    static final int STATE_ACTIVE = 0;
    /** CHANSTS: everything is done. */
    static final int STATE_IDLE = 1;
    /** CHANSTS: was told to stop. */
    static final int STATE_SUSPENDED = 2;
    /** CHANSTS: met an error. */
    static final int STATE_HALTED = 3;
    /** CHANSTS: has a chain and waits for the doorbell. */
    static final int STATE_ARMED = 4;

    /** CHANERR: the source cannot be read. */
    static final int ERROR_SOURCE = 1;
    /** CHANERR: the destination cannot be written. */
    static final int ERROR_DESTINATION = 1 << 1;
    /** CHANERR: no such command. */
    static final int ERROR_COMMAND = 1 << 5;
    /** CHANERR: the descriptor cannot be read. */
    static final int ERROR_DESCRIPTOR = 1 << 8;
    /** CHANERR: no such operation. */
    static final int ERROR_OPERATION = 1 << 10;
    /** CHANERR: longer than a transfer may be. */
    static final int ERROR_LENGTH = 1 << 11;
    /** CHANERR: the completion address cannot be written. */
    static final int ERROR_COMPLETION = 1 << 12;

    private IoatRegister() {}
}
