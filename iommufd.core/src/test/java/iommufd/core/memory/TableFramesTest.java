package iommufd.core.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import iommufd.api.Errno;
import iommufd.api.IommufdException;
import iommufd.api.memory.HostMemory;
import iommufd.api.memory.TableMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TableFramesTest {
    private static final long CHUNK = 32L << 20;
    private final HostPhysicalMemory physical = new HostPhysicalMemory(2 * CHUNK);
    private final TableMemory tables = physical.tables();

    @AfterEach
    void close() {
        physical.close();
    }

    private static void assertRefused(Errno errno, ThrowingCallable request) {
        assertThatExceptionOfType(IommufdException.class).isThrownBy(request).returns(errno, IommufdException::errno);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void framesAreAlignedApartAndZero(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        TreeMap<Long, Integer> frames = new TreeMap<>();
        long inUse = 0;
        for (int i = 0; i < 3000; i++) {
            if (random.nextInt(5) < 3) {
                int sizeLg2 = 12 + (random.nextInt(4) == 0 ? random.nextInt(8) : 0);
                long frame = tables.allocate(sizeLg2);
                inUse += 1L << sizeLg2;
                assertThat(frame & (1L << sizeLg2) - 1).isZero();
                assertThat(frame).isBetween(tables.baseAddress(), tables.baseAddress() + tables.lengthBytes() - (1L << sizeLg2));
                var below = frames.lowerEntry(frame + (1L << sizeLg2));
                assertThat(below == null || below.getKey() + (1L << below.getValue()) <= frame).as("seed %d: frames overlap", seed).isTrue();
                MemorySegment bytes = HostMemory.WINDOW.asSlice(frame, 1L << sizeLg2);
                assertThat(bytes.mismatch(MemorySegment.ofArray(new byte[1 << sizeLg2]))).as("seed %d: zeros", seed).isEqualTo(-1);
                bytes.fill((byte) 0xff);
                frames.put(frame, sizeLg2);
            } else if (!frames.isEmpty()) {
                var chosen = frames.ceilingEntry(tables.baseAddress() + random.nextLong(2 * CHUNK));
                var entry = chosen == null ? frames.firstEntry() : chosen;
                frames.remove(entry.getKey());
                tables.free(entry.getKey(), entry.getValue());
                inUse -= 1L << entry.getValue();
            }
            assertThat(tables.bytesInUse()).isEqualTo(inUse);
        }
        frames.forEach(tables::free);
        assertThat(tables.bytesInUse()).isZero();
    }

    @Test
    void smallFramesJoinWhenLargeOnesRunOut() {
        List<Long> frames = new ArrayList<>();
        assertRefused(Errno.ENOMEM, () -> {
            while (true) {
                frames.add(tables.allocate(12));
            }
        });
        assertThat(frames).hasSize((int) (2 * CHUNK / 4096)).doesNotHaveDuplicates();
        frames.forEach(frame -> tables.free(frame, 12));
        assertThat(tables.allocate(25)).isBetween(tables.baseAddress(), tables.baseAddress() + CHUNK);
        long second = tables.allocate(24);
        tables.allocate(24);
        assertRefused(Errno.ENOMEM, () -> tables.allocate(12));
        tables.free(second, 24);
        assertThat(tables.allocate(12)).isEqualTo(second);
    }

    @Test
    void wrongFreesAndSizesAreRefused() {
        assertRefused(Errno.EINVAL, () -> tables.allocate(11));
        assertRefused(Errno.EINVAL, () -> tables.allocate(26));
        long frame = tables.allocate(13);
        assertThatIllegalArgumentException().isThrownBy(() -> tables.free(frame, 12));
        assertThatIllegalArgumentException().isThrownBy(() -> tables.free(frame + 4096, 12));
        assertThatIllegalArgumentException().isThrownBy(() -> tables.free(frame + 8, 13));
        assertThatIllegalArgumentException().isThrownBy(() -> tables.free(0, 12));
        tables.free(frame, 13);
        assertThatIllegalArgumentException().isThrownBy(() -> tables.free(frame, 13));
    }

    @Test
    void memoryIsTakenAsItIsUsedAndGivenBackAtTheEnd() {
        assertThat(HostMemory.isBacked(tables.baseAddress())).isFalse();
        long frame = tables.allocate(12);
        assertThat(HostMemory.isBacked(frame)).isTrue();
        assertThat(HostMemory.isBacked(tables.baseAddress() + CHUNK)).isFalse();
        physical.close();
        assertThat(HostMemory.isBacked(frame)).isFalse();
        assertRefused(Errno.ENOMEM, () -> tables.allocate(12));
        tables.free(frame, 12);
        try (HostPhysicalMemory successor = new HostPhysicalMemory(2 * CHUNK)) {
            assertThat(successor.tables().allocate(12)).isEqualTo(frame);
        }
    }

    @Test
    void threadsGetDifferentFrames() {
        List<CompletableFuture<Void>> threads = new ArrayList<>();
        for (int t = 1; t <= 4; t++) {
            long mark = t;
            threads.add(CompletableFuture.runAsync(() -> {
                for (int i = 0; i < 3000; i++) {
                    long frame = tables.allocate(12);
                    HostMemory.WINDOW.set(ValueLayout.JAVA_LONG, frame, mark);
                    long other = tables.allocate(13);
                    assertThat(HostMemory.WINDOW.get(ValueLayout.JAVA_LONG, other)).isZero();
                    assertThat(HostMemory.WINDOW.get(ValueLayout.JAVA_LONG, frame)).isEqualTo(mark);
                    tables.free(frame, 12);
                    tables.free(other, 13);
                }
            }));
        }
        CompletableFuture.allOf(threads.toArray(CompletableFuture[]::new)).orTimeout(60, TimeUnit.SECONDS).join();
        assertThat(tables.bytesInUse()).isZero();
    }
}
