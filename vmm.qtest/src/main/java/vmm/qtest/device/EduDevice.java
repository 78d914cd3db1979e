package vmm.qtest.device;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import vmm.qtest.board.Mmio;
import vmm.qtest.board.PciFunction;
import vmm.qtest.board.PciIds;

/** QEMU's edu: a DMA engine with a buffer, and an interrupt. A transfer ends 100 ms of the board's time after its command. */
public final class EduDevice extends PciFunction {
    /** What QEMU calls it. */
    public static final String NAME = "edu";
    /** Address bits of its DMA engine unless it is told otherwise: 28. */
    public static final long DEFAULT_DMA_MASK = (1L << 28) - 1;
    private static final PciIds IDS = new PciIds(0x1234, 0x11e8, 0x00ff00, 0x10);
    private static final long TRANSFER_NS = 100_000_000;
    /** From here on factorials have 32 factors of two. */
    private static final int FACTORIAL_IS_ZERO = 34;

    private final long dmaMask;
    private final MemorySegment buffer = Arena.ofAuto().allocate(EduRegister.BUFFER_BYTES, Long.BYTES);
    private final Mmio registers = new Registers();
    private int liveness;
    private int factorial;
    private int status;
    private int interruptStatus;
    private long dmaSource;
    private long dmaDestination;
    private long dmaCount;
    private long dmaCommand;

    /** @param dmaMask bits of an address that its DMA engine can send */
    public EduDevice(long dmaMask) {
        super(IDS, EduRegister.BAR_BYTES, true);
        this.dmaMask = dmaMask;
    }

    @Override
    protected Mmio registers() {
        return registers;
    }

    @Override
    protected void resetDevice() {
        clock().cancel(this);
        liveness = 0;
        factorial = 0;
        status = 0;
        interruptStatus = 0;
        dmaSource = 0;
        dmaDestination = 0;
        dmaCount = 0;
        dmaCommand = 0;
        buffer.fill((byte) 0);
    }

    private void raise(int bits) {
        interruptStatus |= bits;
        if (interruptStatus != 0) {
            raiseInterrupt();
        }
    }

    private void acknowledge(int bits) {
        interruptStatus &= ~bits;
        if (interruptStatus == 0) {
            clearInterrupt();
        }
    }

    private void computeFactorial(int n) {
        factorial = 1;
        if (Integer.compareUnsigned(n, FACTORIAL_IS_ZERO) >= 0) {
            factorial = 0;
        } else {
            for (int factor = 2; factor <= n; factor++) {
                factorial *= factor;
            }
        }
        if ((status & EduRegister.STATUS_INTERRUPT) != 0) {
            raise(EduRegister.INTERRUPT_FACTORIAL);
        }
    }

    /** The end of a transfer. What does not fit into the buffer, or is refused, is not moved; the device has no way to say so. */
    private void transfer() {
        boolean toMemory = (dmaCommand & EduRegister.DMA_TO_MEMORY) != 0;
        long inBuffer = (toMemory ? dmaSource : dmaDestination) - EduRegister.BUFFER;
        boolean fits = inBuffer >= 0 && dmaCount > 0 && dmaCount <= EduRegister.BUFFER_BYTES && inBuffer <= EduRegister.BUFFER_BYTES - dmaCount;
        if (fits && toMemory) {
            dmaWrite(dmaDestination & dmaMask, buffer, inBuffer, dmaCount);
        } else if (fits) {
            dmaRead(dmaSource & dmaMask, buffer, inBuffer, dmaCount);
        }
        boolean interrupt = (dmaCommand & EduRegister.DMA_INTERRUPT) != 0;
        dmaCommand &= ~EduRegister.DMA_START;
        if (interrupt) {
            raise(EduRegister.INTERRUPT_DMA);
        }
    }

    private final class Registers implements Mmio {
        @Override
        public int minBytes() {
            return Integer.BYTES;
        }

        @Override
        public long read(long offset, int bytes) {
            if (bytes == Long.BYTES && offset < EduRegister.WIDE) {
                return -1;
            }
            return switch ((int) offset) {
                case EduRegister.IDENTIFICATION -> EduRegister.IDENTITY;
                case EduRegister.LIVENESS -> liveness;
                case EduRegister.FACTORIAL -> factorial;
                case EduRegister.STATUS -> status;
                case EduRegister.INTERRUPT_STATUS -> interruptStatus;
                case EduRegister.DMA_SOURCE -> dmaSource;
                case EduRegister.DMA_DESTINATION -> dmaDestination;
                case EduRegister.DMA_COUNT -> dmaCount;
                case EduRegister.DMA_COMMAND -> dmaCommand;
                default -> -1;
            };
        }

        @Override
        public void write(long offset, int bytes, long value) {
            if (bytes == Long.BYTES && offset < EduRegister.WIDE) {
                return;
            }
            switch ((int) offset) {
                case EduRegister.LIVENESS -> liveness = ~(int) value;
                case EduRegister.FACTORIAL -> computeFactorial((int) value);
                case EduRegister.STATUS -> status = (int) value & EduRegister.STATUS_INTERRUPT;
                case EduRegister.INTERRUPT_RAISE -> raise((int) value);
                case EduRegister.INTERRUPT_ACKNOWLEDGE -> acknowledge((int) value);
                default -> writeDma((int) offset, value);
            }
        }

        /** While a transfer runs its registers stay as they are. */
        private void writeDma(int offset, long value) {
            if ((dmaCommand & EduRegister.DMA_START) != 0) {
                return;
            }
            switch (offset) {
                case EduRegister.DMA_SOURCE -> dmaSource = value;
                case EduRegister.DMA_DESTINATION -> dmaDestination = value;
                case EduRegister.DMA_COUNT -> dmaCount = value;
                case EduRegister.DMA_COMMAND -> {
                    if ((value & EduRegister.DMA_START) != 0) {
                        dmaCommand = value;
                        clock().after(TRANSFER_NS, EduDevice.this, EduDevice.this::transfer);
                    }
                }
                default -> { }
            }
        }
    }
}
