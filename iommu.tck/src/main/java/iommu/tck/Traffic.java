package iommu.tck;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.dma.DmaStatus;
import iommufd.api.hardware.HardwarePort;
import iommufd.api.memory.HostMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/** DMA whose every byte is compared with memory, and the bytes around it as well. */
final class Traffic {
    private static final long WATCH_BYTES = 4096;
    private static final int GUARD_BYTES = 16;

    private final Random random;

    Traffic(long seed) {
        random = new Random(seed);
    }

    /** Writes random bytes by DMA: they arrive where {@code mapped} says, and nothing else in the pages around changes. */
    void writeArrives(HardwarePort port, Mapped mapped, long iova, int lengthBytes) {
        byte[] payload = randomBytes(lengthBytes);
        Watch watch = new Watch();
        for (int i = 0; i < lengthBytes; i++) {
            watch.expect(mapped.physicalAddress(iova + i), payload[i]);
        }
        DmaStatus status = port.write(iova, heapSource(payload), GUARD_BYTES, lengthBytes);
        assertThat(status).as("status of a write of %d bytes at 0x%x", lengthBytes, iova).isEqualTo(DmaStatus.DONE);
        assertThat(port.status()).isEqualTo(DmaStatus.DONE);
        watch.verify();
    }

    /** Fills memory with random bytes and reads them by DMA: exactly those arrive, and nothing beside the target changes. */
    void readArrives(HardwarePort port, Mapped mapped, long iova, int lengthBytes) {
        byte[] expected = randomBytes(lengthBytes);
        for (int i = 0; i < lengthBytes; i++) {
            putByte(mapped.physicalAddress(iova + i), expected[i]);
        }
        for (int i = 0; i < lengthBytes; i++) {
            expected[i] = byteAt(mapped.physicalAddress(iova + i));   // two pages may show the same memory
        }
        byte[] target = new byte[lengthBytes + 2 * GUARD_BYTES];
        Arrays.fill(target, (byte) 0x33);
        DmaStatus status = port.read(iova, MemorySegment.ofArray(target), GUARD_BYTES, lengthBytes);
        assertThat(status).as("status of a read of %d bytes at 0x%x", lengthBytes, iova).isEqualTo(DmaStatus.DONE);
        assertThat(Arrays.copyOfRange(target, GUARD_BYTES, GUARD_BYTES + lengthBytes)).as("bytes read at 0x%x", iova)
                .isEqualTo(expected);
        assertGuards(target);
    }

    /** Reads and writes. */
    void passes(HardwarePort port, Mapped mapped, long iova, int lengthBytes) {
        writeArrives(port, mapped, iova, lengthBytes);
        readArrives(port, mapped, iova, lengthBytes);
    }

    /** Reads and writes around both ends and at some places inside. */
    void passesThroughout(HardwarePort port, Mapped mapped) {
        int length = (int) Math.min(64, mapped.lengthBytes());
        passes(port, mapped, mapped.iova(), length);
        passes(port, mapped, mapped.lastIova() - length + 1, length);
        for (int i = 0; i < 4; i++) {
            passes(port, mapped, mapped.iova() + random.nextLong(mapped.lengthBytes() - length + 1), length);
        }
    }

    /** A read at {@code iova} is refused and delivers zeros only. */
    static void readIsRefused(HardwarePort port, long iova, int lengthBytes) {
        byte[] target = new byte[lengthBytes + 2 * GUARD_BYTES];
        Arrays.fill(target, (byte) 0x33);
        DmaStatus status = port.read(iova, MemorySegment.ofArray(target), GUARD_BYTES, lengthBytes);
        assertThat(status).as("status of a read of %d bytes at 0x%x", lengthBytes, iova).isEqualTo(DmaStatus.FAULTED);
        assertThat(port.status()).isEqualTo(DmaStatus.FAULTED);
        assertThat(Arrays.copyOfRange(target, GUARD_BYTES, GUARD_BYTES + lengthBytes)).as("what a refused read delivers")
                .isEqualTo(new byte[lengthBytes]);
        assertGuards(target);
    }

    /** A write at {@code iova} is refused. */
    static void writeIsRefused(HardwarePort port, long iova, int lengthBytes) {
        byte[] payload = new byte[lengthBytes + 2 * GUARD_BYTES];
        Arrays.fill(payload, (byte) 0x77);
        DmaStatus status = port.write(iova, MemorySegment.ofArray(payload), GUARD_BYTES, lengthBytes);
        assertThat(status).as("status of a write of %d bytes at 0x%x", lengthBytes, iova).isEqualTo(DmaStatus.FAULTED);
        assertThat(port.status()).isEqualTo(DmaStatus.FAULTED);
    }

    /** Neither reads nor writes get through. */
    static void isRefused(HardwarePort port, long iova) {
        readIsRefused(port, iova, 8);
        writeIsRefused(port, iova, 8);
    }

    byte[] randomBytes(int length) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }

    private static MemorySegment heapSource(byte[] payload) {
        byte[] source = new byte[payload.length + 2 * GUARD_BYTES];
        System.arraycopy(payload, 0, source, GUARD_BYTES, payload.length);
        return MemorySegment.ofArray(source);
    }

    private static void assertGuards(byte[] target) {
        for (int i = 0; i < GUARD_BYTES; i++) {
            assertThat(target[i]).as("byte before the target").isEqualTo((byte) 0x33);
            assertThat(target[target.length - 1 - i]).as("byte after the target").isEqualTo((byte) 0x33);
        }
    }

    static byte byteAt(long physicalAddress) {
        return HostMemory.WINDOW.get(ValueLayout.JAVA_BYTE, physicalAddress);
    }

    static void putByte(long physicalAddress, byte value) {
        HostMemory.WINDOW.set(ValueLayout.JAVA_BYTE, physicalAddress, value);
    }

    static long longAt(long physicalAddress) {
        return HostMemory.WINDOW.get(ValueLayout.JAVA_LONG, physicalAddress);
    }

    static void putLong(long physicalAddress, long value) {
        HostMemory.WINDOW.set(ValueLayout.JAVA_LONG, physicalAddress, value);
    }

    /** Copies of the pages around expected bytes, to be compared with memory later. */
    static final class Watch {
        private final Map<Long, byte[]> pages = new TreeMap<>();

        /** Also watches the page at {@code physicalAddress} and its neighbours. */
        Watch around(long physicalAddress) {
            page(physicalAddress);
            page(physicalAddress - WATCH_BYTES);
            page(physicalAddress + WATCH_BYTES);
            return this;
        }

        /** {@code value} will be at {@code physicalAddress}. */
        void expect(long physicalAddress, byte value) {
            byte[] page = pages.get(physicalAddress & -WATCH_BYTES);
            if (page == null) {
                around(physicalAddress);
                page = page(physicalAddress);
            }
            page[(int) (physicalAddress & WATCH_BYTES - 1)] = value;
        }

        private byte[] page(long physicalAddress) {
            return pages.computeIfAbsent(physicalAddress & -WATCH_BYTES,
                    start -> HostMemory.WINDOW.asSlice(start, WATCH_BYTES).toArray(ValueLayout.JAVA_BYTE));
        }

        /** Memory is as expected, in all watched pages. */
        void verify() {
            pages.forEach((start, expected) -> {
                byte[] found = HostMemory.WINDOW.asSlice(start, WATCH_BYTES).toArray(ValueLayout.JAVA_BYTE);
                int mismatch = Arrays.mismatch(found, expected);
                assertThat(mismatch).as("offset in the page at physical 0x%x of the first byte that is not as expected", start)
                        .isEqualTo(-1);
            });
        }
    }
}
