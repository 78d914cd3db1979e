package iommu.s390.format;

/**
 * Registers through which a virtual machine monitor hands the unit the instructions that a guest issued and the monitor intercepted:
 * one block for each processor, so that processors do not wait for each other. This model's own. All registers have 64 bits; offsets are
 * from the start of a block.
 *
 * <p>To execute: write {@link #FIRST} to {@link #THIRD} as the instruction needs them, write its {@link #MODIFY_CONTROLS opcode} to
 * {@link #DOORBELL}, read {@link #OUTCOME}. Addresses of blocks are the guest's absolute addresses.
 */
public final class CommandBlock {
    /** Size of a block. */
    public static final int BYTES = 64;
    /** The register with handle, address space and operation; the status comes back in its bits 31:24, where the instruction puts it. */
    public static final int FIRST = 0x00;
    /** The address of a block; RPCIT: the first address of the range. */
    public static final int SECOND = 0x08;
    /** RPCIT: the length of the range. */
    public static final int THIRD = 0x10;
    /** Written: executes. Reads as zero. */
    public static final int DOORBELL = 0x18;
    /** Read-only: the {@link Outcome} of the last instruction; {@link #UNKNOWN} for an opcode that is none of these. */
    public static final int OUTCOME = 0x20;

    /** Opcode of MPCIFC: {@link #FIRST} and a {@link FunctionBlock}. */
    public static final int MODIFY_CONTROLS = 0xE3D0;
    /** Opcode of STPCIFC: {@link #FIRST} and a {@link FunctionBlock}. */
    public static final int STORE_CONTROLS = 0xE3D4;
    /** Opcode of RPCIT: {@link #FIRST} to {@link #THIRD}. */
    public static final int REFRESH = 0xB9D3;
    /** Opcode of CLP: a {@link LogicalProcessorBlock} at {@link #SECOND}. */
    public static final int LOGICAL_PROCESSOR = 0xB9A0;
    /** Opcode of CHSC: an {@link EventBlock} at {@link #SECOND}. */
    public static final int CHANNEL_SUBSYSTEM = 0xB25F;

    /** Outcome: operation exception. */
    public static final int UNKNOWN = Outcome.interruption(0x01);

    private CommandBlock() {}
}
