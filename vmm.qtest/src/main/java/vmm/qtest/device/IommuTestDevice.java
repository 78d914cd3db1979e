package vmm.qtest.device;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import vmm.qtest.board.Mmio;
import vmm.qtest.board.PciFunction;
import vmm.qtest.board.PciIds;

/**
 * QEMU's iommu-testdev: writes a pattern through the IOMMU, then looks, past it, whether the bytes are where they should be. Transfers
 * are done in the read of {@link IommuTestRegister#TRIGGER}. A secure transaction fails: no IOMMU here has a secure side.
 */
public final class IommuTestDevice extends PciFunction {
    /** What QEMU calls it. */
    public static final String NAME = "iommu-testdev";
    private static final PciIds IDS = new PciIds(0x1b36, 0x0005, 0x00ff00, 0);
    private static final int CHUNK_BYTES = 1 << 16;

    private final MemorySegment pattern = Arena.ofAuto().allocate(CHUNK_BYTES, Long.BYTES);
    private final MemorySegment found = Arena.ofAuto().allocate(CHUNK_BYTES, Long.BYTES);
    private final Mmio registers = new Registers();
    private long iova;
    private long address;
    private int length;
    private int result;
    private int attributes;
    private boolean armed;

    /** In a slot of its own, after reset. */
    public IommuTestDevice() {
        super(IDS, IommuTestRegister.BAR_BYTES, false);
        for (int i = 0; i < CHUNK_BYTES; i += Integer.BYTES) {
            pattern.set(JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN), i, IommuTestRegister.PATTERN);
        }
        resetDevice();
    }

    @Override
    protected Mmio registers() {
        return registers;
    }

    @Override
    protected void resetDevice() {
        iova = 0;
        address = 0;
        length = 0;
        result = IommuTestRegister.IDLE;
        attributes = IommuTestRegister.SPACE_NON_SECURE << IommuTestRegister.SPACE_SHIFT;
        armed = false;
    }

    private int run() {
        if (!armed) {
            return IommuTestRegister.NOT_ARMED;
        }
        armed = false;
        if (length == 0) {
            return IommuTestRegister.BAD_LENGTH;
        }
        boolean secure = (attributes & IommuTestRegister.SECURE) != 0;
        int space = attributes >>> IommuTestRegister.SPACE_SHIFT & IommuTestRegister.SPACE_MASK;
        boolean known = space == IommuTestRegister.SPACE_SECURE || space == IommuTestRegister.SPACE_NON_SECURE;
        if ((attributes & IommuTestRegister.SPACE_VALID) != 0 && known && secure != (space == IommuTestRegister.SPACE_SECURE)) {
            return IommuTestRegister.BAD_ATTRIBUTES;
        }
        if (secure || !writeAll()) {
            return IommuTestRegister.WRITE_FAILED;
        }
        return compareAll();
    }

    private boolean writeAll() {
        long bytes = Integer.toUnsignedLong(length);
        for (long done = 0; done < bytes; done += CHUNK_BYTES) {
            if (!dmaWrite(iova + done, pattern, 0, Math.min(CHUNK_BYTES, bytes - done))) {
                return false;
            }
        }
        return true;
    }

    private int compareAll() {
        long bytes = Integer.toUnsignedLong(length);
        for (long done = 0; done < bytes; done += CHUNK_BYTES) {
            long chunk = Math.min(CHUNK_BYTES, bytes - done);
            if (!readPastIommu(address + done, found, 0, chunk)) {
                return IommuTestRegister.READ_FAILED;
            }
            if (MemorySegment.mismatch(found, 0, chunk, pattern, 0, chunk) >= 0) {
                return IommuTestRegister.MISMATCH;
            }
        }
        return IommuTestRegister.DONE;
    }

    private final class Registers implements Mmio {
        @Override
        public int minBytes() {
            return Integer.BYTES;
        }

        @Override
        public int maxBytes() {
            return Integer.BYTES;
        }

        @Override
        public long read(long offset, int bytes) {
            return switch ((int) offset) {
                case IommuTestRegister.TRIGGER -> {
                    result = run();
                    yield 0;
                }
                case IommuTestRegister.IOVA_LOW -> iova;
                case IommuTestRegister.IOVA_HIGH -> iova >>> Integer.SIZE;
                case IommuTestRegister.LENGTH -> length;
                case IommuTestRegister.RESULT -> result;
                case IommuTestRegister.ATTRIBUTES -> attributes;
                case IommuTestRegister.ADDRESS_LOW -> address;
                case IommuTestRegister.ADDRESS_HIGH -> address >>> Integer.SIZE;
                default -> 0;
            };
        }

        @Override
        public void write(long offset, int bytes, long value) {
            switch ((int) offset) {
                case IommuTestRegister.IOVA_LOW -> iova = low(iova, value);
                case IommuTestRegister.IOVA_HIGH -> iova = high(iova, value);
                case IommuTestRegister.LENGTH -> length = (int) value;
                case IommuTestRegister.RESULT -> result = (int) value;
                case IommuTestRegister.DOORBELL -> {
                    armed = (value & IommuTestRegister.ARM) != 0;
                    result = armed ? IommuTestRegister.BUSY : IommuTestRegister.IDLE;
                }
                case IommuTestRegister.ATTRIBUTES -> attributes = (int) value;
                case IommuTestRegister.ADDRESS_LOW -> address = low(address, value);
                case IommuTestRegister.ADDRESS_HIGH -> address = high(address, value);
                default -> { }
            }
        }

        private static long low(long old, long value) {
            return old & -1L << Integer.SIZE | value & 0xffff_ffffL;
        }

        private static long high(long old, long value) {
            return value << Integer.SIZE | old & 0xffff_ffffL;
        }
    }
}
