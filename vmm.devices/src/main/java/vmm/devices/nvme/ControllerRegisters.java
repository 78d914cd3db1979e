package vmm.devices.nvme;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * The registers below the doorbells. Hosts read and write them from any thread; what a write asks for is collected until the
 * controller's thread {@link #take takes} it, so that a register access never waits for DMA. Thread-safe.
 */
final class ControllerRegisters {
    /** CC.EN was cleared: everything stops. */
    static final int RESET = 1;
    /** CC.EN was set. */
    static final int ENABLE = 1 << 1;
    /** CC.SHN was set. */
    static final int SHUTDOWN = 1 << 2;
    /** The interrupt mask changed. */
    static final int MASK = 1 << 3;

    private static final int ADMIN_QUEUE_SIZES = 0x0fff_0fff;
    private static final long ADMIN_QUEUE_BASE = -1L << 12;

    private final AtomicInteger asked = new AtomicInteger();
    private int configuration;
    private int status;
    private int attributes;
    private long submissions;
    private long completions;
    private int mask;

    /** Reads up to 8 bytes. What is no register is 0. */
    synchronized long read(long offset, int lengthBytes) {
        long low = word(offset & ~3L);
        long value = low | word((offset & ~3L) + 4) << 32;
        return switch (lengthBytes) {
            case 8 -> value;
            case 4 -> low;
            default -> low >>> (offset & 3) * 8 & (1L << lengthBytes * 8) - 1;
        };
    }

    private long word(long offset) {
        return switch ((int) offset) {
            case ControllerRegister.CAP -> ControllerRegister.CAPABILITIES & 0xffff_ffffL;
            case ControllerRegister.CAP + 4 -> ControllerRegister.CAPABILITIES >>> 32;
            case ControllerRegister.VS -> ControllerRegister.VERSION;
            case ControllerRegister.INTMS, ControllerRegister.INTMC -> Integer.toUnsignedLong(mask);
            case ControllerRegister.CC -> Integer.toUnsignedLong(configuration);
            case ControllerRegister.CSTS -> Integer.toUnsignedLong(status);
            case ControllerRegister.AQA -> Integer.toUnsignedLong(attributes);
            case ControllerRegister.ASQ -> submissions & 0xffff_ffffL;
            case ControllerRegister.ASQ + 4 -> submissions >>> 32;
            case ControllerRegister.ACQ -> completions & 0xffff_ffffL;
            case ControllerRegister.ACQ + 4 -> completions >>> 32;
            default -> 0;
        };
    }

    /** Writes 4 or 8 bytes; other widths and what is no register are ignored. @return whether there is something to {@link #take} */
    synchronized boolean write(long offset, int lengthBytes, long value) {
        if ((offset & 3) != 0 || lengthBytes != 4 && lengthBytes != 8) {
            return false;
        }
        boolean any = writeWord((int) offset, (int) value);
        return lengthBytes == 8 ? writeWord((int) offset + 4, (int) (value >>> 32)) | any : any;
    }

    private boolean writeWord(int offset, int value) {
        switch (offset) {
            case ControllerRegister.INTMS -> {
                mask |= value;
                return ask(MASK);
            }
            case ControllerRegister.INTMC -> {
                mask &= ~value;
                return ask(MASK);
            }
            case ControllerRegister.CC -> {
                return configure(value & ControllerRegister.CC_WRITABLE);
            }
            case ControllerRegister.CSTS -> status &= ~(value & ControllerRegister.CSTS_SUBSYSTEM_RESET);
            case ControllerRegister.NSSR -> {
                if (value == ControllerRegister.SUBSYSTEM_RESET_WORD) {
                    configuration = 0;
                    status |= ControllerRegister.CSTS_SUBSYSTEM_RESET;
                    return ask(RESET);
                }
            }
            case ControllerRegister.AQA -> attributes = value & ADMIN_QUEUE_SIZES;
            case ControllerRegister.ASQ -> submissions = submissions & ~0xffff_ffffL | value & 0xffff_f000L;
            case ControllerRegister.ASQ + 4 -> submissions = submissions & 0xffff_ffffL | (long) value << 32;
            case ControllerRegister.ACQ -> completions = completions & ~0xffff_ffffL | value & 0xffff_f000L;
            case ControllerRegister.ACQ + 4 -> completions = completions & 0xffff_ffffL | (long) value << 32;
            default -> { }
        }
        return false;
    }

    private boolean configure(int value) {
        int changed = configuration ^ value;
        int asks = 0;
        if ((changed & ControllerRegister.CC_ENABLE) != 0) {
            asks |= (value & ControllerRegister.CC_ENABLE) != 0 ? ENABLE : RESET;
        }
        if ((changed & value & ControllerRegister.CC_SHUTDOWN) != 0) {
            asks |= SHUTDOWN;
        }
        configuration = value;
        return asks != 0 && ask(asks);
    }

    private boolean ask(int what) {
        asked.getAndUpdate(before -> before | what);
        return true;
    }

    /** Whether the controller was told to stop at once. */
    boolean resetAsked() {
        return (asked.get() & RESET) != 0;
    }

    /** What was asked for since the last call; cheap if it is nothing. */
    int take() {
        return asked.get() == 0 ? 0 : asked.getAndSet(0);
    }

    synchronized int configuration() {
        return configuration;
    }

    synchronized int attributes() {
        return attributes;
    }

    synchronized long submissions() {
        return submissions;
    }

    synchronized long completions() {
        return completions;
    }

    synchronized int mask() {
        return mask;
    }

    synchronized int status() {
        return status;
    }

    synchronized void setStatus(int clear, int set) {
        status = status & ~clear | set;
    }

    /** CC.EN was cleared, and nothing goes on any more: registers that a controller reset clears. */
    synchronized void stopped() {
        status &= ControllerRegister.CSTS_SUBSYSTEM_RESET;
        mask = 0;
    }

    synchronized void save(SavedState state) {
        state.put(asked.get()).put(configuration).put(status).put(attributes).put(submissions).put(completions).put(mask);
    }

    synchronized void restore(SavedState state) {
        asked.set(state.number("what registers ask for", 0, RESET | ENABLE | SHUTDOWN | MASK));
        configuration = state.number() & ControllerRegister.CC_WRITABLE;
        status = state.number() & ControllerRegister.CSTS_ALL;
        attributes = state.number() & ADMIN_QUEUE_SIZES;
        submissions = state.word() & ADMIN_QUEUE_BASE;
        completions = state.word() & ADMIN_QUEUE_BASE;
        mask = state.number();
    }

    /** The function was reset: everything is as after power-on. */
    synchronized void powerOn() {
        asked.set(0);
        configuration = 0;
        status = 0;
        attributes = 0;
        submissions = 0;
        completions = 0;
        mask = 0;
    }
}
