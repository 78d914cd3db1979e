package vfio.compat;

import static org.assertj.core.api.Assertions.assertThat;

import iommufd.api.dma.DmaEndpoint;
import iommufd.api.dma.DmaPort;
import iommufd.api.node.OpenNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Random maps and unmaps against a model that knows nothing but the rules, and what DMA reaches in between. */
class Type1PropertyTest {
    private static final long PAGE = Rig.PAGE;
    private static final long BASE = 1L << 30;
    private static final int SPACE_PAGES = 96;
    private static final int BUFFER_PAGES = 64;
    private static final int OPERATIONS = 1_500;

    /** A mapping in pages. */
    private record Mapping(int first, int pages, int bufferPage) {
        int last() {
            return first + pages - 1;
        }

        boolean overlaps(int from, int to) {
            return first <= to && last() >= from;
        }
    }

    /** Type 1 by the book, one mapping after the other. */
    private static final class Model {
        final List<Mapping> mappings = new ArrayList<>();
        final boolean wholeOnly;

        Model(boolean wholeOnly) {
            this.wholeOnly = wholeOnly;
        }

        String map(Mapping wanted) {
            if (mappings.stream().anyMatch(m -> m.overlaps(wanted.first(), wanted.last()))) {
                return "EEXIST";
            }
            mappings.add(wanted);
            return "0";
        }

        String unmap(int from, int to) {
            if (wholeOnly && mappings.stream().anyMatch(m -> m.overlaps(from, to) && (m.first() < from || m.last() > to))) {
                return "EINVAL";
            }
            if (mappings.stream().anyMatch(m -> m.first() < from && m.last() >= from)) {
                return "0";   // type 1: the first that is touched starts before the range
            }
            List<Mapping> gone = mappings.stream().filter(m -> m.first() >= from && m.first() <= to).toList();
            mappings.removeAll(gone);
            return Long.toString(gone.stream().mapToLong(m -> m.pages() * PAGE).sum());
        }

        int pages() {
            return mappings.stream().mapToInt(Mapping::pages).sum();
        }
    }

    static LongStream seeds() {
        return LongStream.range(0, 6);
    }

    @ParameterizedTest(name = "seed {0}")
    @MethodSource("seeds")
    void behavesAsTheRulesSay(long seed) {
        Random random = new Random(seed);
        boolean wholeOnly = random.nextBoolean();
        Model model = new Model(wholeOnly);
        try (Rig rig = new Rig()) {
            DmaEndpoint endpoint = rig.plug(1);
            OpenNode container = rig.container(wholeOnly ? Rig.TYPE1V2 : Rig.TYPE1, new TestGroup(1, List.of("a"), List.of(endpoint)));
            try (DmaPort port = endpoint.openPort()) {
                for (int i = 0; i < OPERATIONS; i++) {
                    operate(rig, container, model, random, "seed %d, operation %d".formatted(seed, i));
                    int page = random.nextInt(SPACE_PAGES);
                    List<Mapping> there = model.mappings.stream().filter(m -> m.overlaps(page, page)).toList();
                    long address = TestClient.BUFFER + (there.isEmpty() ? 0 : there.getFirst().bufferPage() + page - there.getFirst().first()) * PAGE;
                    assertThat(rig.reaches(port, BASE + page * PAGE, address)).as("seed %d, after operation %d: page %d", seed, i, page).isEqualTo(!there.isEmpty());
                    assertThat(rig.client.pinnedPages).as("seed %d, after operation %d", seed, i).hasValue(model.pages());
                }
            }
        }
    }

    private static void operate(Rig rig, OpenNode container, Model model, Random random, String what) {
        int first = random.nextInt(SPACE_PAGES);
        int pages = 1 + random.nextInt(random.nextInt(4) == 0 ? SPACE_PAGES - first : Math.min(6, SPACE_PAGES - first));
        if (random.nextInt(3) > 0) {
            Mapping wanted = new Mapping(first, Math.min(pages, 8), random.nextInt(BUFFER_PAGES - 8));
            String result = rig.map(container, Rig.READ_WRITE, BASE + first * PAGE, TestClient.BUFFER + wanted.bufferPage() * PAGE, wanted.pages() * PAGE);
            assertThat(result).as(what).isEqualTo(model.map(wanted));
        } else if (random.nextInt(100) == 0) {
            assertThat(rig.unmap(container, 2, 0, 0)).as(what).isEqualTo(Long.toString(model.pages() * PAGE));
            model.mappings.clear();
        } else if (random.nextInt(3) == 0 && !model.mappings.isEmpty()) {
            Mapping one = model.mappings.get(random.nextInt(model.mappings.size()));
            assertThat(rig.unmap(container, 0, BASE + one.first() * PAGE, one.pages() * PAGE)).as(what).isEqualTo(model.unmap(one.first(), one.last()));
        } else {
            assertThat(rig.unmap(container, 0, BASE + first * PAGE, pages * PAGE)).as(what).isEqualTo(model.unmap(first, first + pages - 1));
        }
    }
}
