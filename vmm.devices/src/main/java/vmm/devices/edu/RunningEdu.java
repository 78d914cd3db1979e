package vmm.devices.edu;

import vfio.device.DeviceHost;
import vfio.device.Interrupts;
import vfio.device.RunningDevice;

/** The device in the hands of a client. Thread-safe. */
final class RunningEdu implements RunningDevice {
    /** From here on factorials have 32 factors of two. */
    private static final int FACTORIAL_IS_ZERO = 34;

    private final Interrupts interrupts;
    private final EduDmaEngine engine;
    private int liveness;
    private int factorial;
    private int status;
    private int interruptStatus;
    private long dmaSource;
    private long dmaDestination;
    private long dmaCount;
    private int dmaCommand;

    RunningEdu(DeviceHost host, long addressMask) {
        interrupts = host.interrupts();
        engine = new EduDmaEngine(host.openPort(), addressMask, this::transferred);
    }

    @Override
    public synchronized long read(int bar, long offset, int widthBytes) {
        boolean wide = offset >= EduRegister.WIDE;
        if (widthBytes != Integer.BYTES && !(wide && widthBytes == Long.BYTES)) {
            return ones(widthBytes);
        }
        long value = switch ((int) offset) {
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
        return value & ones(widthBytes);
    }

    private static long ones(int widthBytes) {
        return -1L >>> Long.SIZE - widthBytes * Byte.SIZE;
    }

    @Override
    public synchronized void write(int bar, long offset, int widthBytes, long value) {
        boolean wide = offset >= EduRegister.WIDE;
        if (widthBytes != Integer.BYTES && !(wide && widthBytes == Long.BYTES)) {
            return;
        }
        switch ((int) offset) {
            case EduRegister.LIVENESS -> liveness = ~(int) value;
            case EduRegister.FACTORIAL -> {
                factorial = factorial((int) value);
                if ((status & EduRegister.STATUS_INTERRUPT) != 0) {
                    raise(EduRegister.INTERRUPT_FACTORIAL);
                }
            }
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
                    dmaCommand = (int) value;
                    engine.start(dmaSource, dmaDestination, dmaCount, (value & EduRegister.DMA_TO_MEMORY) != 0);
                }
            }
            default -> { }
        }
    }

    private static int factorial(int n) {
        if (Integer.compareUnsigned(n, FACTORIAL_IS_ZERO) >= 0) {
            return 0;
        }
        int product = 1;
        for (int factor = 2; factor <= n; factor++) {
            product *= factor;
        }
        return product;
    }

    private void raise(int bits) {
        interruptStatus |= bits;
        if (interruptStatus != 0) {
            if (interrupts.mode() == Interrupts.Mode.INTX) {
                interrupts.line(true);
            } else {
                interrupts.message(0);
            }
        }
    }

    private void acknowledge(int bits) {
        interruptStatus &= ~bits;
        if (interruptStatus == 0) {
            interrupts.line(false);
        }
    }

    private synchronized void transferred() {
        boolean interrupt = (dmaCommand & EduRegister.DMA_INTERRUPT) != 0;
        boolean running = (dmaCommand & EduRegister.DMA_START) != 0;
        dmaCommand &= ~EduRegister.DMA_START;
        if (running && interrupt) {
            raise(EduRegister.INTERRUPT_DMA);
        }
    }

    @Override
    public void reset() {
        engine.reset();
        synchronized (this) {
            liveness = 0;
            factorial = 0;
            status = 0;
            interruptStatus = 0;
            dmaSource = 0;
            dmaDestination = 0;
            dmaCount = 0;
            dmaCommand = 0;
        }
    }

    @Override
    public void close() {
        engine.close();
    }
}
