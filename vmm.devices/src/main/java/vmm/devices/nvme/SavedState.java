package vmm.devices.nvme;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * A controller's state on its way to another host: little-endian numbers one after the other, in the order of the classes that
 * save them. Reading checks: whatever arrives, it is a state or {@link Errno#EINVAL}.
 */
final class SavedState {
    /** More than any controller's: all of its queues and features. */
    static final int MAX_BYTES = 64 << 10;

    private final ByteBuffer bytes;

    private SavedState(ByteBuffer bytes) {
        this.bytes = bytes.order(ByteOrder.LITTLE_ENDIAN);
    }

    /** An empty one to be written. */
    static SavedState empty() {
        return new SavedState(ByteBuffer.allocate(MAX_BYTES));
    }

    /** One that arrived. */
    static SavedState arrived(byte[] content) {
        return new SavedState(ByteBuffer.wrap(content));
    }

    /** What was written so far. */
    byte[] written() {
        return Arrays.copyOf(bytes.array(), bytes.position());
    }

    SavedState put(int number) {
        bytes.putInt(number);
        return this;
    }

    SavedState put(long number) {
        bytes.putLong(number);
        return this;
    }

    SavedState put(boolean flag) {
        return put(flag ? 1 : 0);
    }

    SavedState put(int[] numbers, int count) {
        for (int i = 0; i < count; i++) {
            put(numbers[i]);
        }
        return this;
    }

    /** Any number. @throws IommufdException {@link Errno#EINVAL} if there is none */
    int number() {
        try {
            return bytes.getInt();
        } catch (BufferUnderflowException end) {
            throw tooShort(end);
        }
    }

    /** Any 64-bit number. @throws IommufdException as {@link #number()} */
    long word() {
        try {
            return bytes.getLong();
        } catch (BufferUnderflowException end) {
            throw tooShort(end);
        }
    }

    private static IommufdException tooShort(BufferUnderflowException end) {
        return new IommufdException(Errno.EINVAL, "the state of an NVMe controller ends early", end);
    }

    /** A number in a range. @throws IommufdException {@link Errno#EINVAL} if it is outside */
    int number(String what, int least, int most) {
        int number = number();
        if (number < least || number > most) {
            throw new IommufdException(Errno.EINVAL, "the state of an NVMe controller has %d for %s, which is %d to %d here".formatted(number, what, least, most));
        }
        return number;
    }

    boolean flag(String what) {
        return number(what, 0, 1) == 1;
    }

    /** A number that must be this one. @throws IommufdException {@link Errno#EINVAL} if it is another */
    void expect(String what, long value) {
        long found = word();
        if (found != value) {
            throw new IommufdException(Errno.EINVAL, "the state of another NVMe controller: %s is %d there, %d here".formatted(what, found, value));
        }
    }

    /** Numbers for all of an array. */
    void fill(int[] numbers) {
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = number();
        }
    }

    /** @throws IommufdException {@link Errno#EINVAL} unless all was read */
    void expectEnd() {
        if (bytes.hasRemaining()) {
            throw new IommufdException(Errno.EINVAL, "%d bytes follow the state of an NVMe controller".formatted(bytes.remaining()));
        }
    }
}
