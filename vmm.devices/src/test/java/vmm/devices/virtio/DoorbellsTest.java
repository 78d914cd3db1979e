package vmm.devices.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;

class DoorbellsTest {
    private final MemorySegment first = Arena.ofAuto().allocate(4096, 4096);
    private final MemorySegment second = Arena.ofAuto().allocate(4096, 4096);

    @Test
    void aRingIsHeardOnce() {
        Doorbells doorbells = new Doorbells(List.of(first, second), queue -> true);
        assertThat(doorbells.present()).isTrue();
        assertThat(doorbells.rung()).isFalse();
        second.set(ValueLayout.JAVA_SHORT, 0, (short) 0);   // queue 0: a page is zero when it is new, and quiet all the same
        assertThat(doorbells.rung()).isTrue();
        assertThat(doorbells.rung()).isFalse();
        first.set(ValueLayout.JAVA_INT, 0, 3 << 16 | 1);
        second.set(ValueLayout.JAVA_SHORT, 0, (short) 7);
        assertThat(doorbells.rung()).isTrue();
        assertThat(doorbells.rung()).as("both were").isFalse();
    }

    @Test
    void othersRingForOthers() {
        Doorbells mine = new Doorbells(List.of(first, second), queue -> queue == 0);
        Doorbells theirs = new Doorbells(List.of(first, second), queue -> queue == 1);
        second.set(ValueLayout.JAVA_SHORT, 0, (short) 1);
        assertThat(mine.rung()).isFalse();
        assertThat(theirs.rung()).isTrue();
        assertThat(theirs.rung()).isFalse();
    }

    @Test
    void noneIsNeverRung() {
        assertThat(Doorbells.NONE.present()).isFalse();
        assertThat(Doorbells.NONE.rung()).isFalse();
    }
}
