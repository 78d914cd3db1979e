package iommufd.core.space;

import static iommufd.core.space.Refusals.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.DmaAccess;
import iommufd.api.Errno;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which pages were written: the bitmap itself, and how a space fills it. */
class DirtyBitmapTest extends SpaceTest {
    private static final long BASE = 0x7000_0000L;
    private final ModelDomain domain = new ModelDomain();

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void behavesLikeABitSetAtAnyAlignment(long seed) {
        Random random = new Random(seed);
        int pages = 1 + random.nextInt(700);
        long start = -pages * PAGE - random.nextInt(2) * 64 * PAGE;
        try (Arena arena = Arena.ofConfined()) {
            int misalignment = 1 + random.nextInt(7);
            MemorySegment all = arena.allocate(DirtyBitmap.bytesFor(pages * PAGE, PAGE) + 16, 8);
            all.fill((byte) 0x5a);
            MemorySegment bits = all.asSlice(misalignment, DirtyBitmap.bytesFor(pages * PAGE, PAGE)).fill((byte) 0);
            DirtyBitmap bitmap = new DirtyBitmap(start, pages * PAGE, PAGE, bits);
            BitSet model = new BitSet();
            for (int i = 0; i < 500; i++) {
                int from = random.nextInt(pages);
                int to = Math.min(pages, from + 1 + random.nextInt(random.nextInt(10) == 0 ? 300 : 5));
                if (random.nextInt(3) == 0) {
                    boolean clear = random.nextBoolean();
                    BitSet read = new BitSet();
                    bitmap.read(start + from * PAGE + 1, start + to * PAGE - 1, clear,
                            (iova, length) -> read.set((int) ((iova - start) / PAGE), (int) ((iova - start + length) / PAGE)));
                    BitSet expected = model.get(0, to);
                    expected.clear(0, from);
                    assertThat(read).as("seed %d", seed).isEqualTo(expected);
                    if (clear) {
                        model.clear(from, to);
                    }
                } else {
                    bitmap.dirty(start + from * PAGE + 17, (to - from) * PAGE - 20);
                    model.set(from, to);
                }
                assertThat(BitSet.valueOf(bits.toArray(ValueLayout.JAVA_BYTE))).as("seed %d", seed).isEqualTo(model);
            }
            assertThat(all.asSlice(0, misalignment).toArray(ValueLayout.JAVA_BYTE)).containsOnly(0x5a);
            assertThat(all.asSlice(misalignment + bits.byteSize()).toArray(ValueLayout.JAVA_BYTE)).containsOnly(0x5a);
        }
    }

    @Test
    void ignoresWhatLiesOutside() {
        byte[] bits = new byte[1];
        DirtyBitmap bitmap = new DirtyBitmap(8 * PAGE, 3 * PAGE, PAGE, MemorySegment.ofArray(bits));
        bitmap.dirty(0, 8 * PAGE);
        bitmap.dirty(11 * PAGE, PAGE);
        bitmap.dirty(9 * PAGE, 0);
        assertThat(bits[0]).isZero();
        bitmap.dirty(10 * PAGE, -1L);
        assertThat(bits[0]).isEqualTo((byte) 0b100);
        bitmap.dirty(0, 9 * PAGE);
        assertThat(bits[0]).isEqualTo((byte) 0b101);
    }

    @Test
    void aSpaceReportsWhatItsPageTableRecorded() {
        space.addDomain(domain);
        space.mapAt(BASE, memory, 0, 8 * PAGE, DmaAccess.READ_WRITE);
        space.mapAt(BASE + 8 * PAGE, memory, 0, 8 * PAGE, DmaAccess.READ_WRITE);
        domain.markDirty(BASE);
        domain.markDirty(BASE + 9 * PAGE + 5);
        byte[] bits = new byte[2];
        bits[0] = 2;
        space.readDirty(domain, BASE, 16 * PAGE, PAGE, MemorySegment.ofArray(bits), false);
        assertThat(bits).containsExactly(0b11, 0b10);
        byte[] coarse = new byte[1];
        space.readDirty(domain, BASE, 16 * PAGE, 4 * PAGE, MemorySegment.ofArray(coarse), true);
        assertThat(coarse).containsExactly(0b101);
        byte[] none = new byte[2];
        space.readDirty(domain, BASE, 16 * PAGE, PAGE, MemorySegment.ofArray(none), true);
        assertThat(none).containsOnly(0);
    }

    @Test
    void aHoleEndsTheReportWithoutAnError() {
        space.addDomain(domain);
        space.mapAt(BASE, memory, 0, PAGE, DmaAccess.READ_WRITE);
        space.mapAt(BASE + 2 * PAGE, memory, 0, PAGE, DmaAccess.READ_WRITE);
        IntStream.range(0, 3).forEach(page -> domain.markDirty(BASE + page * PAGE));
        byte[] bits = new byte[1];
        space.readDirty(domain, BASE, 3 * PAGE, PAGE, MemorySegment.ofArray(bits), true);
        assertThat(bits).containsExactly(1);
        space.readDirty(domain, 0, PAGE, PAGE, MemorySegment.ofArray(bits), true);
    }

    @Test
    void badRangesAreRefused() {
        space.addDomain(domain);
        MemorySegment bits = MemorySegment.ofArray(new byte[1]);
        assertRefused(Errno.EINVAL, () -> space.readDirty(domain, BASE, 0, PAGE, bits, true));
        assertRefused(Errno.EINVAL, () -> space.readDirty(domain, BASE, PAGE, 0, bits, true));
        assertRefused(Errno.EINVAL, () -> space.readDirty(domain, BASE, 3 * PAGE, 3 * PAGE, bits, true));
        assertRefused(Errno.EINVAL, () -> space.readDirty(domain, BASE + PAGE, 2 * PAGE, 2 * PAGE, bits, true));
        assertRefused(Errno.EINVAL, () -> space.readDirty(domain, BASE, PAGE / 2, PAGE / 2, bits, true));
        assertRefused(Errno.EINVAL, () -> space.readDirty(domain, BASE, 9 * PAGE, PAGE, bits, true));
        assertRefused(Errno.EOVERFLOW, () -> space.readDirty(domain, -PAGE, 2 * PAGE, PAGE, bits, true));
        ModelDomain untracked = new ModelDomain();
        untracked.tracksDirty = false;
        assertRefused(Errno.EOPNOTSUPP, () -> space.readDirty(untracked, BASE, PAGE, PAGE, bits, true));
    }
}
