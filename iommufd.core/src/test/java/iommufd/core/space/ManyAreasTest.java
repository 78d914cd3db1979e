package iommufd.core.space;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.DmaAccess;
import iommufd.api.memory.PinnedRuns;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** More areas than one leaf of the index holds, and several threads. */
class ManyAreasTest extends SpaceTest {
    private static final int SLOTS = 3000;

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void theIndexFindsEveryAreaWhateverTheOrder(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        TreeSet<Long> model = new TreeSet<>(Long::compareUnsigned);
        long spread = seed % 2 == 0 ? PAGE : -1L / SLOTS & -PAGE;
        for (int i = 0; i < 20_000; i++) {
            long iova = random.nextLong(SLOTS) * spread;
            boolean grow = random.nextInt(10) < (i / 4000 % 2 == 0 ? 7 : 3);
            if (grow && model.add(iova)) {
                space.mapAt(iova, memory, 0, PAGE, DmaAccess.READ);
            } else if (!grow && model.remove(iova)) {
                assertThat(space.unmap(iova, PAGE)).isEqualTo(PAGE);
            }
            assertThat(space.mappedBytes()).as("seed %d", seed).isEqualTo(model.size() * PAGE);
        }
        ModelDomain domain = new ModelDomain(0, -1L, 0x1000);
        space.addDomain(domain);
        assertThat(domain.entries.keySet()).as("seed %d", seed).isEqualTo(model);
        Long middle = model.ceiling(spread * (SLOTS / 2));
        int above = model.tailSet(middle).size();
        assertThat(space.unmap(middle, -PAGE - middle)).isEqualTo(above * PAGE);
        space.unmapAll();
        assertThat(domain.entries).isEmpty();
        space.removeDomain(domain);
    }

    @Test
    void automaticMappingOfVeryManyPagesStaysFast() {
        int count = 100_000;
        for (int i = 1; i <= count; i++) {
            assertThat(space.map(memory, 0, PAGE, DmaAccess.READ)).isEqualTo(i * PAGE);
        }
        for (int i = 100; i < 1000; i += 7) {
            space.unmap(i * PAGE, PAGE);
        }
        for (int i = 100; i < 1000; i += 7) {
            assertThat(space.map(memory, 0, PAGE, DmaAccess.READ)).isEqualTo(i * PAGE);
        }
        assertThat(space.unmapAll()).isEqualTo(count * PAGE);
    }

    @Test
    void threadsMapCopyPinAndUnmapSideBySide() {
        ModelDomain domain = new ModelDomain();
        space.addDomain(domain);
        IovaSpace other = new IovaSpace(charge);
        List<CompletableFuture<Void>> threads = new ArrayList<>();
        for (int t = 0; t < 4; t++) {
            int thread = t;
            threads.add(CompletableFuture.runAsync(() -> work(other, thread)));
        }
        CompletableFuture.allOf(threads.toArray(CompletableFuture[]::new)).orTimeout(60, TimeUnit.SECONDS).join();
        assertThat(other.empty()).isTrue();
        assertThat(space.empty()).isTrue();
        assertThat(domain.entries).isEmpty();
        space.removeDomain(domain);
        other.close();
    }

    private void work(IovaSpace other, int thread) {
        long base = (thread + 1L) << 30;
        for (int i = 0; i < 1500; i++) {
            space.mapAt(base, ram, 0, 8 * PAGE, DmaAccess.READ_WRITE);
            other.copyAt(base, space, base + PAGE, 4 * PAGE, DmaAccess.READ);
            SpaceAccess[] access = new SpaceAccess[1];
            access[0] = other.openAccess((iova, length) -> {
                if (iova == base) {
                    access[0].unpin(base, PAGE);
                }
            });
            access[0].pin(base, PAGE, false, new PinnedRuns(1));
            space.unmap(base, 8 * PAGE);
            other.unmap(base, 4 * PAGE);
            access[0].close();
        }
    }
}
